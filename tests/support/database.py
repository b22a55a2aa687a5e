"""A fresh, migrated database for each test, and a clock that a test can set."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from os import environ
from pathlib import Path
from shutil import disk_usage
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, text

from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.migrate import migrate

TEMPLATE = "rollout_template"
ROOM = 2 << 30  # bytes: a server of tests takes a few hundred million
_numbers = itertools.count(1)


def make_template(server_url: str) -> None:
    """Create the migrated database that every test's own is copied from."""
    _administer(server_url, f"CREATE DATABASE {TEMPLATE}")
    engine = make_engine(_database(server_url, TEMPLATE))
    migrate(engine)
    engine.dispose()


def quick_place() -> Path | None:
    """Return a folder in memory with room for databases, if there is one.

    A database is copied there five times as fast as on a disk, and each test has one. What a run
    that is killed leaves behind is called ``rollout-test-…``.
    """
    memory = Path("/dev/shm")  # noqa: S108 - what is made in it has a name of its own
    room = ROOM * int(environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    roomy = memory.is_dir() and disk_usage(memory).free >= room
    return memory if roomy else None


def be_quick(server_url: str) -> None:
    """Let a server forget everything if the machine fails: what only tests need is made anew."""
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        _administer(server_url, f"ALTER SYSTEM SET {setting} = off")
    _administer(server_url, "SELECT pg_reload_conf()")


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """Hand out the URL of a new database and drop it afterwards."""
    name = f"test_{next(_numbers)}"
    _administer(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY file_copy")
    try:
        yield _database(server_url, name)
    finally:
        _administer(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def run(engine: Engine, statement: str, **values: Any) -> None:
    """Run one statement behind the services' back."""
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def rows(engine: Engine, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """Read rows behind the services' back."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query), values)]


def set_clock(engine: Engine, at: datetime) -> None:
    """Stop the database's clock at an instant; every connection sees it from its next statement."""
    with engine.begin() as connection:
        for function, volatility in (("rollout_now", "STABLE"), ("rollout_instant", "VOLATILE")):
            connection.execute(
                text(
                    f"CREATE OR REPLACE FUNCTION {function}() RETURNS timestamptz LANGUAGE sql"
                    f" {volatility} AS $$SELECT timestamptz '{at.isoformat()}'$$"
                )
            )


def shift_clock(engine: Engine, by: timedelta) -> None:
    """Let the database's clock run ahead by so much, or behind."""
    with engine.begin() as connection:
        for function, volatility, plain in (
            ("rollout_now", "STABLE", "now()"),
            ("rollout_instant", "VOLATILE", "clock_timestamp()"),
        ):
            connection.execute(
                text(
                    f"CREATE OR REPLACE FUNCTION {function}() RETURNS timestamptz LANGUAGE sql"
                    f" {volatility} AS $$SELECT {plain} + interval '{by.total_seconds()} s'$$"
                )
            )


def digests(engine: Engine, *, without: Collection[str] = ()) -> dict[str, str]:
    """Return a digest of each table's rows: equal before and after, if nothing was changed."""
    with engine.connect() as connection:
        tables = connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        ).scalars()
        rows = "md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), ''))"
        return {
            table: connection.execute(text(f"SELECT {rows} FROM {table} t")).scalar_one()
            for table in tables.all()
            if table not in without
        }


def _database(server_url: str, name: str) -> str:
    return make_url(server_url).set(database=name).render_as_string(hide_password=False)


def _administer(server_url: str, statement: str) -> None:
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
