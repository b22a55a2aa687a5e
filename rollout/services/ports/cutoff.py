"""What the cutoff stage asks of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from rollout.domain.cutoff import Case, Hold
from rollout.domain.plan import Deprecation


@dataclass(frozen=True, slots=True)
class DueCount:
    """How much is due at once. Counting stops just above the caps that were asked about."""

    keys: int
    accounts: int
    cut_last_hour: int
    at: datetime  # what becomes due later belongs to the next run


@dataclass(frozen=True, slots=True)
class Restorable:
    """A key that a cutoff switched off and that can come back with the same secret."""

    key_id: str
    hint: str


class CutoffRepository(Protocol):
    """Speaks inside one unit of work."""

    def stopped(self) -> str | None:
        """Lock against an emergency stop; return why all cutting is stopped already, or None."""
        ...

    def due(self) -> Mapping[str, Sequence[str]]:
        """Return the deprecations with due enrollments, and which running cohorts have them."""
        ...

    def count(
        self, deprecation: Deprecation, cohorts: Sequence[str], *, max_keys: int, max_accounts: int
    ) -> DueCount:
        """Count what is due in these cohorts, up to just above the maxima."""
        ...

    def open_run(
        self, deprecation: Deprecation, count: DueCount, refused: str | None = None
    ) -> int:
        """Record a run and its size; return its id."""
        ...

    def lock_running(self, deprecation: str, cohorts: Sequence[str]) -> Sequence[str]:
        """Lock against pauses, approvals and edits; return the cohorts that are not paused."""
        ...

    def claim(
        self, deprecation: Deprecation, cohorts: Sequence[str], counted_at: datetime, limit: int
    ) -> Sequence[Case]:
        """Lock what was due when the run was counted and nobody else has; load the cases."""
        ...

    def cases(self, deprecation: Deprecation, at: datetime, limit: int) -> Sequence[Case]:
        """Load the cases of all enrollments due by ``at``, without locks."""
        ...

    def record_cuts(
        self, run_id: int, evidence: Mapping[int, Mapping[str, Any]], cases: Sequence[Case]
    ) -> Mapping[int, Sequence[str]]:
        """Switch the keys off and write the ledger; return the keys of each enrollment."""
        ...

    def close(self, enrollment_ids: Sequence[int], next_notice: timedelta | None) -> None:
        """Mark enrollments as cut; what follows is told ``next_notice`` after the deadline."""
        ...

    def record_holds(self, holds: Mapping[int, Hold], recheck: timedelta) -> Mapping[int, Hold]:
        """Open or renew holds; return those that are new or have another reason now."""
        ...

    def clear_holds(self, enrollment_ids: Sequence[int]) -> None:
        """Close what rules held, and people's holds that have ended."""
        ...

    def wait(self, until: Mapping[int, datetime]) -> None:
        """Look at each enrollment again at its time."""
        ...

    def look_again(self, enrollment_ids: Sequence[int]) -> None:
        """Judge these again at once: their evidence has changed."""
        ...

    def restore_keys(self, enrollment_id: int) -> Sequence[Restorable]:
        """Switch the keys that this enrollment's cutoff switched off on again, secret and all."""
        ...
