"""A key's rhythm, learnt from the UTC days on which it was used: how long it may be silent.

What is learnt here decides when silence means that a caller has gone, so doubt goes to patience: a
key is never said to have stopped after a silence from which it has come back before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from math import gcd
from typing import Self

# The days of use, as first and last day (both included); sorted, and never touching each other.
Days = tuple[tuple[date, date], ...]

ONE_DAY = timedelta(days=1)
ONE_WEEK = timedelta(days=7)
HOLIDAYS = timedelta(days=14)  # how long a daily caller may rest, and a weekly one rest longer

PAUSE = timedelta(days=45)  # longer than people close for; may be the end of an older life
DAILY_SPAN = timedelta(days=28)  # no closing of the books takes that long
DAILY_SHARE = 0.5  # of its days; weekdays without holidays are two in three
WEEKS = 5  # of use, at least
WEEKLY_SHARE = 0.75  # of its weeks
DATES = 3  # uses on one date of the month, at least: two could be chance
DATES_SHARE = 0.75  # of its uses and of its dates: one stray, one miss in four is forgiven
SPREAD = 6  # days between the earliest and the latest form of one date: "the third Friday"
EARLY = ONE_WEEK  # a run that comes so much before its date counts for it
BURST = timedelta(days=3)  # days of use closer than this are one run, over a weekend too
BURST_LENGTH = 10  # days that one run may take, for each month between two
LATE = {1: timedelta(days=3), 2: ONE_WEEK, 3: ONE_WEEK, 6: ONE_WEEK}  # by the months between runs
EVERY = {1: "every month", 2: "every 2 months", 3: "every quarter", 6: "every 6 months"}
NAMES = {1: "monthly", 2: "every 2 months", 3: "quarterly", 6: "half-yearly"}
TURN = 7  # days before the end of a month; from farther off people count from its first
QUARTER = 3  # months
LAST_WEEKDAY = 4  # days before the next month that the last weekday of a month may be, with a feast
IRREGULAR_PAUSES = 3  # at least, before the longest of them is taken for a habit


@dataclass(frozen=True, slots=True)
class Beat:
    """A date that comes back every ``step`` months, as days from the first of a month."""

    step: int  # months
    month: int  # one of its months, counted from year 0: year * 12 + month - 1
    low: int  # days from the first of the month to the earliest form of the date; may be negative
    high: int  # and to the latest

    def next_after(self, day: date) -> date:
        """Return the latest form of the first date that a use on ``day`` was not already for."""
        month = self.month + (_month_of(day) - self.month) // self.step * self.step - self.step
        while _first_of(month) + timedelta(days=self.low) - EARLY <= day:
            month += self.step
        return _first_of(month) + timedelta(days=self.high)

    def __str__(self) -> str:
        """Say when that is: ``every month-end``."""
        every = EVERY[self.step]
        if self.high < 0 and self.low >= -LAST_WEEKDAY:
            of_calendar = self.step == 1 or (self.step == QUARTER and self.month % QUARTER == 0)
            return f"{every}-end" if of_calendar else f"{every}, at month-end"
        if self.high < 0:
            return f"{every}, {-self.high} to {-self.low} days before its end"
        if self.low < 0:
            return f"{every}, about the turn of the month"
        last = "" if self.low == self.high else f" to {self.high + 1}"
        return f"{every}, on day {self.low + 1}{last}"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a key is used. ``steady``: a silence beyond it says that the caller has gone.

    Where it is not steady, it only says how long a silence is nothing new.
    """

    name: str
    longest: timedelta  # the longest silence from which it came back
    period: timedelta = ONE_DAY  # where no beat says when the next use is due
    late: timedelta = HOLIDAYS  # how much later than due it may come
    beat: Beat | None = None
    steady: bool = True

    def due(self, last_use: datetime) -> datetime:
        """Return when the next use is expected; the day of a beat is taken at its first instant."""
        if self.beat is None:
            return last_use + self.period
        return datetime.combine(self.beat.next_after(last_use.date()), time(), last_use.tzinfo)

    def expected_by(self, last_use: datetime) -> datetime:
        """Return the instant (aware UTC, as ``last_use`` is) after which silence means the end.

        A later last use never makes it earlier, and it is never sooner than ``HOLIDAYS``.
        """
        known = max(self.longest + ONE_DAY, HOLIDAYS)  # days apart are up to a day more in hours
        return max(self.due(last_use) + self.late, last_use + known)

    def __str__(self) -> str:
        """Say how often that is: ``every day``, ``every quarter-end``."""
        if self.beat is not None:
            return str(self.beat)
        if self.steady:
            return "every day" if self.name == "daily" else "every week"
        return f"at irregular intervals of up to {self.longest.days} days"


@dataclass(frozen=True, slots=True)
class _Run:
    """Days of use that belong together."""

    first: date
    last: date

    @classmethod
    def all_of(cls, days: Days) -> tuple[Self, ...]:
        runs: list[Self] = []
        for first, last in days:
            if runs and first - runs[-1].last <= BURST:
                runs[-1] = cls(runs[-1].first, last)
            else:
                runs.append(cls(first, last))
        return tuple(runs)


def learn(days: Days) -> Rhythm | None:
    """Return the rhythm in the days of use, or None where they are too few to say.

    The least that each takes: daily, half of the days of four weeks; weekly, five weeks, three of
    four in a row; monthly to half-yearly, three uses on the date, three of four where it was due;
    irregular, three pauses. A yearly date cannot be learnt from a year's days.
    """
    days = _present(days)
    if not days:
        return None
    longest = max(_pauses(days), default=ONE_DAY)
    span = days[-1][1] - days[0][0] + ONE_DAY
    used = sum((last - first + ONE_DAY for first, last in days), timedelta())
    if span >= DAILY_SPAN and used >= DAILY_SHARE * span:
        return Rhythm("daily", longest)
    weeks = len(_weeks(days))
    if weeks >= WEEKS and weeks >= WEEKLY_SHARE * (span // ONE_WEEK):
        return Rhythm("weekly", longest, ONE_WEEK)
    runs = _Run.all_of(days)
    beat = _beat(runs)
    if beat is not None:
        return Rhythm(NAMES[beat.step], longest, late=LATE[beat.step], beat=beat)
    if len(runs) > IRREGULAR_PAUSES:
        return Rhythm("irregular", longest, longest, longest / 2, steady=False)
    return None


def _pauses(days: Days) -> Iterator[timedelta]:
    """Yield the days from each last day of use to the next first one."""
    return (after[0] - before[1] for before, after in pairwise(days))


def _present(days: Days) -> Days:
    """Leave out an older life: what came before a long pause that nothing since then resembles.

    A pause is forgotten once the key has been used for twice as long, with no pause since that
    is two thirds of it.
    """
    longest = timedelta()
    for at in range(len(days) - 1, 0, -1):
        pause = days[at][0] - days[at - 1][1]
        since = days[-1][1] - days[at][0]
        if pause > PAUSE and since >= 2 * pause and longest < pause * 2 / 3:
            return days[at:]
        longest = max(longest, pause)
    return days


def _weeks(days: Days) -> set[int]:
    """Return the numbers of the weeks with a use, counted from the first day of all."""
    start = days[0][0]
    return {
        week
        for first, last in days
        for week in range((first - start) // ONE_WEEK, (last - start) // ONE_WEEK + 1)
    }


def _beat(runs: Sequence[_Run]) -> Beat | None:
    """Find the date on which the runs begin: by its day of the month, or around the turn of it."""
    months = _month_of(runs[-1].first) - _month_of(runs[0].first) + 1
    if len(runs) * DATES_SHARE > months + 1:  # too many, whatever their dates
        return None
    found = [_common([(_month_of(run.first), run.first.day - 1) for run in runs])]
    if (by_turn := _common([_from_turn(run.first) for run in runs])) and by_turn.low >= -TURN:
        found.append(by_turn)
    beat = min(filter(None, found), key=lambda beat: beat.high - beat.low, default=None)
    if beat is None:
        return None
    longest = max((run.last - run.first).days + 1 for run in runs)
    return beat if longest <= BURST_LENGTH * beat.step else None


def _common(placed: Sequence[tuple[int, int]]) -> Beat | None:
    """Find a date that most of the runs share, each placed by month and days from its first."""
    on_dates = (
        [(month, days) for month, days in placed if 0 <= days - low <= SPREAD]
        for low in sorted({days for _, days in placed})
    )
    best = max(on_dates, key=lambda runs: len({month for month, _ in runs}))
    months = sorted({month for month, _ in best})
    if len(months) < DATES or len(best) < DATES_SHARE * len(placed):
        return None
    step = gcd(*(after - before for before, after in pairwise(months)))
    due = (months[-1] - months[0]) // step + 1
    if step not in NAMES or len(months) < DATES_SHARE * due:
        return None
    return Beat(step, months[-1], min(d for _, d in best), max(d for _, d in best))


def _from_turn(day: date) -> tuple[int, int]:
    """Place a day by the nearest first of a month: the last day of a month is -1 from the next."""
    month = _month_of(day)
    before_next = (day - _first_of(month + 1)).days
    return (month + 1, before_next) if -before_next < day.day - 1 else (month, day.day - 1)


def _month_of(day: date) -> int:
    return day.year * 12 + day.month - 1


def _first_of(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
