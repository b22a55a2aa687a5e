"""When each step is due, which of those that are due is sent, and when people may be written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.calendar import local_time, resolve
from rollout.domain.plan import Deprecation, ReadingHours, Step

ONE_DAY = timedelta(days=1)
# The news of a date, and a reminder of it so soon after, would be a nuisance.
NEWS_STANDS_FOR_REMINDERS = timedelta(days=7)
NEWS_STANDS_FOR_THE_LAST_WARNING = timedelta(days=2)
A_YEAR = 366  # days after which a search for an open one is given up


@dataclass(frozen=True, slots=True)
class Due:
    """A step and the instant (UTC) at which it is due."""

    at: datetime
    step: Step


@dataclass(frozen=True, slots=True)
class Choice:
    """The step to send now, if any, and those that are only recorded, each with its reason."""

    send: Due | None
    skipped: tuple[tuple[Due, str], ...]


@dataclass(frozen=True, slots=True)
class Timetable:
    """The steps of one enrollment with their instants, earliest first."""

    steps: tuple[Due, ...]

    def passed(self, *, since: datetime | None, now: datetime) -> tuple[Due, ...]:
        """Return what has become due by ``now`` and is later than ``since``, or all for None."""
        return tuple(due for due in self.steps if due.at <= now and (not since or due.at > since))

    def next(self, *, after: datetime | None = None) -> datetime | None:
        """Return the first instant at which a step is due, later than ``after`` if given."""
        return next((due.at for due in self.steps if after is None or due.at > after), None)


def warnings(deprecation: Deprecation, deadline: datetime, zone: str) -> Timetable:
    """Return when the people of an account are warned of a deadline.

    Where its threshold falls on a quiet day of ``zone``, a warning is due at the same time of the
    last day before that is none: rather more notice than less.
    """
    hours = deprecation.notices.hours
    return _timetable(
        Due(
            _on_an_open_day(deadline + step.offset, zone, hours)
            if hours
            else deadline + step.offset,
            step,
        )
        for step in deprecation.warnings
    )


def told_by_news(
    deprecation: Deprecation, deadline: datetime, zone: str, now: datetime
) -> datetime:
    """Return up to when the steps of a new deadline count as told by the message that tells it."""
    steps = warnings(deprecation, deadline, zone).steps
    last = next((due.at for due in steps if due.step == deprecation.last_warning), None)
    if last is not None and last <= now + NEWS_STANDS_FOR_THE_LAST_WARNING:
        return now + NEWS_STANDS_FOR_THE_LAST_WARNING
    until = now + NEWS_STANDS_FOR_REMINDERS
    return until if last is None else min(until, last - timedelta.resolution)


def aftermath(deprecation: Deprecation, cut_at: datetime) -> Timetable:
    """Return when people hear again of their keys, after the cutoff that told them at once."""
    later = (step for step in deprecation.aftermath if step.offset > timedelta(0))
    return _timetable(Due(cut_at + step.offset, step) for step in later)


def choose(passed: Iterable[Due], unmet: Callable[[Due], str | None]) -> Choice:
    """Choose by "threshold passed and not yet told": the tightest whose conditions are met wins.

    ``unmet`` says why a step is not sent, or None.
    """
    send: Due | None = None
    skipped = []
    for due in reversed(tuple(passed)):
        why = unmet(due) if send is None else f"superseded by {send.step.name}"
        if why is None:
            send = due
        else:
            skipped.append((due, why))
    return Choice(send, tuple(skipped))


def next_open(hours: ReadingHours, instant: datetime, zone: str) -> datetime:
    """Return the first instant, at ``instant`` (UTC) or later, that lies in somebody's hours."""
    local = local_time(instant, zone)
    if hours.includes(local):
        return instant
    first = local.date() if local.time() < hours.opens else local.date() + ONE_DAY
    for days in range(A_YEAR):
        day = first + days * ONE_DAY
        if hours.bar(day) is None:
            return max(instant, resolve(day, hours.opens, zone).instant)
    return instant  # nobody is kept waiting for ever


def _timetable(steps: Iterable[Due]) -> Timetable:
    return Timetable(tuple(sorted(steps, key=lambda due: (due.at, due.step.offset))))


def _on_an_open_day(instant: datetime, zone: str, hours: ReadingHours | None) -> datetime:
    if hours is None:
        return instant
    local = local_time(instant, zone)
    for days in range(A_YEAR):
        day = local.date() - days * ONE_DAY
        if hours.bar(day) is None:
            return resolve(day, local.time(), zone).instant if days else instant
    return instant
