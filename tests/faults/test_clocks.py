"""Two clocks: one leads, the other takes over; nothing that is rung twice is done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine

from rollout.services.timekeeping import LEASE
from tests.support.crowd import cut_so_far, gateways_know, gather
from tests.support.database import rows
from tests.support.processes import Crew, kill, wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

RINGS = "rollout:celery:cutoff"  # the queue that the clocks ring, of two sweeps a second
WATCHED = timedelta(seconds=4)


def test_of_two_clocks_one_leads_and_when_it_is_killed_the_other_takes_over(
    engine: Engine, crew: Crew, valkey: redis.Redis
) -> None:
    clocks = {clock.pid: clock for clock in (crew.start("workers.clock") for _ in range(2))}
    wait_until(lambda: len(rows(engine, "SELECT 1 FROM heartbeats")) == 2)
    wait_until(lambda: valkey.llen(RINGS))
    [[beginning]] = rows(engine, "SELECT now()")
    valkey.delete(RINGS)
    leaders = set()

    def both_have_been_watched() -> bool:
        leaders.update(rows(engine, "SELECT holder, term FROM leases"))
        [[until]] = rows(engine, "SELECT min(last_at) FROM heartbeats")
        return bool(until > beginning + WATCHED)

    wait_until(both_have_been_watched)
    assert len(leaders) == 1
    assert 0 < int(valkey.llen(RINGS)) <= 2 * (WATCHED.total_seconds() + 2)

    [(holder, term)] = leaders
    kill(clocks[int(holder.rpartition(":")[2])])
    taken_over = f"SELECT 1 FROM leases WHERE term = {term + 1} AND holder <> '{holder}'"
    wait_until(lambda: rows(engine, taken_over), LEASE.total_seconds() + 2)


def test_rings_alone_get_the_work_done_and_two_workers_that_hear_them_do_it_once(
    engine: Engine, crew: Crew
) -> None:
    for _ in range(2):
        crew.start("workers.worker", ROLLOUT_POLL="3600")
    wait_until(lambda: rows(engine, "SELECT 1 FROM heartbeats HAVING count(*) = 2"))
    for _ in range(2):
        crew.start("workers.clock")
    gather(engine, 1_000, first=timedelta(seconds=1), spread=timedelta(seconds=2))
    wait_until(lambda: cut_so_far(engine) == 1_000)
    wait_until(lambda: gateways_know(engine))
    assert_sound(engine)
