"""What becomes of notices: read off what the mail server said, written with its facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from operator import attrgetter

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices import NoticeState, retry_delay
from rollout.domain.notices.sending import count_letters
from rollout.services.notices.bundles import Sealed
from rollout.services.notices.escalation import escalate
from rollout.services.ports import Outcome, Receipt, UnitOfWork
from rollout.services.ports.notice_ledger import Ended, Leased, Reaped

# With the delays of `retry_delay`, four days: RFC 5321, section 4.5.4.1.
MAX_ATTEMPTS = 22
NONE: Mapping[str, str] = {}
UNDELIVERED = frozenset({NoticeState.BOUNCED, NoticeState.DEAD})


# Known not to be taken: what such a letter said is forgotten, and written anew.
UNTAKEN = frozenset({Outcome.TEMPORARY, Outcome.NO_LINE})


def record(uow: UnitOfWork, sent: Sequence[tuple[Sealed, Receipt]]) -> Sequence[Ended]:
    """Write what the server said of each letter, with a fact for each notice that it told.

    Returns what was recorded: `conclude` with it as the last thing in the transaction.
    """
    each = [(leased, *one) for one in sent for leased in one[0].bundle.notices]
    ended = [_ended(leased, receipt) for leased, _, receipt in each]
    recorded = uow.ledger.finish(ended)  # whoever has a lease that was lost records that one
    facts = []
    for end, (leased, sealed, receipt) in zip(ended, each, strict=True):
        if leased.notice_id not in recorded:
            continue
        if receipt.recipient_refused:
            uow.ledger.bounce(leased)
        if end.again or end.state is not NoticeState.RETRY:
            proof = {} if receipt.outcome in UNTAKEN else sealed.proof(leased.notice_id)
            facts.append(fact_of(action_of(end.state), leased, end.reason, proof))
    if facts:
        uow.audit.append(facts)
    uow.letters.drop(
        [
            leased.letter_id
            for leased, _, receipt in each
            if receipt.outcome in UNTAKEN and leased.notice_id in recorded
        ]
    )
    return [end for end in ended if end.leased.notice_id in recorded]


def give_up(uow: UnitOfWork, leased: Leased, reason: str) -> None:
    """Write that a notice cannot be sent, and conclude."""
    end = Ended(leased, unsent(leased, NoticeState.DEAD), reason)
    if uow.ledger.finish([end]):
        uow.audit.append([fact_of(action_of(end.state), leased, reason)])
        conclude(uow, [end])


def conclude(uow: UnitOfWork, ended: Sequence[Ended]) -> None:
    """Tell others what was not delivered, and count: from here on, senders wait for each other."""
    lost = [end.leased for end in ended if end.state in UNDELIVERED]
    for leased in sorted(lost, key=attrgetter("enrollment_id")):  # see `escalate` of the port
        escalate(uow, leased)
    uow.sending.count(
        count_letters((end.leased.deprecation, end.leased.letter_id, end.state) for end in ended)
    )


def _ended(leased: Leased, receipt: Receipt) -> Ended:
    state, wait = _next_state(leased, receipt)
    again = state is NoticeState.RETRY and receipt.outcome is Outcome.UNCERTAIN
    return Ended(leased, state, receipt.reply, wait, again=again)


def _next_state(leased: Leased, receipt: Receipt) -> tuple[NoticeState, timedelta | None]:
    """Say what becomes of a notice, and when it is tried again.

    An uncertain one is sent again, once, where its step says so: its people would rather read it
    twice than never.
    """
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return NoticeState.SENT, None
        case Outcome.REFUSED:
            return unsent(leased, NoticeState.BOUNCED), None
        case Outcome.UNCERTAIN if leased.resent or not leased.resend:
            return NoticeState.UNCERTAIN, None
        case Outcome.TEMPORARY if leased.attempts + 1 >= MAX_ATTEMPTS:
            return unsent(leased, NoticeState.DEAD), None
        case _:
            return NoticeState.RETRY, retry_delay(leased.attempts)


def unsent(leased: Leased, state: NoticeState) -> NoticeState:
    """Return how a notice ends that is not sent now: an earlier try may have arrived."""
    return NoticeState.UNCERTAIN if leased.resent else state


def action_of(state: NoticeState) -> str:
    return "notice.resent" if state is NoticeState.RETRY else f"notice.{state.value}"


def fact_of(
    action: str, notice: Leased | Reaped, reason: str | None, proof: Mapping[str, str] = NONE
) -> Fact:
    """Return the fact about a notice; ``proof`` names the letter that told it, or may have."""
    data = {"notice_id": notice.notice_id, "step": notice.step, "message_id": notice.message_id}
    return Fact(ROLLOUT, action, f"account:{notice.account_id}", reason, {**data, **proof})
