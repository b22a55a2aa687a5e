# ruff: noqa: DTZ001 - wall times are naive: that is what they are
from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.domain.calendar import (
    Deadline,
    calendar_zone,
    deadline_for,
    frozen,
    known_zones,
    local_time,
    resolve,
    zone_info,
)
from rollout.domain.errors import BadInput
from rollout.domain.plan import ACCOUNT_ZONE, CalendarRules, Freeze

MON_TO_THU = frozenset(range(4))
SECOND = timedelta(seconds=1)
YEAR_END = Freeze(date(2026, 12, 18), date(2027, 1, 4), "year-end freeze")

zones = st.sampled_from(sorted(known_zones()))
days = st.dates(date(2024, 1, 1), date(2035, 12, 31))
clock_times = st.times().map(lambda at: at.replace(microsecond=0))


def rules(
    timezone: str = ACCOUNT_ZONE,
    at: time = time(16),
    weekdays: frozenset[int] = MON_TO_THU,
    freezes: tuple[Freeze, ...] = (),
) -> CalendarRules:
    return CalendarRules(timezone, at, weekdays, (), freezes)


def no_holiday(_day: date) -> str | None:
    return None


def new_year(day: date) -> str | None:
    return "US: New Year's Day" if (day.month, day.day) == (1, 1) else None


def time_changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Every instant from 2024 to 2035 at which the zone's offset changes, by halving weeks."""
    end = datetime(2036, 1, 1, tzinfo=UTC)
    before = datetime(2024, 1, 1, tzinfo=UTC)
    while before < end:
        after = before + timedelta(days=7)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            low, high = before, after
            while high - low > SECOND:
                middle = (low + (high - low) / 2).replace(microsecond=0)
                same = middle.astimezone(zone).utcoffset() == before.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            yield high
        before = after


# One zone: gaps, folds, the ends of time


def test_an_ordinary_wall_time_is_kept_as_it_was_asked_for() -> None:
    deadline = resolve(date(2027, 2, 2), time(16), "America/New_York")
    assert deadline == Deadline(
        datetime(2027, 2, 2, 21, tzinfo=UTC), datetime(2027, 2, 2, 16), "America/New_York"
    )


def test_a_time_that_the_clocks_skip_becomes_the_first_instant_after_the_gap() -> None:
    deadline = resolve(date(2027, 3, 14), time(2, 30), "America/New_York")
    assert deadline.instant == datetime(2027, 3, 14, 7, tzinfo=UTC)
    assert deadline.wall == datetime(2027, 3, 14, 2, 30)
    assert deadline.moves == (
        "02:30 does not exist on 2027-03-14 in America/New_York; the clock goes to 03:00",
    )


def test_a_time_that_comes_twice_is_the_later_one() -> None:
    deadline = resolve(date(2026, 11, 1), time(1, 30), "America/New_York")
    assert deadline.instant == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert deadline.moves == (
        "01:30 comes twice on 2026-11-01 in America/New_York; the later one counts",
    )


def test_a_day_that_a_country_skipped_becomes_the_first_instant_of_the_next() -> None:
    deadline = resolve(date(2011, 12, 30), time(16), "Pacific/Apia")
    assert local_time(deadline.instant, "Pacific/Apia") == datetime(2011, 12, 31)
    assert deadline.moves[0].endswith("the clock goes to 2011-12-31 00:00")


def test_a_leap_day_is_a_day_like_any_other() -> None:
    deadline = deadline_for(rules(), date(2028, 2, 29), "Europe/Berlin", no_holiday)
    assert deadline.instant == datetime(2028, 2, 29, 15, tzinfo=UTC)


def test_every_gap_and_fold_of_every_zone_errs_late_by_the_least() -> None:
    gaps = folds = 0
    for name in sorted(known_zones()):
        zone = ZoneInfo(name)
        for change in time_changes(zone):
            before = (change - SECOND).astimezone(zone).replace(tzinfo=None) + SECOND
            after = change.astimezone(zone).replace(tzinfo=None)
            span = abs(after - before)
            first = min(before, after)
            for wall in (first, first + span / 2, first + span - SECOND):
                instant = resolve(wall.date(), wall.time(), name).instant
                if after > before:  # a gap: all of it becomes the change itself
                    assert instant == change, (name, wall)
                    gaps += 1
                else:  # a fold: counted from the change on, the second time round
                    assert instant == change + (wall - after), (name, wall)
                    folds += 1
            for wall in (first - SECOND, first + span):
                instant = resolve(wall.date(), wall.time(), name).instant
                assert instant == max(
                    wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
                ), (name, wall)
    assert gaps > 5000
    assert folds > 5000


@given(day=st.dates() | st.sampled_from([date.min, date.max]), at=st.times(), zone=zones)
@settings(max_examples=1000, deadline=None)
def test_whatever_the_year_the_answer_is_a_deadline_or_a_reason(
    day: date, at: time, zone: str
) -> None:
    try:
        shown = local_time(resolve(day, at, zone).instant, zone)
    except BadInput:
        shown = None
    if day not in {date.min, date.max}:
        assert shown is not None
        assert shown >= datetime.combine(day, at)


@pytest.mark.parametrize(
    ("day", "at", "zone"),
    [
        (date.max, time(23), "America/New_York"),
        (date.min, time(0), "Asia/Tokyo"),
    ],
)
def test_the_ends_of_time_are_refused(day: date, at: time, zone: str) -> None:
    with pytest.raises(BadInput, match="outside the years 1 to 9999"):
        resolve(day, at, zone)
    with pytest.raises(BadInput, match="outside the years 1 to 9999"):
        deadline_for(rules(at=at, weekdays=frozenset(range(7))), day, zone, no_holiday)


def test_an_instant_at_the_end_of_time_is_refused_where_the_zone_has_no_such_day() -> None:
    with pytest.raises(BadInput, match="outside the years 1 to 9999"):
        deadline_for(rules(), datetime.max.replace(tzinfo=UTC), "Asia/Tokyo", no_holiday)
    with pytest.raises(BadInput, match="outside the years 1 to 9999"):
        frozen(rules(freezes=(YEAR_END,)), datetime.min.replace(tzinfo=UTC), "America/New_York")


def test_a_search_that_runs_into_the_end_of_time_names_the_rule() -> None:
    fridays = rules(weekdays=frozenset({date.max.weekday() - 1}))
    with pytest.raises(BadInput, match=r"from 9999-12-31 to 9999-12-31: the list of weekdays"):
        deadline_for(fridays, date.max, "UTC", no_holiday)


@pytest.mark.parametrize(
    "name", ["Europe/Berlim", "", "../etc", "/etc/passwd", "America", "localtime", "right/UTC"]
)
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="there is no time zone") as refusal:
        zone_info(name)
    assert refusal.value.fix is not None


def test_a_misspelt_zone_is_answered_with_the_right_one() -> None:
    with pytest.raises(BadInput) as refusal:
        zone_info("Europe/Berlim")
    assert "Europe/Berlin" in str(refusal.value.fix)


# The calendar


def test_weekdays_holidays_and_freezes_each_move_the_day_and_say_so() -> None:
    calendar = rules("Europe/Berlin", freezes=(YEAR_END,))
    deadline = deadline_for(calendar, date(2026, 12, 24), "America/New_York", new_year)
    assert deadline.instant == datetime(2027, 1, 5, 15, tzinfo=UTC)
    assert deadline.zone == "Europe/Berlin"
    (move,) = deadline.moves
    assert move == (
        "2026-12-24 lies in the freeze 'year-end freeze';"
        " the next day allowed is Tuesday 2027-01-05"
    )

    deadline = deadline_for(rules("Europe/Berlin"), date(2027, 1, 1), "UTC", new_year)
    assert deadline.wall == datetime(2027, 1, 4, 16)
    assert deadline.moves == ("2027-01-01 is a Friday; the next day allowed is Monday 2027-01-04",)


def test_one_sentence_names_the_first_day_of_each_weekend_and_every_holiday() -> None:
    def christmas(day: date) -> str | None:
        names = {24: "Eve", 28: "Third", 29: "Fourth"}
        return names.get(day.day) if (day.year, day.month) == (2026, 12) else None

    (move,) = deadline_for(rules(), date(2026, 12, 24), "UTC", christmas).moves  # a Thursday
    assert move == (
        "2026-12-24 is a holiday (Eve), 2026-12-25 is a Friday, 2026-12-28 is a holiday (Third),"
        " 2026-12-29 is a holiday (Fourth); the next day allowed is Wednesday 2026-12-30"
    )


def test_a_sentence_does_not_name_a_month_of_reasons() -> None:
    (move,) = deadline_for(
        rules(), date(2027, 3, 1), "UTC", lambda day: "Lent" if day.month == 3 else None
    ).moves
    assert move == (
        "2027-03-01 is a holiday (Lent), 2027-03-02 is a holiday (Lent),"
        " 2027-03-03 is a holiday (Lent), and 20 more reasons;"
        " the next day allowed is Thursday 2027-04-01"
    )


def test_a_holiday_on_an_allowed_weekday_is_named() -> None:
    deadline = deadline_for(rules(), date(2029, 1, 1), "UTC", new_year)  # a Monday
    assert deadline.wall == datetime(2029, 1, 2, 16)
    assert deadline.moves == (
        "2029-01-01 is a holiday (US: New Year's Day); the next day allowed is Tuesday 2029-01-02",
    )


@pytest.mark.parametrize("day", [date(2026, 12, 18), date(2027, 1, 4)])
def test_both_ends_of_a_freeze_are_frozen(day: date) -> None:
    calendar = rules(weekdays=frozenset(range(7)), freezes=(YEAR_END,))
    assert deadline_for(calendar, day, "UTC", no_holiday).wall == datetime(2027, 1, 5, 16)
    outside = [YEAR_END.start - timedelta(days=1), YEAR_END.end + timedelta(days=1)]
    for free in outside:
        assert deadline_for(calendar, free, "UTC", no_holiday).wall.date() == free


def test_the_accounts_own_zone_counts_unless_the_calendar_names_one() -> None:
    assert calendar_zone(rules(), "Asia/Tokyo") == "Asia/Tokyo"
    assert calendar_zone(rules("Europe/Berlin"), "Asia/Tokyo") == "Europe/Berlin"


def test_an_instant_is_taken_as_it_is_whatever_the_calendar_says() -> None:
    sunday = datetime(2026, 12, 20, 3, tzinfo=ZoneInfo("Asia/Tokyo"))
    deadline = deadline_for(rules(freezes=(YEAR_END,)), sunday, "America/New_York", no_holiday)
    assert deadline.instant == sunday
    assert deadline.instant.tzinfo is UTC
    assert deadline.wall == datetime(2026, 12, 19, 13)
    assert deadline.moves == ()


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(BadInput, match="no UTC offset"):
        deadline_for(rules(), datetime(2027, 2, 2, 16), "UTC", no_holiday)


def test_a_freeze_without_an_end_in_sight_is_named() -> None:
    endless = Freeze(date(2027, 1, 15), date(2999, 12, 31), "merger")
    with pytest.raises(BadInput) as refusal:
        deadline_for(rules(freezes=(endless,)), date(2027, 1, 5), "UTC", lambda _day: "a holiday")
    assert refusal.value.message == (
        "the calendar allows no day from 2027-01-05 to 2028-01-06: "
        "the freeze 'merger' rules out 357 of them"
    )


def test_a_calendar_of_holidays_only_is_named() -> None:
    with pytest.raises(BadInput, match="the list of holidays rules out"):
        deadline_for(
            rules(weekdays=frozenset(range(7))), date(2027, 1, 5), "UTC", lambda _day: "every day"
        )


def test_a_move_of_a_year_is_the_longest() -> None:
    almost = Freeze(date(2027, 1, 4), date(2028, 1, 4), "long")  # 366 days, then Wednesday
    deadline = deadline_for(rules(freezes=(almost,)), almost.start, "UTC", no_holiday)
    assert deadline.wall == datetime(2028, 1, 5, 16)
    too_long = Freeze(almost.start, date(2028, 1, 5), "longer")
    with pytest.raises(BadInput, match="'longer' rules out 367 of them"):
        deadline_for(rules(freezes=(too_long,)), almost.start, "UTC", no_holiday)


def test_clocks_that_jump_over_midnight_into_a_barred_day_move_the_deadline_on() -> None:
    saturdays = rules(at=time(23, 30), weekdays=frozenset({5}))
    deadline = deadline_for(saturdays, date(2024, 3, 30), "America/Nuuk", no_holiday)
    assert deadline.wall == datetime(2024, 4, 6, 23, 30)
    assert deadline.moves[:2] == (
        "23:30 does not exist on 2024-03-30 in America/Nuuk; the clock goes to 2024-03-31 00:00",
        "2024-03-31 is a Sunday; the next day allowed is Saturday 2024-04-06",
    )


def test_a_freeze_begins_and_ends_at_midnight_of_the_zone_given() -> None:
    calendar = rules(freezes=(YEAR_END,))
    start = datetime(2026, 12, 17, 15, tzinfo=UTC)  # midnight in Tokyo
    end = datetime(2027, 1, 4, 15, tzinfo=UTC)
    assert frozen(calendar, start, "Asia/Tokyo") is YEAR_END
    assert frozen(calendar, start, "UTC") is None
    assert frozen(calendar, start - SECOND, "Asia/Tokyo") is None
    assert frozen(calendar, end - SECOND, "Asia/Tokyo") is YEAR_END
    assert frozen(calendar, end, "Asia/Tokyo") is None
    assert frozen(calendar, end, "UTC") is YEAR_END


@st.composite
def calendars(draw: st.DrawFn) -> CalendarRules:
    freezes = [
        Freeze(start, start + timedelta(days=length), "freeze")
        for start, length in draw(
            st.lists(st.tuples(days, st.integers(min_value=0, max_value=60)), max_size=3)
        )
    ]
    weekdays = draw(st.frozensets(st.integers(min_value=0, max_value=6), min_size=1))
    timezone = draw(st.just(ACCOUNT_ZONE) | zones)
    return rules(timezone, draw(clock_times), weekdays, tuple(freezes))


@given(calendar=calendars(), near=st.integers(-5, 5), day=days, zone=zones, off=st.sets(days))
@settings(max_examples=1500, deadline=None)
def test_a_deadline_is_the_first_allowed_one_and_never_earlier_than_asked(
    calendar: CalendarRules, near: int, day: date, zone: str, off: set[date]
) -> None:
    if calendar.freezes:  # so that many examples meet a freeze
        day = calendar.freezes[0].start + timedelta(days=near)

    def holiday(day: date) -> str | None:
        return "holiday" if day in off else None

    def allowed(day: date) -> bool:
        return (
            day.weekday() in calendar.weekdays
            and day not in off
            and not any(freeze.start <= day <= freeze.end for freeze in calendar.freezes)
        )

    deadline = deadline_for(calendar, day, zone, holiday)
    shown = local_time(deadline.instant, deadline.zone)
    assert shown >= datetime.combine(day, calendar.cutoff_time)
    assert allowed(shown.date())
    assert frozen(calendar, deadline.instant, deadline.zone) is None
    earlier = day
    while earlier < deadline.wall.date():
        landed = resolve(earlier, calendar.cutoff_time, deadline.zone)
        assert not (allowed(earlier) and allowed(local_time(landed.instant, deadline.zone).date()))
        earlier += timedelta(days=1)
    if shown != datetime.combine(day, calendar.cutoff_time):
        assert deadline.moves
