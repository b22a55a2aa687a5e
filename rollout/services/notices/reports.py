"""Take in what comes back by mail: once, in one transaction with the facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices import ARRIVED, NoticeState
from rollout.domain.notices.delivery import Report, ReportKind, ReturnedMail, end_of
from rollout.domain.notices.envelope import Envelopes
from rollout.services.notices.escalation import escalate
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.reports import ReportedNotice

ReadMail = Callable[[bytes, Sequence[str]], ReturnedMail]  # what came, and to which addresses

_FACTS = {
    ReportKind.BOUNCED: "notice.bounced",
    ReportKind.DELAYED: "notice.delayed",
    ReportKind.DELIVERED: "notice.delivered",
    ReportKind.COMPLAINED: "notice.complained",
    ReportKind.AUTO_REPLY: "notice.auto-replied",
    ReportKind.ANSWER: "notice.acknowledged",
}
# What a mail server has taken, and was counted so.
_ACCEPTED = frozenset({NoticeState.SENT, *ARRIVED})


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What became of a mail."""

    mail: ReturnedMail
    new: bool  # it had not come before
    notice: ReportedNotice | None  # as it was before


class MailReports:
    """Turns mail into what it proves about notices."""

    def __init__(self, start: StartUnitOfWork, read: ReadMail, envelopes: Envelopes) -> None:
        self._start = start
        self._read = read
        self._envelopes = envelopes

    def take_in(self, raw: bytes, envelope_to: Sequence[str] = ()) -> TakenIn:
        """Take in one mail. What came before, by its bytes or its Message-ID, changes nothing.

        ``envelope_to`` are the addresses of the SMTP envelope, where it is known. Mail that is
        about none of our notices is kept and shown. Raises ``Unavailable``, with nothing kept,
        where the database cannot be reached.
        """
        return self.keep(self._read(raw, envelope_to))

    def keep(self, mail: ReturnedMail) -> TakenIn:
        """Take in a mail that was read, or what a provider reports in its stead."""
        named = self._envelopes.notice(mail.returned_to, mail.envelope_names)
        with self._start() as uow:
            told = uow.reports.locked(named, mail.originals)  # by one letter
            notice = told[0] if told else None
            strange = notice is None or any(r.kind is ReportKind.UNKNOWN for r in mail.reports)
            about = notice.notice_id if notice else None
            new = uow.reports.keep(mail, about, excerpt=strange)
            if new:
                ends = [(each, _apply(uow, mail, each)) for each in told]
                for each, end in sorted(ends, key=lambda one: one[0].enrollment_id):
                    if end is NoticeState.BOUNCED and each.state is not NoticeState.BOUNCED:
                        escalate(uow, each)
                # One letter, however much it told; last, and in order: see `count` of the port.
                back = {
                    each.deprecation: (each.notice_id, end)
                    for each, end in ends
                    if each.state in _ACCEPTED and end is not each.state
                }
                for _, (notice_id, end) in sorted(back.items()):
                    uow.sending.count_return(notice_id, end)
                uow.commit()
        return TakenIn(mail, new, notice)


def _apply(uow: UnitOfWork, mail: ReturnedMail, notice: ReportedNotice) -> NoticeState:
    """Do what each row of a mail says, in its order; return the state to which that led."""
    state = notice.state
    for report in mail.reports:
        end = end_of(state, report.kind)
        if end is not None:
            at = mail.written_at or uow.now()
            uow.reports.end(notice, end, _reason(state, report), at)
            state = end
        if report.kind is ReportKind.ANSWER:
            uow.reports.acknowledge(notice.notice_id)
        _suppress(uow, notice, report)
        if report.kind in _FACTS:
            uow.audit.append([_fact(mail, notice, report)])
    if state in ARRIVED and notice.state not in ARRIVED:
        uow.cutoff.look_again([notice.enrollment_id])
    return state


def _suppress(uow: UnitOfWork, notice: ReportedNotice, report: Report) -> None:
    """Stop what must not be sent any more. An address that ours forwards to is not ours."""
    ours = report.recipient is not None and report.recipient.lower() == notice.email.lower()
    if report.kind is ReportKind.BOUNCED and report.address_dead and ours:
        uow.reports.suppress(notice.contact_id, NoticeState.BOUNCED)
    elif report.kind is ReportKind.COMPLAINED:
        uow.reports.suppress(notice.contact_id, NoticeState.COMPLAINED)


def _reason(state: NoticeState, report: Report) -> str:
    """Say why the notice ended so; whoever was promised a date by it was not, after all."""
    if report.kind is not ReportKind.BOUNCED:
        return report.reason
    who = f"{report.recipient}: " if report.recipient else ""
    late = ", after it had counted as delivered" if state in ARRIVED else ""
    return f"{who}{report.reason} (came back by mail{late})"


def _fact(mail: ReturnedMail, notice: ReportedNotice, report: Report) -> Fact:
    data = {
        "notice_id": notice.notice_id,
        "step": notice.step,
        "was": notice.state.value,
        "recipient": report.recipient,
        "status": report.status,
        "hard": report.hard,
        "address_dead": report.address_dead,
        "report": mail.message_id or mail.digest.hex(),
    }
    subject = f"account:{notice.account_id}"
    return Fact(ROLLOUT, _FACTS[report.kind], subject, report.reason or None, data)
