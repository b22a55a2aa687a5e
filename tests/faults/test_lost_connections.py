"""The database fails people in the middle of what they do: they are told, nothing is half done."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from rollout.adapters.db.engine import connect
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.domain.errors import Refused, Unavailable
from rollout.services.plan.dates import PlanDates
from tests.support.crowd import gather
from tests.support.database import rows, run
from tests.support.fragile import FragileServers
from tests.support.processes import Crew, wait_until

pytestmark = pytest.mark.fault

Start = Callable[[], SqlUnitOfWork]
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@contextmanager
def extension_under_way(
    engine: Engine, start: Start
) -> Iterator[tuple[Future[object], Connection]]:
    """An extension that has written its new date, and waits for somebody who has the key."""
    gather(engine, 1, first=timedelta(days=30))
    dates = PlanDates(start, holiday_finder)
    with engine.connect() as other, ThreadPoolExecutor(1) as operator:
        other.execute(text("SELECT 1 FROM keys FOR UPDATE"))
        extending = operator.submit(
            dates.extend, "a0", to=timedelta(days=1), reason="please", operator="olga"
        )
        wait_until(lambda: rows(engine, WAITING))
        yield extending, other
        other.invalidate()  # it may have died with the server


def assert_nothing_was_changed(engine: Engine) -> None:
    assert rows(engine, "SELECT schedule_version FROM schedules") == [(1,)]
    assert rows(engine, "SELECT 1 FROM facts") == []


def test_an_extension_that_waits_too_long_says_so(engine: Engine, start: Start) -> None:
    with (
        extension_under_way(engine, start) as (extending, _other),
        pytest.raises(Unavailable, match="lock timeout"),
    ):
        extending.result(10)
    assert_nothing_was_changed(engine)


def test_an_extension_that_ends_in_a_deadlock_says_so(engine: Engine, start: Start) -> None:
    with extension_under_way(engine, start) as (extending, other):
        other.execute(text("SELECT 1 FROM enrollments FOR UPDATE"))
        with pytest.raises(Unavailable, match="deadlock"):
            extending.result(10)
    assert_nothing_was_changed(engine)


def test_an_extension_whose_connection_is_ended_says_so(engine: Engine, start: Start) -> None:
    with extension_under_way(engine, start) as (extending, _other):
        run(engine, f"SELECT pg_terminate_backend(pid) FROM ({WAITING}) waiting")
        with pytest.raises(Unavailable, match="terminating connection"):
            extending.result(10)
    assert_nothing_was_changed(engine)


def test_an_extension_under_which_the_server_dies_says_so(
    engine: Engine, start: Start, fragile: FragileServers, crew: Crew
) -> None:
    with extension_under_way(engine, start) as (extending, _other):
        fragile.strike("PostgreSQL", signal.SIGQUIT)
        with pytest.raises(Unavailable, match="database"):
            extending.result(10)
    command = ("account", "extend", "a0", "--by", "1d", "--reason", "please")
    told = crew.run("rollout", *command, exits=1)
    assert "does not answer" in told
    assert "Traceback" not in told
    fragile.revive()
    assert_nothing_was_changed(engine)


def connection_of(uow: SqlUnitOfWork) -> int:
    pid: int = uow._connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


def end_its_connection(engine: Engine, uow: SqlUnitOfWork) -> None:
    run(engine, "SELECT pg_terminate_backend(:pid, 10000)", pid=connection_of(uow))


def test_a_connection_that_is_lost_at_the_very_end_leaves_open_whether_it_was_done(
    engine: Engine, start: Start
) -> None:
    def beat() -> None:
        with start() as uow:
            uow.clock.beat("clock@here:1", "clock")
            end_its_connection(engine, uow)
            uow.commit()

    with pytest.raises(Unavailable, match="may have been done or not"):
        beat()


def test_a_connection_that_is_lost_after_all_was_said_does_not_drown_what_was_said(
    engine: Engine, start: Start
) -> None:
    def refuse() -> None:
        with start() as uow:
            end_its_connection(engine, uow)
            raise Refused("no")

    with pytest.raises(Refused, match="no"):
        refuse()
    with start() as uow:
        end_its_connection(engine, uow)


def test_a_transaction_that_sat_idle_for_too_long_says_so(engine: Engine, start: Start) -> None:
    alive = "SELECT 1 FROM pg_stat_activity WHERE pid = :pid"

    def dawdle() -> None:
        with start() as uow:
            pid = connection_of(uow)
            uow._connection.execute(text("SET idle_in_transaction_session_timeout = 50"))
            wait_until(lambda: not rows(engine, alive, pid=pid))
            uow.now()

    with pytest.raises(Unavailable, match="idle-in-transaction"):
        dawdle()


def test_connections_that_are_all_in_use_are_said_to_be(database_url: str) -> None:
    small = create_engine(database_url, pool_size=1, max_overflow=0, pool_timeout=0.1)
    with connect(small), pytest.raises(Unavailable, match="in use"):
        connect(small)
    small.dispose()
