"""What the clock process asks of the database: a lease, heartbeats, and the emergency stop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol


class ClockRepository(Protocol):
    """Speaks inside one unit of work."""

    def take(self, name: str, holder: str, length: timedelta) -> int | None:
        """Take the lease if it is free or expired; return its new term, or None."""
        ...

    def renew(self, name: str, holder: str, term: int, length: timedelta) -> bool:
        """Renew the lease of this very term; False if somebody else has it by now."""
        ...

    def beat(self, process: str, kind: str) -> None:
        """Note that a process is alive."""
        ...

    def behind(self) -> timedelta:
        """Return how far the clock is behind the newest instant that a clock process noted."""
        ...

    def forget_the_future(self) -> None:
        """Drop the heartbeats of a time that has not come: the clock was ahead then."""
        ...

    def beats(self) -> Mapping[str, datetime]:
        """Return the newest heartbeat of each kind of process."""
        ...

    def stop(self, reason: str, owner: str) -> bool:
        """Stop all cutting, once the batches under way are done; say whether it went on so far."""
        ...

    def unstop(self) -> bool:
        """Let cutting go on; say whether it was stopped."""
        ...
