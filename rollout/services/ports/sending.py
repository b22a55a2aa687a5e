"""How the sending of notices fares, and where it is paused: what is asked of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rollout.domain.notices import NoticeState
from rollout.domain.notices.sending import Tally


@dataclass(frozen=True, slots=True)
class SendingPause:
    """A deprecation whose notices wait, by whom and why."""

    deprecation: str
    reason: str
    owner: str  # an operator, or `rollout`: the circuit breaker
    opened_at: datetime


class SendingRepository(Protocol):
    """Speaks inside one unit of work."""

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add to what became of letters in the present minute.

        It comes last in a transaction: senders wait for each other from here to its end.
        """
        ...

    def count_return(self, notice_id: int, end: NoticeState) -> None:
        """Count an accepted notice as bounced, or complained of, in the minute it was sent."""
        ...

    def lock(self) -> None:
        """Let nobody else judge, pause or resume until the transaction ends."""
        ...

    def tallies(self, window: timedelta) -> Sequence[Tally]:
        """Return of each deprecation that is not paused what became of its letters of late."""
        ...

    def pauses(self) -> Sequence[SendingPause]:
        """Return where sending is paused, in the order of the names."""
        ...

    def pause(self, deprecation: str, *, reason: str, owner: str) -> bool:
        """Pause the sending of a deprecation; say whether it went on so far."""
        ...

    def resume(self, deprecation: str) -> bool:
        """Go on, and forget how it fared until now; say whether it was paused."""
        ...

    def forget(self, older: timedelta) -> None:
        """Drop the sums of minutes that lie further back than that."""
        ...
