"""Which steps are still to come, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.notices.ahead import steps_ahead
from tests.support.cast import PLAN

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
DOCUMENT = read_deprecation(PLAN, "plan.yaml", None)
DAY = timedelta(days=1)


def ahead(
    now: datetime, *, told_until: datetime | None = None, cut_at: datetime | None = None
) -> dict[str, datetime]:
    found = list(
        steps_ahead(
            DOCUMENT,
            deadline=DEADLINE,
            zone="UTC",
            cut_at=cut_at,
            told_until=told_until,
            now=now,
        )
    )
    steps = {step.name: at for step, at in found}
    assert len(steps) == len(found)
    return steps


AFTERMATH = {"disabled": DEADLINE, "still-calling": DEADLINE + DAY}


@pytest.mark.parametrize(
    ("days", "told", "warnings"),
    [
        (70, None, {"announcement": -60, "reminder": -30, "final-warning": -3}),
        (60, None, {"announcement": -60, "reminder": -30, "final-warning": -3}),
        (60, 60, {"reminder": -30, "final-warning": -3}),
        (20, None, {"reminder": -20, "final-warning": -3}),  # the tightest, now
        (20, 40, {"reminder": -20, "final-warning": -3}),
        (2, None, {"final-warning": -2}),
        (2, 2, {}),
        (40, 25, {"final-warning": -3}),  # the news of a date stands for what would follow soon
    ],
)
def test_what_is_due_comes_now_and_stands_for_what_is_staler(
    days: int, told: int | None, warnings: dict[str, int]
) -> None:
    told_until = None if told is None else DEADLINE - told * DAY
    expected = {name: DEADLINE + offset * DAY for name, offset in warnings.items()}

    assert ahead(DEADLINE - days * DAY, told_until=told_until) == expected | AFTERMATH


def test_what_follows_the_cut_of_a_held_account_comes_when_it_is_cut_which_is_not_before_now() -> (
    None
):
    now = DEADLINE + 5 * DAY

    assert ahead(now, told_until=now) == {"disabled": now, "still-calling": now + DAY}


def test_after_the_cut_only_the_later_steps_are_to_come_counted_from_the_cut() -> None:
    cut_at = DEADLINE + timedelta(hours=3)

    assert ahead(cut_at, told_until=cut_at, cut_at=cut_at) == {"still-calling": cut_at + DAY}
    assert ahead(cut_at + 2 * DAY, told_until=cut_at + DAY, cut_at=cut_at) == {}
