"""How many are left, and who they are."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.burn_down import Forecast, Share, forecast, share

DAY = timedelta(days=1)
TODAY = date(2026, 10, 1)


def series(*counts: int) -> list[tuple[date, int]]:
    return [(TODAY - (len(counts) - 1 - n) * DAY, count) for n, count in enumerate(counts)]


def falling(by: int, to: int, days: int = 28) -> list[int]:
    return [to + by * n for n in reversed(range(days))]


def test_at_this_rate_412_are_left_on_1_november() -> None:
    steady = series(*falling(by=8, to=660))

    assert forecast(steady, date(2026, 11, 1)) == Forecast(
        left=412, per_day=-8.0, zero_on=date(2026, 12, 23), points=28
    )


def test_a_wrong_count_or_two_do_not_bend_the_trend() -> None:
    counts = falling(by=8, to=660)
    counts[10], counts[-1] = 0, 9_999

    found = forecast(series(*counts), date(2026, 11, 1))

    assert found is not None
    assert 405 <= found.left <= 419


def test_weekends_do_not_bend_the_trend() -> None:
    days = series(*falling(by=8, to=660))
    quiet = [(day, count // 2 if day.weekday() >= 5 else count) for day, count in days]

    found = forecast(quiet, date(2026, 11, 1))

    assert found is not None
    assert found.per_day == -8


def test_only_the_last_four_weeks_count() -> None:
    found = forecast(series(*[5_000] * 100, *falling(by=8, to=660)), TODAY + DAY)

    assert found == Forecast(652, -8.0, date(2026, 12, 23), 28)


def test_a_weekly_count_is_followed_too_as_far_as_it_has_enough_points() -> None:
    weekly = series(*falling(by=8, to=660))[-1::-7][::-1]

    assert len(weekly) == 4
    assert forecast(weekly, TODAY + DAY) is None


@pytest.mark.parametrize("counts", [[], [5], [6, 5, 4, 3, 2, 1]])
def test_too_few_days_make_no_forecast(counts: list[int]) -> None:
    assert forecast(series(*counts), TODAY + DAY) is None


@pytest.mark.parametrize("counts", [[40] * 14, list(range(40, 54))])
def test_what_does_not_fall_is_never_over(counts: list[int]) -> None:
    found = forecast(series(*counts), TODAY + 30 * DAY)

    assert found is not None
    assert found.zero_on is None
    assert found.left >= 40


def test_what_falls_by_next_to_nothing_is_not_over_in_sight() -> None:
    counts = [1_000_000 - n // 7 for n in range(28)]

    found = forecast(series(*counts), TODAY)

    assert found is not None
    assert found.per_day < 0
    assert found.zero_on is None


def test_what_is_over_is_over_since_the_first_day_of_none() -> None:
    assert forecast(series(9, 6, 3, 0, 0, 0), TODAY + DAY) == Forecast(0, 0.0, TODAY - 2 * DAY, 6)


def test_a_day_gone_by_shows_what_was_counted() -> None:
    counted = series(*falling(by=8, to=660))

    assert [
        forecast(counted, on).left  # type: ignore[union-attr]
        for on in (TODAY, TODAY - DAY, TODAY - 999 * DAY)
    ] == [660, 668, 876]


@given(st.lists(st.integers(0, 10_000), min_size=7, max_size=60), st.integers(-70, 5_000))
def test_no_forecast_is_below_none_or_over_before_its_count_is(
    counts: list[int], ahead: int
) -> None:
    on = TODAY + ahead * DAY
    found = forecast(series(*counts), on)

    assert found is not None
    assert found.left >= 0
    if found.zero_on is not None and counts[-1]:
        assert found.zero_on > TODAY
        if on >= found.zero_on:
            assert found.left == 0


def test_these_seven_explain_83_percent() -> None:
    counts = {f"vendor {n}": 83 for n in range(6)} | {"biggest": 332, "small": 80, "less": 80}
    counts["least"] = 10

    assert share(counts, 0.83) == Share(
        ("biggest", *(f"vendor {n}" for n in range(6))), pytest.approx(0.83, abs=0.001)
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, Share((), 0.0)),
        ({"a": 0, "b": -1}, Share((), 0.0)),
        ({"a": 8, "b": 2}, Share(("a",), 0.8)),
        ({"b": 5, "a": 5}, Share(("a", "b"), 1.0)),
    ],
)
def test_a_share_is_of_what_there_is(counts: dict[str, int], expected: Share) -> None:
    assert share(counts) == expected


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 1_000)), st.floats(0, 1))
def test_the_fewest_names_reach_the_target(counts: dict[str, int], target: float) -> None:
    found, total = share(counts, target), sum(counts.values())

    if total:
        assert found.covered >= target
        assert sum(counts[name] for name in found.names[:-1]) < target * total or not found.names
