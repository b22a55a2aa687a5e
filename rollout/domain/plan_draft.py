"""What applying a deprecation would change: who is enrolled, who moves, who stays, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from rollout.domain.calendar import Deadline, Holiday, calendar_zone, deadline_for
from rollout.domain.plan import Candidate, Cohort, Deprecation, assign
from rollout.domain.plan_moves import Edits, Move

STANDS = "people were told a later date, which stands"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where an account stands in the deprecation already."""

    enrollment_id: int
    cohort: str
    deadline: datetime
    state: str
    schedule_version: int
    cause: str  # of the present date: `plan`, or what a person did since
    told: bool  # somebody was, or may have been, told a date


@dataclass(frozen=True, slots=True)
class Member:
    """An account with keys in scope, as the plan sees it."""

    candidate: Candidate
    keys: int
    contacts: int
    enrolled: Enrolled | None


@dataclass(frozen=True, slots=True)
class Change:
    """One account that applying would enroll or move."""

    member: Member
    cohort: str
    deadline: Deadline

    @property
    def new(self) -> bool:
        """Whether the account is enrolled for the first time."""
        return self.member.enrolled is None

    @property
    def scheduled(self) -> bool:
        """Whether the keys are still to be cut: the account is neither cut nor exempt."""
        return self.member.enrolled is None or self.member.enrolled.state == "scheduled"

    @property
    def differs(self) -> bool:
        """Whether applying changes this account; one that is cut or exempt stays as it is."""
        enrolled = self.member.enrolled
        if enrolled is None:
            return True
        there = (enrolled.cohort, enrolled.deadline)
        return self.scheduled and there != (self.cohort, self.deadline.instant)


@dataclass(slots=True)
class CohortSummary:
    """What a cohort comes to: members in all, and what applying would change."""

    cohort: str
    accounts: int = 0
    keys: int = 0
    exempt: int = 0
    contacts: int = 0  # from here on, only of accounts whose keys are still to be cut
    new: int = 0
    moved: int = 0
    unreachable: int = 0  # accounts without any contact: nobody can be told, nothing will be cut
    first_deadline: datetime | None = None
    last_deadline: datetime | None = None
    moves: dict[tuple[datetime, datetime, str], Move] = field(default_factory=dict)
    shifts: Counter[str] = field(default_factory=Counter)  # why dates are not the ones asked for

    def add(self, change: Change, edits: Edits) -> None:
        """Count a member. Nobody is told anything more where the keys are cut, or stay."""
        member, at = change.member, change.deadline.instant
        self.accounts += 1
        self.keys += member.keys
        self.exempt += member.enrolled is not None and member.enrolled.state == "exempt"
        if not change.scheduled:
            return
        self.contacts += member.contacts
        self.unreachable += member.contacts == 0
        self.new += change.new
        self.first_deadline = min(at, self.first_deadline or at)
        self.last_deadline = max(at, self.last_deadline or at)
        self.shifts.update(change.deadline.moves)
        if change.differs and member.enrolled is not None:
            self.moved += 1
            move = edits.move(
                member.enrolled.cohort, member.enrolled.deadline, change.cohort, change.deadline
            )
            self.moves.setdefault(move.kind, move).add(member.candidate.account_id)


@dataclass(slots=True)
class Due:
    """What is to be cut at one instant."""

    keys: int = 0
    accounts: int = 0
    cohorts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Draft:
    """The summary of a plan: what is shown before anything is changed."""

    cohorts: dict[str, CohortSummary]
    unassigned: list[str] = field(default_factory=list)  # no cohort takes them (first 100)
    unassigned_count: int = 0
    stranded: Counter[str] = field(default_factory=Counter)  # by the cohort that has left the file
    due: dict[datetime, Due] = field(default_factory=dict)


class Drafting:
    """Streams the members of a deprecation through its cohorts; counts as it goes."""

    def __init__(
        self,
        deprecation: Deprecation,
        applied: Deprecation | None,
        holiday: Holiday,
        now: datetime,
    ) -> None:
        self._deprecation = deprecation
        self._edits = Edits(applied, deprecation)
        self._holiday = holiday
        self._soonest = now + deprecation.guards.min_notice
        self._cohorts = {cohort.name: cohort for cohort in deprecation.cohorts}
        self._deadlines: dict[tuple[str, str], Deadline] = {}
        self.draft = Draft({c.name: CohortSummary(c.name) for c in deprecation.cohorts})

    def changes(self, members: Iterable[Member]) -> Iterator[Change]:
        """Yield what would change. Whoever is enrolled stays in the cohort that was promised."""
        for member in members:
            cohort = self._cohort_of(member)
            if cohort is None:
                self._leave_out(member)
                continue
            change = Change(member, cohort.name, self._deadline_of(member, cohort))
            self._count(change)
            if change.differs:
                yield change

    def _cohort_of(self, member: Member) -> Cohort | None:
        """Find the cohort. Nobody comes new into one whose date could not be told in time."""
        if member.enrolled is not None and member.enrolled.cohort in self._cohorts:
            return self._cohorts[member.enrolled.cohort]
        zone = member.candidate.timezone
        cohorts = self._deprecation.cohorts
        in_time = [c for c in cohorts if self._planned(c, zone).instant >= self._soonest]
        return assign(self._deprecation.name, in_time, member.candidate)

    def _deadline_of(self, member: Member, cohort: Cohort) -> Deadline:
        """Find the date. What a person gave stays, and what people were told only moves back."""
        enrolled, zone = member.enrolled, member.candidate.timezone
        planned = self._planned(cohort, zone)
        if enrolled is None:
            return planned
        promised = enrolled.told and planned.instant < enrolled.deadline
        if enrolled.cause == "plan" and not promised:
            return planned
        as_it_is = deadline_for(self._deprecation.calendar, enrolled.deadline, zone, self._holiday)
        return replace(as_it_is, moves=(STANDS,)) if promised else as_it_is

    def _planned(self, cohort: Cohort, account_zone: str) -> Deadline:
        rules = self._deprecation.calendar
        zone = calendar_zone(rules, account_zone)
        if (cohort.name, zone) not in self._deadlines:
            self._deadlines[cohort.name, zone] = deadline_for(
                rules, cohort.date, account_zone, self._holiday
            )
        return self._deadlines[cohort.name, zone]

    def _leave_out(self, member: Member) -> None:
        if member.enrolled is not None and member.enrolled.state != "scheduled":
            return  # cut or exempt, in a cohort that has left the file since
        if member.enrolled is not None:
            self.draft.stranded[member.enrolled.cohort] += 1
        self.draft.unassigned_count += 1
        if len(self.draft.unassigned) < 100:  # noqa: PLR2004 - examples, the rest is counted
            self.draft.unassigned.append(member.candidate.account_id)

    def _count(self, change: Change) -> None:
        self.draft.cohorts[change.cohort].add(change, self._edits)
        if change.scheduled:
            due = self.draft.due.setdefault(change.deadline.instant, Due())
            due.keys += change.member.keys
            due.accounts += 1
            due.cohorts.add(change.cohort)
