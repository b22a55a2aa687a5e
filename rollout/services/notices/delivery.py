"""Hand notices to the mail server and record, for each, exactly how it ended."""

from __future__ import annotations

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
from rollout.services.ports.notices import Leased

BATCH = 50
CONFIRM_BATCH = 1_000
LEASE = timedelta(minutes=2)  # from the claim to the first byte, for a batch
# RFC 5321, section 4.5.3.2.6: the reply after the final dot may take ten minutes. A notice that
# is being sent is nobody else's until well after that.
SENDING_LEASE = timedelta(minutes=12)
MAX_ATTEMPTS = 12  # with the delays of `retry_delay`, about two days


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

    def sweep(self) -> int:
        """Send one batch; return how many notices it took. Without a mailer, notices wait."""
        if self._mailer is None:
            return 0
        with self._start() as uow:
            batch = uow.notices.lease(BATCH, LEASE)
            contexts = uow.notices.contexts([n.notice_id for n in batch], uow.now())
            uow.commit()
        if not batch:
            return 0
        with self._mailer.session() as session:
            self._send(session, batch, contexts)
        return len(batch)

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
            fates = uow.notices.reap()
            if fates:
                uow.audit.append([Fact(ROLLOUT, "notices.reaped", "notices:all", None, fates)])
                uow.commit()
            return sum(fates.values())

    def _send(
        self, session: MailSession, batch: Sequence[Leased], contexts: Mapping[int, NoticeContext]
    ) -> None:
        """Send one after the other; between two, record the one and begin the other at once."""
        sent: tuple[Leased, Receipt] | None = None
        for leased in batch:
            letter = self._render(leased, contexts[leased.notice_id])
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
        self._record(sent)

    def _render(self, leased: Leased, context: NoticeContext) -> Letter | None:
        try:
            return self._renderer.render(leased.template, context)
        except BadInput as error:
            with self._start() as uow:
                uow.notices.finish(leased, NoticeState.DEAD, reason=error.message)
                uow.audit.append([_fact("notice.dead", leased, error.message)])
                uow.commit()
            return None

    def _record(self, sent: tuple[Leased, Receipt] | None, *, then: Leased | None = None) -> bool:
        """Write what the server said of one letter, and mark the next as being sent.

        Say whether that one may be sent: its lease may be lost, or its schedule have moved.
        """
        begun = False
        with self._start() as uow:
            if sent:
                _record(uow, *sent)
            if then:
                begun = uow.notices.begin(then, SENDING_LEASE)
                if not begun:
                    reason = "out of date when it was to be sent"
                    uow.notices.finish(then, NoticeState.SKIPPED, reason=reason)
            uow.commit()
        return begun


def _record(uow: UnitOfWork, leased: Leased, receipt: Receipt) -> None:
    """Write what the server said, with its fact."""
    state, retry_at = _next_state(leased, receipt, uow.now())
    if not uow.notices.finish(leased, state, reason=receipt.reply, retry_at=retry_at):
        return  # the lease was lost: whoever has it now records it
    if state is NoticeState.BOUNCED and receipt.recipient_refused:
        uow.notices.bounce(leased)
    if state is not NoticeState.RETRY:
        uow.audit.append([_fact(f"notice.{state.value}", leased, receipt.reply)])


def _next_state(
    leased: Leased, receipt: Receipt, now: datetime
) -> tuple[NoticeState, datetime | None]:
    """Say what becomes of a notice.

    An uncertain one is sent again, once, where the step is required: its people would rather read
    it twice than never.
    """
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return NoticeState.SENT, None
        case Outcome.REFUSED:
            return NoticeState.BOUNCED, None
        case Outcome.UNCERTAIN if not leased.required or leased.attempts >= 1:
            return NoticeState.UNCERTAIN, None
        case _ if leased.attempts + 1 >= MAX_ATTEMPTS:
            return NoticeState.DEAD, None
        case _:
            return NoticeState.RETRY, now + retry_delay(leased.attempts)


def _fact(action: str, leased: Leased, reason: str) -> Fact:
    data = {"notice_id": leased.notice_id, "step": leased.step, "message_id": leased.message_id}
    return Fact(ROLLOUT, action, f"account:{leased.account_id}", reason, data)
