"""PostgreSQL dies at once, as in a power cut, and comes back: twice in one cutoff."""

from __future__ import annotations

import signal
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from tests.support.crowd import cut_so_far, gateways_know, gather
from tests.support.database import rows
from tests.support.fragile import FragileServers
from tests.support.processes import Crew, wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

ACCOUNTS = 4_000
SPREAD = timedelta(seconds=8)


def test_a_cutoff_goes_on_by_itself_after_the_database_has_died_twice(
    engine: Engine, crew: Crew, fragile: FragileServers
) -> None:
    programs = [crew.start(f"workers.{part}") for part in ("worker", "worker", "clock")]
    wait_until(lambda: rows(engine, "SELECT 1 FROM heartbeats HAVING count(*) = 3"))
    gather(engine, ACCOUNTS, first=timedelta(seconds=1), spread=SPREAD)
    for share in (ACCOUNTS // 10, ACCOUNTS // 2):
        wait_until(lambda share=share: cut_so_far(engine) > share)
        fragile.strike("PostgreSQL", signal.SIGQUIT)  # what `pg_ctl stop -m immediate` sends
        fragile.revive()
    wait_until(lambda: cut_so_far(engine) == ACCOUNTS)
    wait_until(lambda: gateways_know(engine))

    assert [program.poll() for program in programs] == [None] * 3
    assert rows(engine, "SELECT reason FROM stops") == []  # an outage is no jump of the clock
    assert rows(engine, "SELECT count(*) FROM enrollments WHERE state <> 'cut'") == [(0,)]
    assert "Traceback" not in crew.said()
    assert_sound(engine)
