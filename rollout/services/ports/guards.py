"""What people say about cutting: holds, pauses, approvals, and the emergency stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CohortState:
    """A cohort as the console shows it."""

    deprecation: str
    cohort: str
    digest: bytes
    approvals: tuple[str, ...]  # operators who approved it as it is now
    paused: str | None  # why, or None
    paused_by: str | None
    scheduled: int
    held: int  # of those that are scheduled: accounts with an open hold
    cut: int
    exempt: int
    next_deadline: datetime | None


class GuardsRepository(Protocol):
    """Speaks inside one unit of work."""

    def cohorts(self, deprecation: str | None) -> Sequence[CohortState]:
        """Return the cohorts of one deprecation, or of all, in their order."""
        ...

    def lock_cohort(self, deprecation: str, cohort: str) -> bytes:
        """Lock a cohort against the cutoff; return its digest, or raise ``NotFound``."""
        ...

    def approve(self, deprecation: str, cohort: str, digest: bytes, operator: str) -> bool:
        """Record an approval; say whether it is a new one."""
        ...

    def pause(self, deprecation: str, cohort: str, *, reason: str, owner: str) -> bool:
        """Open a pause; say whether there was none yet."""
        ...

    def resume(self, deprecation: str, cohort: str) -> bool:
        """Close a pause; say whether there was one."""
        ...

    def hold(
        self, enrollment_id: int, *, reason: str, owner: str, ends_at: datetime | None
    ) -> bool:
        """Open a person's hold on a locked enrollment; say whether there was none yet."""
        ...

    def release(self, enrollment_id: int) -> bool:
        """Close a person's hold; say whether there was one."""
        ...
