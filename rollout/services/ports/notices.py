"""What the notices stage asks of the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from rollout.domain.notices import NoticeContext
from rollout.domain.notices.delivery import Reach
from rollout.domain.plan import Step
from rollout.domain.usage import History


class Stand(NamedTuple):
    """Where an enrollment stands in its timetable: many stand at the same point."""

    state: str
    deadline: datetime
    zone: str
    told_until: datetime | None
    cut_at: datetime | None


@dataclass(frozen=True, slots=True)
class DueEnrollment:
    """An enrollment for which a step is due, its row locked."""

    enrollment_id: int
    deprecation: str
    keys: int  # in scope and, before the deadline, active
    refused_since_cutoff: int
    stand: Stand


@dataclass(frozen=True, slots=True)
class NewNotice:
    """One step for everybody of an account, whose enrollment is locked.

    It tells the enrollment's present deadline. With ``skipped`` it is only recorded, not sent.
    """

    enrollment_id: int
    step: Step
    skipped: str | None = None
    not_after: datetime | None = None  # what is not sent by then is skipped
    webhook: int | None = None  # the delivery that failed, where it tells that a webhook is off


@dataclass(frozen=True, slots=True)
class Opening:
    """From when on people may be written to, by their time zones.

    A message that tells a deadline waits no longer than until ``spacing`` before it.
    """

    at: Mapping[str, datetime]
    spacing: timedelta


class NoticesRepository(Protocol):
    """Speaks inside one unit of work."""

    def claim_enrollments(self, limit: int) -> Sequence[DueEnrollment]:
        """Lock enrollments whose next step is due and whose cohort is not paused."""
        ...

    def histories(self, enrollment_ids: Sequence[int]) -> Mapping[int, Sequence[History]]:
        """Return what is known of the uses of their keys, of active ones if they are not cut."""
        ...

    def with_integration(self, enrollment_ids: Sequence[int], since: datetime) -> Collection[int]:
        """Return those whose keys an integration that is known by name has used since then."""
        ...

    def zones(self, enrollment_ids: Sequence[int]) -> Collection[str]:
        """Return the time zones in which people of some enrollments live."""
        ...

    def add(self, notices: Sequence[NewNotice], opening: Opening | None = None) -> int:
        """Write the rows: one per contact that the step is for. One that exists stays as it is.

        Where nobody of the step's roles can be written to, it is for everybody.
        """
        ...

    def unacknowledged(self, enrollment_ids: Sequence[int]) -> Mapping[int, str]:
        """Return those of whose present schedule nobody has acknowledged a message, and whose.

        An answer by mail counts, and so does the button of a brief.
        """
        ...

    def advance(self, steps: Sequence[tuple[int, datetime | None]], told_until: datetime) -> None:
        """Note per enrollment when its next step is due, and that it is told until now."""
        ...

    def anybody_told(self, enrollment_id: int) -> bool:
        """Say whether anybody was, or may have been, told a date of this enrollment."""
        ...

    def supersede(
        self, enrollment_ids: Sequence[int], reason: str, *, steps: Sequence[str] | None = None
    ) -> frozenset[int]:
        """Skip what has not been sent yet, of some steps or all; return whom it was for.

        What tells of a webhook that is off is no step, and stays.
        """
        ...

    def retell(
        self,
        enrollment_id: int,
        *,
        template: str,
        version: int,
        deadline: datetime,
        also: Collection[int],
        opening: Opening | None,
    ) -> int:
        """Tell the new date to those who were, or may have been, told another, and to ``also``."""
        ...

    def escalate(self, notice_id: int) -> Sequence[str]:
        """Tell the others of an account what one of them cannot be told, and nobody else was.

        Until the transaction ends, nobody else does so for the same enrollment. Of several, the one
        with the lowest id comes first, and all of them after whatever else there is to be changed.
        Returns their addresses: none where somebody has been told, or has yet to be.
        """
        ...

    def reaches(self, enrollment_ids: Collection[int]) -> Mapping[int, Reach]:
        """Return how far each scheduled enrollment is told, where somebody inside could be told."""
        ...

    def tell_insiders(
        self, enrollment_ids: Collection[int]
    ) -> Sequence[tuple[int, str, Sequence[str]]]:
        """Write to the people inside the company that nobody of an account can be told.

        Once per schedule version and person. Returns enrollment, account and addresses of each.
        """
        ...

    def contexts(self, notice_ids: Sequence[int], now: datetime) -> Mapping[int, NoticeContext]:
        """Return what the templates may say, for each notice."""
        ...

    def addresses(self, enrollment_id: int, step: str) -> Mapping[int, str]:
        """Return the notices of one step of an enrollment, and to whom they go."""
        ...
