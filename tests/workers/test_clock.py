"""The clock process: it rings while it leads, it never raises, and a dead one ends itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.bootstrap import Rollout, bootstrap
from rollout.services.timekeeping import LEASE
from rollout.settings import Settings
from rollout.testing import FakeTaskQueue
from tests.support.database import rows, set_clock
from tests.support.processes import Crew, environment, wait_until
from workers.app import SWEEPS
from workers.clock import DEAD, Ticker

NOW = datetime(2027, 1, 1, tzinfo=UTC)
NAMES = [sweep.name for sweep in SWEEPS]

# A clock whose ticks stop, or go on for a while: the watchdog looks at when the last one was.
WATCHED = """
import sys, threading, types
from rollout.adapters.clock import SystemClock
from rollout.testing import FakeTaskQueue
from workers.clock import Ticker, watch
clock = SystemClock()
ticker = Ticker(types.SimpleNamespace(clock=clock), FakeTaskQueue(), "clock@test:1")
ticker.last_tick = clock.monotonic()
threading.Thread(target=watch, args=(ticker, 0.5), daemon=True).start()
for _ in range(int(sys.argv[1])):
    clock.sleep(0.05)
    ticker.last_tick = clock.monotonic()
if sys.argv[2] == "hang":
    threading.Event().wait(60)
"""


def ring_all(ticker: Ticker) -> None:
    for sweep in SWEEPS:
        ticker.ring(sweep)


@pytest.fixture
def ticker(wired: Rollout) -> Callable[[str], Ticker]:
    """Make a clock of that name, with a bell of its own."""
    return lambda name: Ticker(wired, FakeTaskQueue(), name)


def rings(ticker: Ticker) -> list[str]:
    """Tick once, ring everything, and say what was rung."""
    assert isinstance(ticker.queue, FakeTaskQueue)
    ticker.queue.rings.clear()
    ticker.tick()
    ring_all(ticker)
    return list(ticker.queue.rings)


def test_only_the_clock_that_leads_rings(wired: Rollout, ticker: Callable[[str], Ticker]) -> None:
    set_clock(wired.engine, NOW)
    first, second = ticker("clock@here:1"), ticker("clock@here:2")

    assert (rings(first), rings(second)) == (NAMES, [])
    assert (rings(first), rings(second)) == (NAMES, [])


def test_before_its_first_tick_a_clock_rings_nothing(ticker: Callable[[str], Ticker]) -> None:
    early = ticker("clock@here:1")
    ring_all(early)

    assert isinstance(early.queue, FakeTaskQueue)
    assert early.queue.rings == []


def test_a_clock_that_comes_back_after_its_lease_finds_another_leading(
    wired: Rollout, ticker: Callable[[str], Ticker]
) -> None:
    set_clock(wired.engine, NOW)
    first, second = ticker("clock@here:1"), ticker("clock@here:2")
    rings(first)
    set_clock(wired.engine, NOW + LEASE + timedelta(seconds=1))

    assert rings(second) == NAMES
    assert rings(first) == []
    assert (first.term, second.term) == (None, 2)


def test_a_tick_without_a_database_does_not_raise_and_nothing_is_rung(tmp_path: Path) -> None:
    nowhere = {
        "ROLLOUT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "ROLLOUT_REDIS_URL": "redis://127.0.0.1:1/0",
        "ROLLOUT_DATA_DIR": str(tmp_path),
    }
    with bootstrap(Settings.from_environment(nowhere), database_may_be_down=True) as down:
        lost = Ticker(down, FakeTaskQueue(), "clock@here:1", term=1)

        assert rings(lost) == []
        assert lost.term is None
        assert lost.last_tick > 0  # it is alive: the watchdog leaves it alone


def test_a_broker_that_is_down_does_not_disturb_a_tick(ticker: Callable[[str], Ticker]) -> None:
    unheard = ticker("clock@here:1")
    assert isinstance(unheard.queue, FakeTaskQueue)
    unheard.queue.broken = True

    assert rings(unheard) == []
    unheard.queue.broken = False
    assert rings(unheard) == NAMES


@pytest.mark.parametrize(
    ("ticks", "then", "code"), [("0", "hang", DEAD), ("3", "hang", DEAD), ("30", "end", 0)]
)
def test_a_clock_whose_ticks_stop_ends_itself_and_one_that_ticks_does_not(
    ticks: str, then: str, code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, ticks, then],
        env=environment({}),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == code, ended.stderr


def test_a_clock_process_ticks_and_ends_when_asked(
    wired: Rollout, settings: dict[str, str], tmp_path: Path
) -> None:
    with Crew(settings, tmp_path) as crew:
        clock = crew.start("workers.clock")
        wait_until(lambda: rows(wired.engine, "SELECT 1 FROM heartbeats WHERE kind = 'clock'"))
        clock.send_signal(signal.SIGTERM)

        assert clock.wait(30) == 0
        assert "Traceback" not in crew.said()
