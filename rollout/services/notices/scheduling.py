"""When a step is due, write one notice per person: threshold passed and not yet told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from rollout.domain.notices import due_steps, next_threshold
from rollout.domain.plan import Deprecation, Only, Step
from rollout.domain.usage import Coverage, Usage, judge_usage, most_used
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.notices import DueEnrollment, NewNotice

BATCH = 500


class NoticeScheduling:
    """The sweep that turns due steps into notices."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def sweep(self) -> int:
        """Schedule one batch in one transaction; return how many enrollments it looked at."""
        with self._start() as uow:
            due = uow.notices.claim_enrollments(BATCH)
            if not due:
                return 0
            now = uow.now()
            coverage = uow.usage.coverage()
            new: list[NewNotice] = []
            following: list[tuple[int, datetime | None]] = []
            for enrollment in due:
                document = uow.plan.deprecation(enrollment.deprecation)
                usage = _usage(enrollment, document, coverage, now)
                new += _notices(enrollment, document, usage, now)
                steps = _steps(enrollment, document)
                after = next_threshold(steps, _origin(enrollment), now)
                following.append((enrollment.enrollment_id, after))
            uow.notices.add(new)
            uow.notices.advance(following, told_until=now)
            uow.commit()
            return len(due)


def _steps(enrollment: DueEnrollment, document: Deprecation) -> tuple[Step, ...]:
    """Before the cutoff people are warned; after it they are told what happened."""
    if enrollment.state == "cut":
        return tuple(s for s in document.aftermath if s.offset > timedelta(0))
    return document.warnings


def _origin(enrollment: DueEnrollment) -> datetime:
    """Return what steps are counted from: the deadline, or the cut itself, which may be late."""
    return enrollment.cut_at or enrollment.deadline


def _notices(
    enrollment: DueEnrollment, document: Deprecation, usage: Usage, now: datetime
) -> Iterator[NewNotice]:
    """Only people who are affected are written to: an account without keys gets nothing."""
    choice = due_steps(
        _steps(enrollment, document), _origin(enrollment), since=enrollment.told_until, now=now
    )
    if choice is None or enrollment.keys == 0:
        return
    for stale in choice.superseded:
        yield NewNotice(enrollment.enrollment_id, stale, f"superseded by {choice.step.name}")
    unmet = _unmet(choice.step, usage, enrollment)
    yield NewNotice(enrollment.enrollment_id, choice.step, unmet)


def _unmet(step: Step, usage: Usage, enrollment: DueEnrollment) -> str | None:
    """Say why a conditional step is not sent, or None."""
    met = {
        None: True,
        Only.IN_USE: usage is Usage.IN_USE,
        Only.UNKNOWN: usage is Usage.UNKNOWN,
        Only.REFUSED_SINCE_CUTOFF: enrollment.refused_since_cutoff > 0,
    }
    return None if met[step.only] else f"only: {step.only}, which is not so"


def _usage(
    enrollment: DueEnrollment, document: Deprecation, coverage: Coverage, now: datetime
) -> Usage:
    guards = document.guards
    window, fresh = guards.usage_window, guards.usage_fresh
    return most_used(
        judge_usage(of_key, coverage, now=now, window=window, fresh=fresh).usage
        for of_key in enrollment.histories
    )
