"""The circuit breaker of sending: what does harm stops by itself, until a person resumes it.

A pause keeps notices from being sent, and nothing else: they are written as before, and wait.
What its people were not told cannot be cut (T0), nor what still waits for its last warning.
"""

from __future__ import annotations

from collections.abc import Sequence

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import Refused
from rollout.domain.notices.sending import WINDOWS, why_stop
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.sending import SendingPause


class NoticeBreaker:
    """Each call is one transaction. Letters that a sender already has still go out."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def trip(self) -> int:
        """Pause the sending of whatever does harm; return how many deprecations that are."""
        with self._start() as uow:
            uow.sending.lock()
            harm = {
                tally.deprecation: why
                for window in reversed(WINDOWS)  # what shows within the hour is the better reason
                for tally in uow.sending.tallies(window)
                if (why := why_stop(window, tally)) is not None
            }
            for name, why in harm.items():
                uow.sending.pause(name, reason=why, owner=ROLLOUT)
            uow.audit.append([_fact(ROLLOUT, "paused", name, why) for name, why in harm.items()])
            uow.sending.forget(max(WINDOWS))
            uow.commit()
            return len(harm)

    def pauses(self) -> Sequence[SendingPause]:
        """Return where sending is paused."""
        with self._start() as uow:
            return uow.sending.pauses()

    def pause(self, deprecation: str, *, reason: str, operator: str) -> None:
        """Stop the sending of a deprecation's notices; raise ``Refused`` if it is paused."""
        with self._start() as uow:
            uow.plan.deprecation(deprecation)
            uow.sending.lock()
            if not uow.sending.pause(deprecation, reason=reason, owner=operator):
                raise Refused(f"the sending of {deprecation} is paused already")
            uow.audit.append([_fact(operator, "paused", deprecation, reason)])
            uow.commit()

    def resume(self, deprecation: str, *, reason: str, operator: str) -> None:
        """Go on sending; what was sent until now is not judged again.

        Raises ``Refused`` where sending is not paused.
        """
        with self._start() as uow:
            uow.plan.deprecation(deprecation)
            uow.sending.lock()
            if not uow.sending.resume(deprecation):
                raise Refused(f"the sending of {deprecation} is not paused")
            uow.audit.append([_fact(operator, "resumed", deprecation, reason)])
            uow.commit()


def _fact(actor: str, what: str, deprecation: str, reason: str) -> Fact:
    return Fact(actor, f"sending.{what}", f"deprecation:{deprecation}", reason)
