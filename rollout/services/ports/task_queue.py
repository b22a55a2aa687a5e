"""The doorbell of the workers."""

from __future__ import annotations

from typing import Protocol


class TaskQueue(Protocol):
    """The doorbell. A lost ring costs one tick, so it never raises and never waits long."""

    def ring(self, task: str) -> bool:
        """Ask some worker to run the named sweep; say whether the broker took the ring."""
        ...
