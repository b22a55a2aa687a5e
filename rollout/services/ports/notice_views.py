"""What people ask about notices: lists, counts, and who is not told yet. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from rollout.domain.notices import NoticeState
from rollout.domain.notices.untold import Telling

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFilter:
    """Which notices are meant: all that is given must hold."""

    account_id: str | None = None
    deprecation: str | None = None
    cohort: str | None = None
    address: str | None = None  # of the contact, in whatever case
    step: str | None = None
    states: Collection[NoticeState] = ()  # any of these; none given: any
    since: datetime | None = None  # due then or later
    until: datetime | None = None  # due before then


@dataclass(frozen=True, slots=True)
class Counted:
    """How many notices of a step are in a state; of those skipped, for one reason."""

    step: str
    state: str
    reason: str | None
    notices: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SameDates:
    """Affected people whose dates are the same, and who are told up to the same instant."""

    deadline: datetime
    zone: str  # of the deadline
    cut_at: datetime | None
    told_until: datetime | None
    people: int  # whose address is not known to be dead
    willing: int  # of those, who neither complained nor unsubscribed


@dataclass(frozen=True, slots=True)
class Near:
    """The guard of a deprecation as a list of work needs it."""

    deprecation: str
    min_notice: timedelta
    min_delivered: int


@dataclass(frozen=True, slots=True)
class NearEnrollment:
    """An enrollment whose date is nearer than its ``min_notice``, and not promised."""

    deprecation: str
    account_id: str
    cohort: str
    telling: Telling


class NoticeViews(Protocol):
    """Speaks inside one unit of work."""

    def notices(self, which: NoticeFilter, limit: int | None) -> Iterator[Row]:
        """Yield notices, the newest first: all that fit, or ``limit`` of them."""
        ...

    def count(self, deprecation: str, cohort: str | None) -> Sequence[Counted]:
        """Count the notices of a deprecation, or of one of its cohorts."""
        ...

    def ahead(self, deprecation: str, cohort: str | None) -> Iterator[SameDates]:
        """Yield those for whom steps may still come: accounts with keys that are not told all."""
        ...

    def near(
        self, guards: Sequence[Near], cohort: str | None, limit: int | None
    ) -> Iterator[NearEnrollment]:
        """Yield enrollments that are scheduled, near and not promised, the earliest first.

        An account without an active key is not among them: nothing of it is left to cut. All that
        are so, or ``limit`` of them.
        """
        ...
