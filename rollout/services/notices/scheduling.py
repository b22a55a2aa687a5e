"""When a step is due, write one notice per person: threshold passed and not yet told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from rollout.domain.cutoff import spoken
from rollout.domain.notices.timetable import Choice, Due, Timetable, aftermath, choose, warnings
from rollout.domain.plan import Deprecation, Only
from rollout.domain.usage import Coverage, History, Usage, judge_usage, most_used
from rollout.services.notices.escalation import escalate_unacknowledged, tell_insiders
from rollout.services.notices.reading_hours import when_open
from rollout.services.plan.dates import postpone
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.notices import DueEnrollment, NewNotice, Stand

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
        turns = {each: _turn(each, document, now) for each in {e.stand for e in due}}
        facts = _facts(uow, document, [e for e in due if turns[e.stand].asks], turns, now)
        batch = _Batch()
        for enrollment in due:
            turn = turns[enrollment.stand]
            choice = turn.choice or choose(
                turn.passed, partial(_unmet, of=enrollment.enrollment_id, facts=facts, now=now)
            )
            if enrollment.keys:  # only people who are affected are written to
                if _too_late(choice, enrollment.stand, document, now):
                    self._move(uow, document, enrollment, now)
                    continue
                batch.new += _notices(enrollment, choice)
            batch.following.append((enrollment.enrollment_id, turn.following))
        batch.write(uow, document, now)
        tell_insiders(uow, {notice.enrollment_id for notice in batch.new})

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
        self.new = escalate_unacknowledged(uow, self.new)
        sent: dict[str, list[int]] = {}
        for notice in self.new:
            if notice.skipped is None:
                sent.setdefault(notice.step.name, []).append(notice.enrollment_id)
        steps = [step.name for step in document.reminders]
        for name, enrollments in sent.items():
            uow.notices.supersede(enrollments, f"superseded by {name}", steps=steps)
        told = [enrollment_id for enrollments in sent.values() for enrollment_id in enrollments]
        uow.notices.add(self.new, when_open(uow, document, told))
        uow.webhook_outbox.tell(self.new)
        uow.notices.advance(self.following, told_until=now)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is the same for all enrollments that stand at the same point of a timetable."""

    passed: tuple[Due, ...]
    following: datetime | None  # when the next step is due
    asks: frozenset[Only]  # what of an enrollment itself it depends on
    choice: Choice | None  # where that is nothing


def _turn(stand: Stand, document: Deprecation, now: datetime) -> _Turn:
    timetable = _timetable(stand, document)
    passed = timetable.passed(since=stand.told_until, now=now)
    told_until = max(now, stand.told_until or now)  # the news of a date tells more
    asks = frozenset(only for due in passed for only in due.step.only)
    choice = None if asks else choose(passed, partial(_past_its_use, now=now))
    return _Turn(passed, timetable.next(after=told_until), asks, choice)


def _timetable(stand: Stand, document: Deprecation) -> Timetable:
    """Before the cutoff people are warned; after it they are told what happened."""
    if stand.state == "cut":  # the cut itself may be late: people count from it
        return aftermath(document, stand.cut_at or stand.deadline)
    return warnings(document, stand.deadline, stand.zone)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the conditions of steps ask, by enrollment."""

    usage: Mapping[int, Usage]
    with_integration: Collection[int]
    refused: Collection[int]  # whose keys were refused since the cutoff


def _facts(
    uow: UnitOfWork,
    document: Deprecation,
    due: Collection[DueEnrollment],
    turns: Mapping[Stand, _Turn],
    now: datetime,
) -> _Facts:
    """Ask the database for what is needed, and of those enrollments only that need it."""

    def who_ask(*conditions: Only) -> list[int]:
        return [e.enrollment_id for e in due if turns[e.stand].asks.intersection(conditions)]

    usage: Mapping[int, Usage] = {}
    if asked := who_ask(Only.IN_USE, Only.UNKNOWN, Only.NOT_MIGRATED):
        coverage = uow.usage.coverage()
        histories = uow.notices.histories(asked)
        usage = {each: _usage(of, document, coverage, now) for each, of in histories.items()}
    with_integration: Collection[int] = ()
    if asked := who_ask(Only.HAS_INTEGRATION):
        since = now - document.guards.usage_window
        with_integration = uow.notices.with_integration(asked, since)
    refused = {e.enrollment_id for e in due if e.refused_since_cutoff}
    return _Facts(usage, with_integration, refused)


def _usage(
    histories: Collection[History], document: Deprecation, coverage: Coverage, now: datetime
) -> Usage:
    guards = document.guards
    window, fresh = guards.usage_window, guards.usage_fresh
    return most_used(
        judge_usage(of_key, coverage, now=now, window=window, fresh=fresh).usage
        for of_key in histories
    )


def _too_late(choice: Choice, stand: Stand, document: Deprecation, now: datetime) -> bool:
    """Whether a last warning, if it went out now, would leave less than it must."""
    if stand.state == "cut" or choice.send is None or stand.deadline - now >= document.spacing:
        return False
    stood_for = [choice.send, *(due for due, _ in choice.skipped)]
    return any(due.step == document.last_warning for due in stood_for)


def _notices(enrollment: DueEnrollment, choice: Choice) -> Iterator[NewNotice]:
    for due, why in choice.skipped:
        yield NewNotice(enrollment.enrollment_id, due.step, why)
    if choice.send:
        at, step = choice.send.at, choice.send.step
        not_after = at + step.max_late if step.max_late else None
        yield NewNotice(enrollment.enrollment_id, step, not_after=not_after)


def _past_its_use(due: Due, *, now: datetime) -> str | None:
    """Say why a step is of no use any more, or None."""
    if due.step.max_late is None or now <= due.at + due.step.max_late:
        return None
    return f"{spoken(now - due.at)} late; its max_late is {spoken(due.step.max_late)}"


def _unmet(due: Due, *, of: int, facts: _Facts, now: datetime) -> str | None:
    """Say why a step is not sent, or None."""
    if why := _past_its_use(due, now=now):
        return why
    usage = facts.usage.get(of)
    met = {
        Only.IN_USE: usage is Usage.IN_USE,
        Only.UNKNOWN: usage is Usage.UNKNOWN,
        Only.NOT_MIGRATED: usage is not Usage.UNUSED,
        Only.HAS_INTEGRATION: of in facts.with_integration,
        Only.REFUSED_SINCE_CUTOFF: of in facts.refused,
    }
    unmet = [only for only in due.step.only if not met[only]]
    return f"only: {', '.join(unmet)}, which is not so" if unmet else None
