"""The database's clock jumps: nothing is cut on the word of a clock that nobody trusts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from tests.support.crowd import PEPPER, cut_so_far, gather
from tests.support.database import rows, shift_clock
from tests.support.fragile import FragileServers
from tests.support.processes import Crew, wait_until
from tests.support.soundness import assert_sound
from workers.cutoff import cut

pytestmark = pytest.mark.fault

AN_HOUR = timedelta(hours=1)


def is_stopped(engine: Engine) -> bool:
    return bool(rows(engine, "SELECT 1 FROM stops WHERE closed_at IS NULL"))


def test_nothing_is_cut_on_a_clock_that_has_jumped_until_somebody_trusts_it(
    engine: Engine, crew: Crew
) -> None:
    gather(engine, 500, first=timedelta(minutes=2), spread=timedelta(minutes=30))
    crew.start("workers.worker")
    crew.start("workers.clock")
    wait_until(lambda: rows(engine, "SELECT 1 FROM heartbeats HAVING count(*) = 2"))
    [[then]] = rows(engine, "SELECT now()")
    all_beat = "SELECT 1 FROM heartbeats HAVING min(last_at) > :then"
    wait_until(lambda: rows(engine, all_beat, then=then + timedelta(seconds=2)))

    shift_clock(engine, AN_HOUR)
    wait_until(lambda: is_stopped(engine), 5)
    wait_until(lambda: rows(engine, all_beat, then=then + AN_HOUR + timedelta(seconds=5)))
    assert cut_so_far(engine) == 0
    assert_sound(engine)

    crew.run("rollout", "clock", "--trust")  # somebody finds that an hour has indeed gone by
    wait_until(lambda: cut_so_far(engine) == 500)
    assert_sound(engine)


@pytest.fixture
def wired(fragile: FragileServers, database_url: str, tmp_path: Path) -> Iterator[Rollout]:
    settings = Settings(
        database_url=database_url, redis_url=fragile.redis_url, pepper=PEPPER, data_dir=tmp_path
    )
    with bootstrap(settings) as rollout:
        yield rollout


def test_a_jump_in_the_moment_after_the_guard_has_looked_cuts_nobody(
    engine: Engine, wired: Rollout
) -> None:
    gather(engine, 50, first=timedelta(minutes=2))
    with ThreadPoolExecutor(1) as worker, engine.connect() as door:
        door.execute(text("SELECT pg_advisory_lock(hashtextextended('cutting:', 0))"))
        cutting = worker.submit(cut, wired)
        wait_until(lambda: rows(engine, "SELECT 1 FROM pg_locks WHERE NOT granted"))
        shift_clock(engine, AN_HOUR)
        door.execute(text("SELECT pg_advisory_unlock_all()"))
        assert cutting.result(10) == 0

    assert cut_so_far(engine) == 0
    cut(wired)
    assert is_stopped(engine)
    assert cut_so_far(engine) == 0
