"""Hand notices to the mail server and record, for each, exactly how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext, NoticeState, retry_delay
from rollout.domain.return_path import ReturnPaths
from rollout.services.ports import (
    Letter,
    Mailer,
    MailSession,
    Outcome,
    Receipt,
    Renderer,
    StartUnitOfWork,
    UnitOfWork,
)
from rollout.services.ports.notices import Ended, Leased, Reaped
from rollout.services.together import Together

BATCH = 50
CONFIRM_BATCH = 1_000
LEASE = timedelta(minutes=2)  # from the claim to the first byte, for a batch
# RFC 5321, section 4.5.3.2.6: the reply after the final dot may take ten minutes. A notice that
# is being sent is nobody else's until well after that.
SENDING_LEASE = timedelta(minutes=12)
# With the delays of `retry_delay`, four days: RFC 5321, section 4.5.4.1.
MAX_ATTEMPTS = 22
PEACE = timedelta(seconds=30)  # for a server that takes nothing now

# What was sent last over a connection, and what is to be sent next.
Turn = tuple[tuple[Leased, Receipt] | None, Leased | None]


class NoticeDelivery:
    """The sweep that sends."""

    def __init__(
        self,
        start: StartUnitOfWork,
        renderer: Renderer,
        mailer: Mailer | None,
        grace: timedelta,
        return_paths: ReturnPaths | None = None,
    ) -> None:
        self._start = start
        self._renderer = renderer
        self._mailer = mailer
        self._grace = grace
        self._return_paths = return_paths
        self._ledger = Together(self._write)

    def sweep(self) -> int:
        """Send one batch; return how many notices it took.

        None where the server wants no more for now. Without a mailer, notices wait.
        """
        if self._mailer is None:
            return 0
        with self._start() as uow:
            batch = uow.notices.lease(BATCH, LEASE)
            contexts = uow.notices.contexts([n.notice_id for n in batch], uow.now())
            uow.commit()
        if not batch:
            return 0
        with self._mailer.session() as session:
            return len(batch) if self._send(session, batch, contexts) else 0

    def confirm(self) -> int:
        """Call delivered what has not bounced within the grace time; return how many.

        From here on a deadline is a promise (T0).
        """
        with self._start() as uow:
            delivered = uow.notices.confirm(self._grace, CONFIRM_BATCH)
            if delivered:
                uow.cutoff.look_again([enrollment_id for enrollment_id, _ in delivered])
            uow.commit()
            return len(delivered)

    def reap(self) -> int:
        """Take back what a dead worker had; return how many notices."""
        with self._start() as uow:
            reaped = uow.notices.reap()
            if reaped:
                counts = Counter(notice.state for notice in reaped)
                facts = [Fact(ROLLOUT, "notices.reaped", "notices:all", None, counts)]
                half_sent = [notice for notice in reaped if notice.state != NoticeState.PENDING]
                facts += [_fact(_action(NoticeState(n.state)), n, n.reason) for n in half_sent]
                uow.audit.append(facts)
                uow.commit()
            return len(reaped)

    def _send(
        self, session: MailSession, batch: Sequence[Leased], contexts: Mapping[int, NoticeContext]
    ) -> bool:
        """Send one after the other; between two, record the one and begin the other at once.

        Say whether the server would take more: where it would not, the rest is given back.
        """
        sent: tuple[Leased, Receipt] | None = None
        letters = [self._render(leased, contexts[leased.notice_id]) for leased in batch]
        for place, (leased, letter) in enumerate(zip(batch, letters, strict=True)):
            if letter is None:
                continue
            if not self._record(sent, then=leased):
                sent = None
                continue
            path = self._return_paths.of(leased.notice_id) if self._return_paths else None
            receipt = session.send(
                to=leased.email, message_id=leased.message_id, letter=letter, return_path=path
            )
            sent = leased, receipt
            if receipt.closing:
                self._stop(leased, receipt, batch[place + 1 :])
                return False
        self._record(sent)
        return True

    def _render(self, leased: Leased, context: NoticeContext) -> Letter | None:
        try:
            return self._renderer.render(leased.template, context)
        except BadInput as error:
            with self._start() as uow:
                state = _unsent(leased, NoticeState.DEAD)
                uow.notices.finish([Ended(leased, state, error.message)])
                uow.audit.append([_fact(_action(state), leased, error.message)])
                uow.commit()
            return None

    def _record(self, sent: tuple[Leased, Receipt] | None, *, then: Leased | None = None) -> bool:
        """Write what the server said of one letter, and mark the next as being sent.

        Say whether that one may be sent: its lease may be lost, or its schedule have moved.
        """
        return self._ledger.ask((sent, then))

    def _write(self, turns: Sequence[Turn]) -> list[bool]:
        """Record in one transaction for all connections of this process that wait for it.

        None begins a letter before its last one is recorded, so a process that is killed leaves
        one being sent for each of its connections, and no more.
        """
        with self._start() as uow:
            _record(uow, [sent for sent, _ in turns if sent])
            wanted = [then for _, then in turns if then]
            begun = uow.notices.begin(wanted, SENDING_LEASE)
            reason = "out of date when it was to be sent"
            stale = [n for n in wanted if n.notice_id not in begun]
            uow.notices.finish([Ended(n, _unsent(n, NoticeState.SKIPPED), reason) for n in stale])
            uow.commit()
        return [then is not None and then.notice_id in begun for _, then in turns]

    def _stop(self, leased: Leased, receipt: Receipt, rest: Sequence[Leased]) -> None:
        """Give back what the server has not been asked to take; it is left in peace for a while.

        If it has not even heard of this letter, that is no attempt to send it either.
        """
        with self._start() as uow:
            if receipt.outcome is Outcome.NO_LINE:
                rest = [leased, *rest]
            else:
                _record(uow, [(leased, receipt)])
            uow.notices.give_back(rest, receipt.reply, PEACE)
            uow.commit()


def _record(uow: UnitOfWork, sent: Sequence[tuple[Leased, Receipt]]) -> None:
    """Write what the server said of each, with its fact."""
    now = uow.now()
    ended = [_ended(leased, receipt, now) for leased, receipt in sent]
    recorded = uow.notices.finish(ended)  # whoever has a lease that was lost records that one
    for leased, receipt in sent:
        if receipt.recipient_refused and leased.notice_id in recorded:
            uow.notices.bounce(leased)
    facts = [
        _fact(_action(end.state), end.leased, end.reason)
        for end in ended
        if end.leased.notice_id in recorded and (end.again or end.state is not NoticeState.RETRY)
    ]
    if facts:
        uow.audit.append(facts)


def _ended(leased: Leased, receipt: Receipt, now: datetime) -> Ended:
    state, retry_at = _next_state(leased, receipt, now)
    again = state is NoticeState.RETRY and receipt.outcome is Outcome.UNCERTAIN
    return Ended(leased, state, receipt.reply, retry_at, again=again)


def _next_state(
    leased: Leased, receipt: Receipt, now: datetime
) -> tuple[NoticeState, datetime | None]:
    """Say what becomes of a notice.

    An uncertain one is sent again, once, where its step says so: its people would rather read it
    twice than never.
    """
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return NoticeState.SENT, None
        case Outcome.REFUSED:
            return _unsent(leased, NoticeState.BOUNCED), None
        case Outcome.UNCERTAIN if leased.resent or not leased.resend:
            return NoticeState.UNCERTAIN, None
        case Outcome.TEMPORARY if leased.attempts + 1 >= MAX_ATTEMPTS:
            return _unsent(leased, NoticeState.DEAD), None
        case _:
            return NoticeState.RETRY, now + retry_delay(leased.attempts)


def _unsent(leased: Leased, state: NoticeState) -> NoticeState:
    """Return how a notice ends that is not sent now: an earlier try may have arrived."""
    return NoticeState.UNCERTAIN if leased.resent else state


def _action(state: NoticeState) -> str:
    return "notice.resent" if state is NoticeState.RETRY else f"notice.{state.value}"


def _fact(action: str, notice: Leased | Reaped, reason: str | None) -> Fact:
    data = {"notice_id": notice.notice_id, "step": notice.step, "message_id": notice.message_id}
    return Fact(ROLLOUT, action, f"account:{notice.account_id}", reason, data)
