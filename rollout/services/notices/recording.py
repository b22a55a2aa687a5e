"""What becomes of notices: read off what the mail server said, written with its facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices import NoticeState, retry_delay
from rollout.domain.notices.sending import Tally, outcome
from rollout.services.notices.escalation import escalate
from rollout.services.ports import Outcome, Receipt, UnitOfWork
from rollout.services.ports.notice_ledger import Ended, Leased, Reaped

# With the delays of `retry_delay`, four days: RFC 5321, section 4.5.4.1.
MAX_ATTEMPTS = 22
UNDELIVERED = frozenset({NoticeState.BOUNCED, NoticeState.DEAD})


def record(uow: UnitOfWork, sent: Sequence[tuple[Leased, Receipt]]) -> Sequence[Tally]:
    """Write what the server said of each, with its fact; return what is to be counted.

    Whoever records counts it, by ``uow.sending``, as the last thing in the transaction.
    """
    ended = [_ended(leased, receipt) for leased, receipt in sent]
    recorded = uow.ledger.finish(ended)  # whoever has a lease that was lost records that one
    for leased, receipt in sent:
        if receipt.recipient_refused and leased.notice_id in recorded:
            uow.ledger.bounce(leased)
    facts = [
        fact_of(action_of(end.state), end.leased, end.reason)
        for end in ended
        if end.leased.notice_id in recorded and (end.again or end.state is not NoticeState.RETRY)
    ]
    if facts:
        uow.audit.append(facts)
    for end in ended:
        if end.state in UNDELIVERED and end.leased.notice_id in recorded:
            escalate(uow, end.leased)
    return [
        outcome(end.leased.deprecation, end.state)
        for end in ended
        if end.leased.notice_id in recorded
    ]


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


def fact_of(action: str, notice: Leased | Reaped, reason: str | None) -> Fact:
    data = {"notice_id": notice.notice_id, "step": notice.step, "message_id": notice.message_id}
    return Fact(ROLLOUT, action, f"account:{notice.account_id}", reason, data)
