"""From a day, a wall time and a zone to the one instant at which keys stop working.

A day becomes an instant once, when it is planned; afterwards only the instant counts. Where the
wall clock leaves a choice, the later instant wins: late is bad, early is unforgivable.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from rollout.domain.errors import BadInput
from rollout.domain.plan import ACCOUNT_ZONE, CalendarRules, Freeze

Holiday = Callable[[date], str | None]  # names the holiday of a day: "US: New Year's Day"

SEARCH = timedelta(days=366)  # a deadline that moves further than this was not meant
REASONS = 4  # that one sentence names, at most
WEEKDAYS = "the list of weekdays"
OTHER_DATE = "choose another date, or change the calendar"
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The instant at which an account's keys stop working, and what it was made from.

    ``wall`` is what was asked of the clocks in ``zone``; in the gap of a time change no clock
    ever shows it. For people, convert ``instant``. ``moves`` has a sentence for every shift.
    """

    instant: datetime  # aware, UTC
    wall: datetime  # naive, in `zone`
    zone: str  # IANA name
    moves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bar:
    """Why nothing may be cut on a day, and the last day for which that is so."""

    rule: str
    sentence: str
    until: date


@cache
def known_zones() -> frozenset[str]:
    """Return the IANA names. What means something else on each machine is not a name."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def zone_info(name: str) -> ZoneInfo:
    """Return the zone of an IANA name. Raises BadInput where there is none."""
    if name not in known_zones():
        close = difflib.get_close_matches(name[:100], sorted(known_zones()), n=3)
        raise BadInput(
            f"there is no time zone {name[:100]!r}",
            fix=f"did you mean {' or '.join(close)}?" if close else "use a name like Europe/Berlin",
        )
    return ZoneInfo(name)


def calendar_zone(rules: CalendarRules, account_zone: str) -> str:
    """Return the zone in which the calendar counts days for an account."""
    return account_zone if rules.timezone == ACCOUNT_ZONE else rules.timezone


def local_time(instant: datetime, zone: str) -> datetime:
    """Return the naive wall time that clocks in ``zone`` show at an aware instant."""
    if instant.tzinfo is None:
        raise BadInput(f"{instant} names no instant: it has no UTC offset")
    try:
        return instant.astimezone(zone_info(zone)).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise _outside(instant, zone) from None


def resolve(day: date, at: time, zone: str) -> Deadline:
    """Return the instant at which clocks in ``zone`` show ``at`` on ``day``.

    A time that the clocks skip becomes the first instant after the gap; of a time that they show
    twice, the later instant is taken. Raises BadInput outside the years 1 to 9999.
    """
    wall = datetime.combine(day, at.replace(tzinfo=None, fold=0))
    info = zone_info(zone)
    try:
        first, second = (wall.replace(tzinfo=info, fold=n).astimezone(UTC) for n in (0, 1))
    except OverflowError:
        raise _outside(wall, zone) from None
    if first > second:
        return _after_the_gap(wall, info, too_early=second, instant=first)
    twice = f"{_clock(wall)} comes twice on {day} in {zone}; the later one counts"
    return Deadline(second, wall, zone, (twice,) if first < second else ())


def deadline_for(
    rules: CalendarRules, wanted: date | datetime, account_zone: str, holiday: Holiday
) -> Deadline:
    """Return the deadline of an account whose cohort has the date ``wanted``.

    An instant is taken as it is. A day becomes the first day on or after it that the calendar
    allows, at its cutoff time. Raises BadInput where the calendar allows none within 366 days.
    """
    zone = calendar_zone(rules, account_zone)
    if isinstance(wanted, datetime):
        wall = local_time(wanted, zone)
        return Deadline(wanted.astimezone(UTC), wall, zone)
    moves: list[str] = []
    day = wanted
    while True:
        day, shift = _first_allowed_day(rules, day, holiday)
        deadline = resolve(day, rules.cutoff_time, zone)
        moves += [*shift, *deadline.moves]
        landed = local_time(deadline.instant, zone).date()
        if landed == day or _bar(rules, landed, holiday) is None:
            return replace(deadline, moves=tuple(moves))
        day = landed  # the clocks jumped over midnight, into a day that the calendar bars


def deadline_after(
    rules: CalendarRules, instant: datetime, account_zone: str, holiday: Holiday
) -> Deadline:
    """Return the first deadline that the calendar allows at an aware instant or later."""
    day = local_time(instant, calendar_zone(rules, account_zone)).date()
    deadline = deadline_for(rules, day, account_zone, holiday)
    if deadline.instant >= instant:
        return deadline
    return deadline_for(rules, day + ONE_DAY, account_zone, holiday)


def frozen(rules: CalendarRules, instant: datetime, zone: str) -> Freeze | None:
    """Return the freeze in which an instant lies by the days of ``zone``, or None.

    ``zone`` is the zone of the deadline (``Deadline.zone``), so that both count the same days.
    """
    return _freeze_on(rules, local_time(instant, zone).date())


def _first_allowed_day(
    rules: CalendarRules, wanted: date, holiday: Holiday
) -> tuple[date, list[str]]:
    """Return the day, and a sentence if it is another than the one wanted."""
    last = wanted + min(SEARCH, date.max - wanted)
    day, bars, barred = wanted, list[_Bar](), Counter[str]()
    while (bar := _bar(rules, day, holiday)) is not None:
        bars.append(bar)
        barred[bar.rule] += (min(bar.until, last) - day).days + 1
        if bar.until >= last:
            rule, days = barred.most_common(1)[0]
            raise BadInput(
                f"the calendar allows no day from {wanted} to {last}: "
                f"{rule} rules out {days} of them",
                fix=OTHER_DATE,
            )
        day = bar.until + ONE_DAY
    return day, [f"{_reasons(bars)}; the next day allowed is {day:%A} {day}"] if bars else []


def _reasons(bars: Sequence[_Bar]) -> str:
    """Say what bars a stretch of days. Of a weekend, its first day is enough."""
    named = [
        bar.sentence
        for before, bar in zip([None, *bars], bars, strict=False)
        if bar.rule != WEEKDAYS or before is None or before.rule != WEEKDAYS
    ]
    if len(named) > REASONS:
        named = [*named[: REASONS - 1], f"and {len(named) - REASONS + 1} more reasons"]
    return ", ".join(named)


def _bar(rules: CalendarRules, day: date, holiday: Holiday) -> _Bar | None:
    if freeze := _freeze_on(rules, day):
        sentence = f"{day} lies in the freeze '{freeze.reason}'"
        return _Bar(f"the freeze '{freeze.reason}'", sentence, until=freeze.end)
    if day.weekday() not in rules.weekdays:
        return _Bar(WEEKDAYS, f"{day} is a {day:%A}", until=day)
    if name := holiday(day):
        return _Bar("the list of holidays", f"{day} is a holiday ({name})", until=day)
    return None


def _freeze_on(rules: CalendarRules, day: date) -> Freeze | None:
    return next((freeze for freeze in rules.freezes if freeze.start <= day <= freeze.end), None)


def _after_the_gap(
    wall: datetime, info: ZoneInfo, *, too_early: datetime, instant: datetime
) -> Deadline:
    """Close in on the instant at which the clocks jump over ``wall``, to the second."""
    too_early, instant = too_early.replace(microsecond=0), instant.replace(microsecond=0)
    while instant - too_early > timedelta(seconds=1):
        middle = too_early + timedelta(seconds=(instant - too_early) // timedelta(seconds=2))
        if middle.astimezone(info).replace(tzinfo=None) < wall:
            too_early = middle
        else:
            instant = middle
    shown = instant.astimezone(info)
    to = _clock(shown) if shown.date() == wall.date() else f"{shown.date()} {_clock(shown)}"
    skipped = f"{_clock(wall)} does not exist on {wall.date()} in {info}; the clock goes to {to}"
    return Deadline(instant, wall, str(info), (skipped,))


def _clock(wall: datetime) -> str:
    return f"{wall:%H:%M:%S}" if wall.second else f"{wall:%H:%M}"


def _outside(moment: datetime, zone: str) -> BadInput:
    return BadInput(f"{moment} in {zone} lies outside the years 1 to 9999")
