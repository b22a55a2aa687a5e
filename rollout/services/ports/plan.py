"""What the plan stage asks of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.calendar import Deadline
from rollout.domain.notices import NoticeContext
from rollout.domain.plan import Deprecation
from rollout.domain.plan_draft import Change, Member


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One account in one deprecation, its row locked."""

    enrollment_id: int
    deprecation: str
    account_id: str
    cohort: str
    state: str
    deadline: datetime
    zone: str
    schedule_version: int


@dataclass(frozen=True, slots=True)
class Reschedule:
    """A new date for an enrollment, why, and up to when its people count as told."""

    enrollment: Enrollment
    cohort: str
    deadline: Deadline
    cause: str
    reason: str | None
    next_notice_at: datetime | None
    told_until: datetime | None


class PlanRepository(Protocol):
    """Speaks inside one unit of work."""

    def names(self) -> list[str]:
        """Return the names of all deprecations."""
        ...

    def document(self, name: str) -> str | None:
        """Return the YAML text that was applied, or None."""
        ...

    def deprecation(self, name: str) -> Deprecation:
        """Return the deprecation as it was applied; raise ``NotFound`` where there is none."""
        ...

    def lock(self, name: str) -> None:
        """Make other applications of this deprecation wait for this one."""
        ...

    def save(self, deprecation: Deprecation, document: str, operator: str) -> None:
        """Write the deprecation and its cohorts. One that has left the file stays on record."""
        ...

    def members(self, deprecation: Deprecation, now: datetime) -> Iterator[Member]:
        """Stream every account that has active keys of the deprecation's kinds."""
        ...

    def readers(
        self, deprecation: Deprecation, account_ids: Sequence[str], now: datetime
    ) -> Collection[NoticeContext]:
        """Return what a first message could say to each contact of accounts, as of now."""
        ...

    def enroll(self, deprecation: Deprecation, changes: Sequence[Change]) -> None:
        """Give accounts their first date."""
        ...

    def lock_enrollments(self, account_id: str, deprecation: str | None) -> list[Enrollment]:
        """Lock and return the enrollments of an account, or those in one deprecation."""
        ...

    def lock_enrollment(self, enrollment_id: int) -> Enrollment:
        """Lock and return one enrollment."""
        ...

    def reschedule(self, change: Reschedule) -> int:
        """Give an enrollment a new date; return the new schedule version."""
        ...

    def remind_anew(self, name: str) -> None:
        """Look again which step is due to whom: the reminders have changed."""
        ...

    def word_anew(self, name: str) -> None:
        """Let gateways know what they are to say: the words of the deprecation have changed."""
        ...

    def reassign(self, enrollment: Enrollment, cohort: str) -> None:
        """Put an enrollment into another cohort; its date stays."""
        ...

    def exempt(self, enrollment: Enrollment) -> None:
        """Take an account out for good: nothing is due any more."""
        ...

    def reopen(self) -> Sequence[tuple[str, str]]:
        """Make due what was cut and has live keys since; return deprecations and accounts."""
        ...

    def look_again(self, enrollment: Enrollment) -> None:
        """Make the cutoff judge the enrollment anew: something about it has changed."""
        ...
