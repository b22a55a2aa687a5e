"""Whether the dates of a deprecation make sense together, and as of now.

Days are compared in the calendar's zone; with ``timezone: account``, in UTC. The accounts' own
deadlines then lie up to 14 hours either side, and the guards judge those one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise

from rollout.domain.calendar import (
    OTHER_DATE,
    Deadline,
    Holiday,
    calendar_zone,
    deadline_for,
    local_time,
)
from rollout.domain.errors import BadInput
from rollout.domain.plan import Cohort, Deprecation


@dataclass(frozen=True, slots=True)
class DateProblem:
    """A sentence, the cohorts whose dates it is about, and the line of the first one it names."""

    message: str
    cohorts: tuple[str, ...]
    line: int = 0
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class _Planned:
    """A cohort, the wall time that its date asks for, and where the calendar puts it."""

    cohort: Cohort
    wanted: datetime
    deadline: Deadline


def check_dates(deprecation: Deprecation, now: datetime, holiday: Holiday) -> list[DateProblem]:
    """Return what is wrong with the dates as of ``now`` (aware), in the order of the cohorts.

    A cohort whose date was applied earlier may well lie in the past: the caller leaves out the
    problems of which no cohort is among the ``changed_cohorts``.
    """
    problems: list[DateProblem] = []
    plan: list[_Planned] = []
    for cohort in deprecation.cohorts:
        try:
            plan.append(_place(cohort, deprecation, holiday))
        except BadInput as error:
            problems.append(_about(cohort, error.message, fix=error.fix))
    for planned in plan:
        problems += _told_in_time(planned, deprecation, now)
    for earlier, later in pairwise(plan):
        problems += _in_order(earlier, later)
    return problems


def changed_cohorts(
    deprecation: Deprecation, applied: Deprecation | None, holiday: Holiday
) -> set[str]:
    """Return the cohorts that are new, or whose date is another than the one applied."""
    before = {} if applied is None else _placed(applied, holiday)
    return {
        name
        for name, placed in _placed(deprecation, holiday).items()
        if placed is None or placed != before.get(name)
    }


def check_first_warning(deprecation: Deprecation) -> list[str]:
    """Say that nobody could ever be cut, where no reminder to everybody is early enough (T0).

    A message leaves when its step is due, never before: one that is due exactly ``min_notice``
    before the deadline arrives too late.
    """
    least = deprecation.guards.min_notice
    if any(not step.only and -step.offset > least for step in deprecation.warnings):
        return []
    too_late = (
        f"no reminder without `only` is due earlier than {_length(least)} (guards.min_notice)"
        " before the deadline: everybody would be told too late, and nobody could ever be cut"
    )
    return [too_late]


def _placed(
    deprecation: Deprecation, holiday: Holiday
) -> dict[str, tuple[datetime, timedelta] | None]:
    """Return where the calendar puts each cohort, and its bake; None where it allows no day."""
    placed: dict[str, tuple[datetime, timedelta] | None] = {}
    for cohort in deprecation.cohorts:
        try:
            deadline = _place(cohort, deprecation, holiday).deadline
        except BadInput:
            placed[cohort.name] = None
        else:
            placed[cohort.name] = (deadline.instant, cohort.bake)
    return placed


def _place(cohort: Cohort, deprecation: Deprecation, holiday: Holiday) -> _Planned:
    rules = deprecation.calendar
    deadline = deadline_for(rules, cohort.date, "UTC", holiday)
    if isinstance(cohort.date, datetime):
        return _Planned(cohort, deadline.wall, deadline)
    return _Planned(cohort, datetime.combine(cohort.date, rules.cutoff_time), deadline)


def _told_in_time(
    planned: _Planned, deprecation: Deprecation, now: datetime
) -> Iterator[DateProblem]:
    cohort, deadline = planned.cohort, planned.deadline
    announced = datetime.combine(deprecation.announced, time.min)
    told = max(announced, local_time(now, calendar_zone(deprecation.calendar, "UTC")))
    least = deprecation.guards.min_notice
    if deadline.instant <= now:
        yield _about(cohort, f"its date {_shown(deadline.wall)} is in the past")
    elif deadline.wall < announced:
        yield _about(
            cohort,
            f"its date {_shown(deadline.wall)} is before the announcement "
            f"on {deprecation.announced}",
        )
    elif deadline.wall - told < least:
        yield _about(
            cohort,
            f"its date {_shown(deadline.wall)} leaves less than the {_length(least)} "
            f"of guards.min_notice after {_shown(told)}",
        )


def _in_order(earlier: _Planned, later: _Planned) -> Iterator[DateProblem]:
    first, second = earlier.cohort, later.cohort
    end, bake = earlier.deadline.wall, earlier.cohort.bake
    if later.wanted < earlier.wanted:
        yield _about(
            second,
            f"its date {_shown(later.wanted)} is before that of {first.name}, "
            f"{_shown(earlier.wanted)}; cohorts stand in the order of their dates",
            after=first,
        )
    elif end > earlier.wanted and end >= later.wanted:
        yield _about(
            first,
            f"the calendar moves it to {_shown(end)}, not before the date of {second.name}, "
            f"{_shown(later.wanted)}: {'; '.join(earlier.deadline.moves)}",
            before=second,
            fix=OTHER_DATE,
        )
    elif later.deadline.wall - end < bake:
        yield _about(
            second,
            f"its date {_shown(later.deadline.wall)} is less than the bake of {first.name} "
            f"({_length(bake)}) after {_shown(end)}",
            after=first,
        )


def _about(
    cohort: Cohort,
    sentence: str,
    *,
    after: Cohort | None = None,
    before: Cohort | None = None,
    fix: str | None = None,
) -> DateProblem:
    """Return a problem of a cohort, alone or together with the one next to it."""
    names = tuple(each.name for each in (after, cohort, before) if each is not None)
    return DateProblem(f"{cohort.name}: {sentence}", names, cohort.line, fix)


def _shown(wall: datetime) -> str:
    return wall.isoformat(" ", "minutes" if wall.second == 0 else "seconds")


def _length(span: timedelta) -> str:
    """Write a span the way it is written in the file: 14d, 1d12h, 90s as 1m30s."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0d"
