"""What a key's days of use say about when it will be back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.rhythm import Days, Rhythm, learn

DAY = timedelta(days=1)
START = date(2025, 8, 31)  # a Sunday
MONTH_ENDS = (
    *(date(2025, month + 1, 1) - DAY for month in range(8, 12)),
    *(date(2026, month, 1) - DAY for month in range(1, 10)),
)  # from 31 August 2025 to 31 August 2026
QUARTER_ENDS = (date(2025, 9, 30), date(2025, 12, 31), date(2026, 3, 31), date(2026, 6, 30))


def islands(days: Iterable[date]) -> Days:
    spans: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if spans and day - spans[-1][1] <= DAY:
            spans[-1] = (spans[-1][0], day)
        else:
            spans.append((day, day))
    return tuple(spans)


def every(step: int, count: int, start: date = START) -> list[date]:
    return [start + n * step * DAY for n in range(count)]


def learnt(days: Iterable[date]) -> Rhythm:
    rhythm = learn(islands(days))
    assert rhythm is not None
    return rhythm


def at(year: int, month: int, day: int, hour: int = 0) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_a_month_end_job_is_awaited_until_three_days_after_the_next_month_end() -> None:
    rhythm = learnt(MONTH_ENDS)

    assert (rhythm.name, str(rhythm)) == ("monthly", "every month-end")
    assert rhythm.due(at(2026, 8, 31, 22)) == at(2026, 9, 30)
    assert rhythm.expected_by(at(2026, 8, 31, 22)) == at(2026, 10, 3)


def test_a_daily_caller_has_stopped_after_two_weeks() -> None:
    rhythm = learnt(every(1, 100))

    assert rhythm.name == "daily"
    assert rhythm.expected_by(at(2026, 8, 31)) == at(2026, 9, 15)


@pytest.mark.parametrize(
    ("days", "name", "habit"),
    [
        (every(1, 28), "daily", "every day"),
        ([day for day in every(1, 60) if day.weekday() < 5], "daily", "every day"),
        ([day for day in every(1, 60) if day.weekday() < 4], "daily", "every day"),
        (every(2, 20), "daily", "every day"),
        (every(7, 5), "weekly", "every week"),
        ([day for day in every(1, 60) if day.weekday() in {1, 4}], "weekly", "every week"),
        (MONTH_ENDS[-3:], "monthly", "every month-end"),
        ([date(2026, m, 1) for m in range(1, 7)], "monthly", "every month, on day 1"),
        ([date(2026, m, 15) for m in range(1, 7)], "monthly", "every month, on day 15"),
        (  # the third Friday
            [date(2026, 1, 16), date(2026, 2, 20), date(2026, 3, 20), date(2026, 4, 17)],
            "monthly",
            "every month, on day 16 to 20",
        ),
        (  # the last weekday
            [date(2026, 1, 30), date(2026, 2, 27), date(2026, 3, 31), date(2026, 4, 30)],
            "monthly",
            "every month-end",
        ),
        (  # midnight in Berlin is the evening before in UTC only while it is not summer
            [date(2026, 1, 31), date(2026, 3, 1), date(2026, 3, 31)],
            "monthly",
            "every month, about the turn of the month",
        ),
        (
            [date(2026, m, 15) for m in (1, 3, 5, 7)],
            "every 2 months",
            "every 2 months, on day 15",
        ),
        (QUARTER_ENDS[-3:], "quarterly", "every quarter-end"),
        (  # a business year of its own
            [date(2025, 10, 31), date(2026, 1, 31), date(2026, 4, 30)],
            "quarterly",
            "every quarter, at month-end",
        ),
        (
            [date(2025, 6, 30), date(2025, 12, 31), date(2026, 6, 30)],
            "half-yearly",
            "every 6 months, at month-end",
        ),
        (
            [START + n * DAY for n in (0, 25, 31, 70, 101)],
            "irregular",
            "at irregular intervals of up to 39 days",
        ),
    ],
)
def test_a_rhythm_is_learnt_from_the_days_of_use(days: list[date], name: str, habit: str) -> None:
    rhythm = learnt(days)

    assert (rhythm.name, str(rhythm)) == (name, habit)


@pytest.mark.parametrize(
    "days",
    [
        (),
        (START,),
        every(1, 27),  # the books of a quarter take as long to close
        every(7, 4)[:3],
        MONTH_ENDS[:2],
        QUARTER_ENDS[:2],
        (date(2025, 12, 31), date(2026, 12, 31)),  # a year's days show a yearly date once
        every(40, 3),
    ],
)
def test_too_few_days_teach_nothing(days: Iterable[date]) -> None:
    assert learn(islands(days)) is None


def test_a_run_over_three_days_counts_for_its_month_end_and_not_for_the_next() -> None:
    rhythm = learnt(end - n * DAY for end in MONTH_ENDS for n in range(3))

    assert rhythm.name == "monthly"
    for last_use in (at(2026, 8, 29), at(2026, 8, 30), at(2026, 8, 31, 23)):
        assert rhythm.due(last_use).date().month == 9


def test_a_run_that_comes_early_or_late_counts_for_its_date() -> None:
    rhythm = learnt(MONTH_ENDS)

    assert rhythm.expected_by(at(2026, 9, 26)) == at(2026, 11, 3)
    assert rhythm.expected_by(at(2026, 10, 2)) == at(2026, 11, 3)


def test_a_test_call_in_mid_month_does_not_hide_the_month_end() -> None:
    rhythm = learnt([*MONTH_ENDS, date(2026, 8, 12)])

    assert rhythm.name == "monthly"
    assert rhythm.due(at(2026, 9, 12)) == at(2026, 9, 30)


def test_what_came_back_after_a_missed_month_end_may_do_so_again() -> None:
    missed = learnt(day for day in MONTH_ENDS if day != date(2026, 6, 30))

    assert missed.name == "monthly"
    assert missed.expected_by(at(2026, 8, 31)) == at(2026, 8, 31) + 62 * DAY


def test_a_missed_month_end_is_forgotten_after_four_without_a_miss() -> None:
    missed = learnt(day for day in MONTH_ENDS if day != date(2026, 1, 31))

    assert missed.expected_by(at(2026, 8, 31)) == at(2026, 10, 3)


def test_a_daily_caller_that_closes_for_three_weeks_each_summer_may_do_so_again() -> None:
    days = [day for day in every(1, 370) if not date(2025, 9, 10) <= day < date(2025, 10, 1)]

    assert learnt(days).expected_by(at(2026, 9, 4)) == at(2026, 9, 4) + 23 * DAY  # 22 days apart


def test_an_older_life_of_a_key_does_not_count() -> None:
    tried_out = every(9, 3)
    productive = every(1, 170, START + 100 * DAY)

    rhythm = learnt([*tried_out, *productive])

    assert rhythm.name == "daily"
    assert rhythm.longest == DAY


def test_a_quarter_that_takes_ten_days_to_close_is_no_daily_caller() -> None:
    rhythm = learnt(end + n * DAY for end in QUARTER_ENDS for n in range(10))

    assert rhythm.name == "quarterly"
    assert rhythm.expected_by(at(2026, 7, 9)) > at(2026, 9, 30)


day_sets = st.sets(st.integers(0, 400), max_size=60).map(
    lambda offsets: islands(START + n * DAY for n in offsets)
)
instants = st.datetimes(datetime(2025, 9, 1), datetime(2027, 9, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(day_sets, instants, instants)
def test_a_later_use_is_never_awaited_for_less_long(days: Days, a: datetime, b: datetime) -> None:
    rhythm = learn(days)
    if rhythm is not None:
        assert rhythm.expected_by(min(a, b)) <= rhythm.expected_by(max(a, b))


@given(day_sets, instants)
def test_no_rhythm_has_less_patience_than_two_weeks(days: Days, last_use: datetime) -> None:
    rhythm = learn(days)
    if rhythm is not None:
        assert rhythm.expected_by(last_use) >= last_use + 14 * DAY


@given(
    st.integers(1, 28),
    st.sampled_from([1, 2, 3, 6]),
    st.integers(3, 12),
    st.integers(0, 11),
    st.lists(st.integers(0, 2), min_size=12, max_size=12),
)
def test_a_date_that_wanders_over_a_weekend_is_awaited_until_it_next_comes(
    day: int, step: int, count: int, start: int, wander: list[int]
) -> None:
    def nth(n: int) -> date:
        month = start + n * step
        return date(2025 + month // 12, month % 12 + 1, day) + wander[n % 12] * DAY

    used = [nth(n) for n in range(count)]
    last_use = datetime.combine(used[-1], datetime.max.time(), UTC)
    following = nth(count) - wander[count % 12] * DAY

    rhythm = learnt(used)

    assert rhythm.beat is not None
    assert rhythm.beat.step == step
    assert following - 3 * DAY <= rhythm.due(last_use).date() <= following + 6 * DAY
    assert rhythm.expected_by(last_use).date() > nth(count)


@given(st.lists(st.integers(1, 45), min_size=1, max_size=40))
def test_no_silence_from_which_it_came_back_is_called_its_end(gaps: list[int]) -> None:
    days = [START + sum(gaps[:n]) * DAY for n in range(len(gaps) + 1)]
    last_use = at(2027, 1, 1)
    rhythm = learn(islands(days))
    if rhythm is not None:
        assert rhythm.expected_by(last_use) > last_use + max(gaps) * DAY
