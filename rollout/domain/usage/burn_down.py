"""How many are left, and when none will be: the trend of a daily count, and what makes it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from math import ceil
from statistics import median

RECENT = timedelta(days=28)  # what "at this rate" rests on: four weeks, so weekends weigh the same
LEAST_POINTS = 7  # in that time
WEEK = 7  # days
FAR = 3_650  # days: a trend says nothing about a later decade

Point = tuple[date, int]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a count is going: ``left`` of them on the day asked for.

    ``per_day`` is the change per day, below 0 while it falls. ``zero_on`` is the first day with
    none left; None where the trend does not lead there within ten years.
    """

    left: int
    per_day: float
    zero_on: date | None
    points: int  # that the trend rests on


def forecast(series: Sequence[Point], on: date) -> Forecast | None:
    """Follow the trend of the last four weeks of a daily count to the day ``on``.

    ``series`` is in order of days, without doubles; gaps may be. The trend is the median of all
    slopes, so that a day with a wrong count does not bend it. None where too few days are known.
    """
    if not series:
        return None
    last_day, last = series[-1]
    recent = [(day, count) for day, count in series if last_day - day < RECENT]
    if last == 0:
        return Forecast(0, 0.0, _zero_since(series), len(recent))
    if len(recent) < LEAST_POINTS:
        return None
    per_day = _slope(recent)
    level = median(count - per_day * (day - last_day).days for day, count in recent)
    level = max(level, 0.0)
    if on <= last_day:
        left = next((count for day, count in reversed(series) if day <= on), series[0][1])
    else:
        left = max(0, round(level + per_day * (on - last_day).days))
    return Forecast(left, per_day, _zero(last_day, level, per_day), len(recent))


@dataclass(frozen=True, slots=True)
class Share:
    """The few that explain most: their names, the biggest first, and their part of all, 0 to 1."""

    names: tuple[str, ...]
    covered: float


def share(counts: Mapping[str, int], target: float = 0.8) -> Share:
    """Return the fewest names whose counts together make at least ``target`` of all.

    Where one account counts under two names, it is a part of the sum twice.
    """
    left = sorted(((count, name) for name, count in counts.items() if count > 0), reverse=True)
    left.sort(key=lambda pair: (-pair[0], pair[1]))
    total = sum(count for count, _ in left)
    names, covered = [], 0
    for count, name in left:
        if covered >= target * total:
            break
        names.append(name)
        covered += count
    return Share(tuple(names), covered / total if total else 0.0)


def _slope(points: Sequence[Point]) -> float:
    """Return the median slope (Theil and Sen), between equal weekdays where there are enough."""
    pairs = list(combinations(points, 2))
    weekly = [pair for pair in pairs if (pair[1][0] - pair[0][0]).days % WEEK == 0]
    return median(
        (after - before) / (later - earlier).days
        for (earlier, before), (later, after) in (weekly if len(weekly) >= WEEK else pairs)
    )


def _zero(last_day: date, level: float, per_day: float) -> date | None:
    """Return the first day on which the trend rounds to none."""
    if per_day >= 0:
        return None
    days = max(1, ceil((level - 0.5) / -per_day))
    return last_day + timedelta(days=days) if days <= FAR else None


def _zero_since(series: Sequence[Point]) -> date:
    since = series[-1][0]
    for day, count in reversed(series):
        if count:
            break
        since = day
    return since
