"""Who leads, who is alive, and whether the database's clock can be trusted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from rollout.adapters.clock import SystemClock
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.domain.errors import Refused
from rollout.services.timekeeping import LEASE, Timekeeping
from tests.support.database import rows, set_clock, shift_clock

NOW = datetime(2027, 1, 1, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
NO_TIME = timedelta(0)


def is_stopped(engine: Engine) -> bool:
    return bool(rows(engine, "SELECT 1 FROM stops WHERE closed_at IS NULL"))


@pytest.fixture
def keeper(start: Callable[[], SqlUnitOfWork]) -> Timekeeping:
    return Timekeeping(start, SystemClock())


def test_one_leads_until_its_lease_has_run_out(engine: Engine, keeper: Timekeeping) -> None:
    set_clock(engine, NOW)
    assert keeper.lead("clock@here:1", None) == 1
    assert keeper.lead("clock@here:2", None) is None

    set_clock(engine, NOW + LEASE)
    assert keeper.lead("clock@here:1", 1) == 1
    set_clock(engine, NOW + 2 * LEASE + timedelta(seconds=1))
    assert keeper.lead("clock@here:2", None) == 2
    assert keeper.lead("clock@here:1", 1) is None


def test_a_clock_that_goes_back_behind_what_was_noted_stops_all_cutting(
    engine: Engine, keeper: Timekeeping
) -> None:
    set_clock(engine, NOW)
    keeper.beat("clock@here:1", "clock")
    set_clock(engine, NOW - timedelta(seconds=2))
    keeper.beat("clock@here:2", "clock")
    assert not is_stopped(engine)

    set_clock(engine, NOW - timedelta(seconds=5))
    keeper.beat("worker@here:3", "worker")
    assert is_stopped(engine)


def test_trusting_a_clock_that_nobody_doubts_is_refused(keeper: Timekeeping) -> None:
    with pytest.raises(Refused, match="not stopped"):
        keeper.trust("olga")


def test_what_was_noted_while_the_clock_was_ahead_stops_nothing_once_it_is_trusted(
    engine: Engine, keeper: Timekeeping
) -> None:
    shift_clock(engine, AN_HOUR)
    keeper.beat("clock@here:1", "clock")  # it dies soon after
    shift_clock(engine, NO_TIME)
    keeper.beat("clock@here:2", "clock")
    assert is_stopped(engine)

    keeper.trust("olga")
    keeper.beat("clock@here:2", "clock")
    assert not is_stopped(engine)


def test_a_lease_taken_while_the_clock_was_ahead_keeps_nobody_from_leading(
    engine: Engine, keeper: Timekeeping
) -> None:
    shift_clock(engine, AN_HOUR)
    assert keeper.lead("clock@here:1", None) == 1
    shift_clock(engine, NO_TIME)
    assert keeper.lead("clock@here:2", None) == 2
    assert keeper.lead("clock@here:1", 1) is None


class Watch(SystemClock):
    """Shows what it is told to, in seconds."""

    def __init__(self, *shown: float) -> None:
        self._shown = iter(shown)

    def monotonic(self) -> float:
        return next(self._shown)


@pytest.mark.parametrize(
    ("asked_and_answered", "jumped"),
    [
        ([(0, 0), (1, 1)], False),
        ([(0, 0), (0, 9)], False),  # nobody knows when within the nine seconds it was read
        ([(0, 0), (0, 9), (9, 9)], False),
        ([(0, 0), (9, 9)], True),
    ],
)
def test_a_slow_answer_is_no_jump(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    asked_and_answered: list[tuple[float, float]],
    jumped: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    set_clock(engine, datetime(2027, 1, 1, tzinfo=UTC))
    watch = Watch(*(seconds for reading in asked_and_answered for seconds in reading))
    keeper = Timekeeping(start, watch)
    said = [keeper.guard()[1] is not None for _ in asked_and_answered]
    assert said == [False] * (len(said) - 1) + [jumped]
    assert is_stopped(engine) == jumped
