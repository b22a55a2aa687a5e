"""When a step is due, write one notice per person: threshold passed and not yet told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from rollout.domain.cutoff import spoken
from rollout.domain.notices.timetable import Choice, Due, Timetable, aftermath, choose, warnings
from rollout.domain.plan import Deprecation, Only
from rollout.domain.usage import Coverage, Usage, judge_usage, most_used
from rollout.services.notices.reading_hours import when_open
from rollout.services.plan.dates import postpone
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.notices import DueEnrollment, NewNotice

BATCH = 1_000
LONG_WEEKEND = timedelta(days=4)  # for which a first warning may wait in its reader's own hours


class NoticeScheduling:
    """The sweep that turns due steps into notices."""

    def __init__(self, start: StartUnitOfWork, holidays: HolidayFinder) -> None:
        self._start = start
        self._holidays = holidays

    def sweep(self) -> int:
        """Schedule one batch in one transaction; return how many enrollments it looked at."""
        with self._start() as uow:
            due = uow.notices.claim_enrollments(BATCH)
            if not due:
                return 0
            for name in dict.fromkeys(enrollment.deprecation for enrollment in due):
                document = uow.plan.deprecation(name)
                self._schedule(uow, document, [e for e in due if e.deprecation == name])
            uow.commit()
            return len(due)

    def _schedule(
        self, uow: UnitOfWork, document: Deprecation, due: Collection[DueEnrollment]
    ) -> None:
        now = uow.now()
        facts = _facts(uow, document, due, now)
        batch = _Batch()
        for enrollment in due:
            timetable = _timetable(enrollment, document)
            choice = choose(
                timetable.passed(since=enrollment.told_until, now=now),
                partial(_unmet, enrollment=enrollment, facts=facts, now=now),
            )
            if _too_late(choice, enrollment, document, now):
                self._move(uow, document, enrollment, now)
                continue
            if enrollment.keys:  # only people who are affected are written to
                batch.new += _notices(enrollment, choice)
            told_until = max(now, enrollment.told_until or now)  # the news of a date tells more
            following = timetable.next(after=told_until)
            batch.following.append((enrollment.enrollment_id, following))
        batch.write(uow, document, now)

    def _move(
        self, uow: UnitOfWork, document: Deprecation, enrollment: DueEnrollment, now: datetime
    ) -> None:
        """Give an account more time, since its last warning comes too late for its date.

        Where nobody has been told anything yet, that is the time of a first warning.
        """
        lead = document.spacing
        if not uow.notices.anybody_told(enrollment.enrollment_id):
            lead = max(lead, document.guards.min_notice + LONG_WEEKEND)
        planned = uow.plan.lock_enrollment(enrollment.enrollment_id)
        postpone(uow, document, planned, now + lead, self._holidays)


@dataclass(slots=True)
class _Batch:
    """What a sweep writes for one deprecation."""

    new: list[NewNotice] = field(default_factory=list)
    following: list[tuple[int, datetime | None]] = field(default_factory=list)

    def write(self, uow: UnitOfWork, document: Deprecation, now: datetime) -> None:
        """Write the notices. Each stands for the staler ones that still wait to be sent."""
        sent: dict[str, list[int]] = {}
        for notice in self.new:
            if notice.skipped is None:
                sent.setdefault(notice.step.name, []).append(notice.enrollment_id)
        steps = [step.name for step in document.reminders]
        for name, enrollments in sent.items():
            uow.notices.supersede(enrollments, f"superseded by {name}", steps=steps)
        told = [enrollment_id for enrollments in sent.values() for enrollment_id in enrollments]
        uow.notices.add(self.new, when_open(uow, document, told))
        uow.notices.advance(self.following, told_until=now)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the conditions of steps ask."""

    usage: Mapping[int, Usage]
    with_integration: Collection[int]


def _facts(
    uow: UnitOfWork, document: Deprecation, due: Collection[DueEnrollment], now: datetime
) -> _Facts:
    asked = {only for step in document.reminders for only in step.only}
    usage: dict[int, Usage] = {}
    if asked & {Only.IN_USE, Only.UNKNOWN, Only.NOT_MIGRATED}:
        coverage = uow.usage.coverage()
        usage = {e.enrollment_id: _usage(e, document, coverage, now) for e in due}
    with_integration: Collection[int] = ()
    if Only.HAS_INTEGRATION in asked:
        since = now - document.guards.usage_window
        with_integration = uow.notices.with_integration([e.enrollment_id for e in due], since)
    return _Facts(usage, with_integration)


def _usage(
    enrollment: DueEnrollment, document: Deprecation, coverage: Coverage, now: datetime
) -> Usage:
    guards = document.guards
    window, fresh = guards.usage_window, guards.usage_fresh
    return most_used(
        judge_usage(of_key, coverage, now=now, window=window, fresh=fresh).usage
        for of_key in enrollment.histories
    )


def _timetable(enrollment: DueEnrollment, document: Deprecation) -> Timetable:
    """Before the cutoff people are warned; after it they are told what happened."""
    if enrollment.state == "cut":  # the cut itself may be late: people count from it
        return aftermath(document, enrollment.cut_at or enrollment.deadline)
    return warnings(document, enrollment.deadline, enrollment.zone)


def _too_late(
    choice: Choice, enrollment: DueEnrollment, document: Deprecation, now: datetime
) -> bool:
    """Whether a last warning, if it went out now, would leave less than it must."""
    if enrollment.state == "cut" or not enrollment.keys or choice.send is None:
        return False
    stood_for = [choice.send, *(due for due, _ in choice.skipped)]
    is_last = any(due.step == document.last_warning for due in stood_for)
    return is_last and enrollment.deadline - now < document.spacing


def _notices(enrollment: DueEnrollment, choice: Choice) -> Iterator[NewNotice]:
    for due, why in choice.skipped:
        yield NewNotice(enrollment.enrollment_id, due.step, why)
    if choice.send:
        at, step = choice.send.at, choice.send.step
        not_after = at + step.max_late if step.max_late else None
        yield NewNotice(enrollment.enrollment_id, step, not_after=not_after)


def _unmet(due: Due, *, enrollment: DueEnrollment, facts: _Facts, now: datetime) -> str | None:
    """Say why a step is not sent, or None."""
    step, usage = due.step, facts.usage.get(enrollment.enrollment_id)
    if step.max_late is not None and now > due.at + step.max_late:
        return f"{spoken(now - due.at)} late; its max_late is {spoken(step.max_late)}"
    met = {
        Only.IN_USE: usage is Usage.IN_USE,
        Only.UNKNOWN: usage is Usage.UNKNOWN,
        Only.NOT_MIGRATED: usage is not Usage.UNUSED,
        Only.HAS_INTEGRATION: enrollment.enrollment_id in facts.with_integration,
        Only.REFUSED_SINCE_CUTOFF: enrollment.refused_since_cutoff > 0,
    }
    unmet = [only for only in step.only if not met[only]]
    return f"only: {', '.join(unmet)}, which is not so" if unmet else None
