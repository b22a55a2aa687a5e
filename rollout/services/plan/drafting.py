"""Plan a deprecation (show what would change) and apply it (change exactly that)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from rollout.domain.audit import Fact
from rollout.domain.calendar import Holiday
from rollout.domain.errors import BadInput, BadRows
from rollout.domain.plan import Deprecation
from rollout.domain.plan_caps import draft_problems
from rollout.domain.plan_dates import (
    DateProblem,
    changed_cohorts,
    check_dates,
    check_first_warning,
)
from rollout.domain.plan_draft import Change, Draft, Drafting, Enrolled
from rollout.services.plan.dates import Change as DateChange
from rollout.services.plan.dates import change_date
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.plan.late_keys import reopen
from rollout.services.plan.wording import Wording
from rollout.services.ports import StartUnitOfWork, UnitOfWork

_NOT_LIVE = "it is not live yet: applied with --paused"

BATCH = 5_000  # changes per COPY: memory stays flat however many accounts there are


class ReadDeprecation(Protocol):
    """Reads the YAML of a deprecation; raises ``BadRows`` that names each problem's line."""

    def __call__(
        self, text: str, source: str, templates: Collection[str] | None
    ) -> Deprecation: ...


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a file comes to: the deprecation, its members, and what stands in the way."""

    deprecation: Deprecation
    draft: Draft
    problems: tuple[str, ...]
    applied: bool  # the very same text is applied already
    fix: str | None = None  # the way out of the problems, where they do not say it themselves


class PlanDrafts:
    """Plans and applies deprecations."""

    def __init__(
        self,
        start: StartUnitOfWork,
        read: ReadDeprecation,
        holidays: HolidayFinder,
        wording: Wording,
    ) -> None:
        self._start = start
        self._read = read
        self._holidays = holidays
        self._wording = wording

    def plan(self, document: str, source: str) -> Proposal:
        """Show what applying would change. Changes nothing."""
        deprecation = self._read(document, source, self._wording.templates())
        with self._start() as uow:
            before = uow.plan.document(deprecation.name)
            applied = _applied_before(uow, deprecation)
            problems, fix = self._problems(uow, deprecation, applied, source)
            drafting = self._drafting(uow, deprecation, applied)
            try:
                for _ in drafting.changes(uow.plan.members(deprecation, uow.now())):
                    pass
            except BadInput as error:  # the calendar has no day for a cohort: there is no draft
                raise _refused(source, problems or [error.message], fix or error.fix) from error
            problems += draft_problems(drafting.draft, deprecation)
            return Proposal(deprecation, drafting.draft, tuple(problems), before == document, fix)

    def apply(self, document: str, source: str, operator: str, *, paused: bool = False) -> Proposal:
        """Enroll new accounts, move dates that the file changed, write the facts. Idempotent.

        With ``paused``, nobody is told or cut until the cohorts are resumed.

        Raises ``BadRows`` where something stands in the way; then nothing was changed.
        """
        deprecation = self._read(document, source, self._wording.templates())
        with self._start() as uow:
            uow.plan.lock(deprecation.name)
            before = uow.plan.document(deprecation.name)
            applied = _applied_before(uow, deprecation)
            problems, fix = self._problems(uow, deprecation, applied, source)
            if problems:
                raise _refused(source, problems, fix)
            if before != document:
                if applied is not None:
                    _spread(uow, applied, deprecation)
                uow.plan.save(deprecation, document, operator)
            if paused:
                _pause(uow, deprecation.name, _NOT_LIVE, operator)
            drafting = self._drafting(uow, deprecation, applied)
            changes = drafting.changes(uow.plan.members(deprecation, uow.now()))
            while batch := list(islice(changes, BATCH)):
                _write(uow, deprecation, batch, operator)
            if problems := draft_problems(drafting.draft, deprecation):
                raise _refused(source, problems)
            reopen(uow)
            if before != document:
                uow.audit.append([_applied(deprecation, drafting.draft, operator)])
            uow.commit()
            return Proposal(deprecation, drafting.draft, (), before == document)

    def _holiday(self, deprecation: Deprecation) -> Holiday:
        return self._holidays(deprecation.calendar.holidays)

    def _drafting(
        self, uow: UnitOfWork, deprecation: Deprecation, applied: Deprecation | None
    ) -> Drafting:
        return Drafting(deprecation, applied, self._holiday(deprecation), uow.now())

    def _problems(
        self, uow: UnitOfWork, deprecation: Deprecation, applied: Deprecation | None, source: str
    ) -> tuple[list[str], str | None]:
        """Return what is wrong with the dates and the messages, and the way out.

        Dates that were applied before may lie in the past by now; only changed ones count.
        """
        holiday = self._holiday(deprecation)
        changed = changed_cohorts(deprecation, applied, holiday)
        found = [
            problem
            for problem in check_dates(deprecation, uow.now(), holiday)
            if changed & set(problem.cohorts)
        ]
        rows = [f"{source}:{p.line}: {p.message}" if p.line else p.message for p in found]
        unwritable = self._wording.problems(uow, deprecation)
        fix = "correct the templates; nothing was changed" if unwritable else _way_out(found)
        return check_first_warning(deprecation) + rows + unwritable, fix


def _applied_before(uow: UnitOfWork, deprecation: Deprecation) -> Deprecation | None:
    known = uow.plan.document(deprecation.name) is not None
    return uow.plan.deprecation(deprecation.name) if known else None


def _way_out(problems: Sequence[DateProblem]) -> str | None:
    fixes = dict.fromkeys(problem.fix for problem in problems if problem.fix)
    correct = "correct the lines named; nothing was changed"
    return "; ".join(fixes) or (correct if problems else None)


def _refused(source: str, problems: list[str], fix: str | None = None) -> BadRows:
    return BadRows(f"{source} cannot be applied", problems, fix=fix)


def _spread(uow: UnitOfWork, applied: Deprecation, edited: Deprecation) -> None:
    """Let an edit reach the accounts that are enrolled already."""
    if applied.reminders != edited.reminders:
        uow.plan.remind_anew(edited.name)
    if _words(applied) != _words(edited):
        uow.plan.word_anew(edited.name)


def _words(deprecation: Deprecation) -> tuple[object, ...]:
    """Return what gateways say of every key."""
    return deprecation.title, deprecation.announced, deprecation.guide_url, deprecation.replacement


def _write(uow: UnitOfWork, deprecation: Deprecation, changes: list[Change], operator: str) -> None:
    fresh = [change for change in changes if change.new]
    if fresh:
        uow.plan.enroll(deprecation, fresh)
        uow.audit.append([_enrolled(deprecation, change, operator) for change in fresh])
    left: set[tuple[str, str]] = set()
    for change in changes:
        enrolled = change.member.enrolled
        if enrolled is not None:
            _move(uow, deprecation, change, enrolled, operator)
            left.add((enrolled.cohort, change.cohort))
    _carry_pauses(uow, deprecation.name, {pair for pair in left if pair[0] != pair[1]}, operator)


def _move(
    uow: UnitOfWork, deprecation: Deprecation, change: Change, enrolled: Enrolled, operator: str
) -> None:
    enrollment = uow.plan.lock_enrollment(enrolled.enrollment_id)
    if enrollment.state != "scheduled" or enrollment.schedule_version != enrolled.schedule_version:
        return  # cut or extended while we were reading: that stands
    if enrolled.deadline == change.deadline.instant:
        uow.plan.reassign(enrollment, change.cohort)
        uow.audit.append([_reassigned(deprecation, change, enrolled, operator)])
        return
    moved = DateChange(
        enrollment, change.deadline, change.cohort, "plan", "the plan was changed", operator
    )
    change_date(uow, deprecation, moved)


def _carry_pauses(
    uow: UnitOfWork, deprecation: str, moves: Collection[tuple[str, str]], operator: str
) -> None:
    """Pause the cohorts that take accounts over from a paused one: nobody resumed those."""
    if not moves:
        return
    paused = {state.cohort: state.paused for state in uow.guards.cohorts(deprecation)}
    for origin, cohort in sorted(moves):
        if paused[origin] is None or paused[cohort] is not None:
            continue
        reason = f"{origin}, from where accounts come, is paused: {paused[origin]}"
        paused[cohort] = reason
        _pause_cohort(uow, deprecation, cohort, reason, operator)


def _pause(uow: UnitOfWork, deprecation: str, reason: str, operator: str) -> None:
    """Pause all cohorts that are not paused for another reason."""
    for state in uow.guards.cohorts(deprecation):
        if state.paused is None:
            _pause_cohort(uow, deprecation, state.cohort, reason, operator)


def _pause_cohort(
    uow: UnitOfWork, deprecation: str, cohort: str, reason: str, operator: str
) -> None:
    uow.guards.lock_cohort(deprecation, cohort)
    uow.guards.pause(deprecation, cohort, reason=reason, owner=operator)
    subject = f"cohort:{deprecation}/{cohort}"
    uow.audit.append([Fact(operator, "cohort.paused", subject, reason, {})])


def _reassigned(
    deprecation: Deprecation, change: Change, enrolled: Enrolled, operator: str
) -> Fact:
    return Fact(
        operator,
        "account.reassigned",
        f"account:{change.member.candidate.account_id}",
        f"cohort {enrolled.cohort} has left the plan",
        {"deprecation": deprecation.name, "from": enrolled.cohort, "to": change.cohort},
    )


def _enrolled(deprecation: Deprecation, change: Change, operator: str) -> Fact:
    return Fact(
        operator,
        "account.enrolled",
        f"account:{change.member.candidate.account_id}",
        None,
        {
            "deprecation": deprecation.name,
            "cohort": change.cohort,
            "deadline": change.deadline.instant.isoformat(),
            "wall": change.deadline.wall.isoformat(),
            "zone": change.deadline.zone,
            "moves": list(change.deadline.moves),
            "usage": change.member.candidate.usage.value,
        },
    )


def _applied(deprecation: Deprecation, draft: Draft, operator: str) -> Fact:
    return Fact(
        operator,
        "deprecation.applied",
        f"deprecation:{deprecation.name}",
        None,
        {c.cohort: {"accounts": c.accounts, "new": c.new} for c in draft.cohorts.values()},
    )
