"""How often somebody calls, and whether that grows: said only where feeds have listened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.notices import CALLERS_SEEN, Caller, Trend

AT = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("recent", "before", "trend"),
    [
        (74, 100, Trend.FALLING),
        (75, 100, Trend.STEADY),
        (100, 75, Trend.STEADY),
        (100, 74, Trend.RISING),
        (0, 10, Trend.FALLING),
        (10, 0, Trend.RISING),
        (9, 0, None),  # too few to speak of
        (None, 100, None),
        (100, None, None),
    ],
)
def test_a_week_is_compared_with_the_week_before(
    recent: int | None, before: int | None, trend: Trend | None
) -> None:
    assert Caller("curl", "", 500, AT, recent=recent, before=before).trend is trend


@pytest.mark.parametrize(
    ("listened", "per_day"),
    [
        (CALLERS_SEEN, 10),
        (timedelta(days=3), 100),
        (timedelta(days=1), 300),
        (timedelta(hours=23), 0),
        (timedelta(), 0),
    ],
)
def test_calls_a_day_are_those_of_the_days_that_were_listened_to(
    listened: timedelta, per_day: int
) -> None:
    assert Caller("curl", "", 300, AT, listened=listened).per_day == per_day
