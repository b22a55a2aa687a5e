"""The connection pool, with every limit set: a hung query must never hang a worker."""

from __future__ import annotations

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneFree

from rollout.adapters.one_line import one_line
from rollout.domain.errors import BadInput, Unavailable

# idle_in_transaction: a stalled process must not hold row locks or the vacuum horizon.
# lock_timeout: a decision that cannot get its rows steps back and lets the next tick try.
# random_page_cost: a batch looks its rows up; at the default of 4, meant for spinning disks, each
# batch would read whole tables of a hundred thousand rows instead.
SESSION_OPTIONS = (
    "-c timezone=UTC -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s"
    " -c random_page_cost=1.1 -c application_name=rollout"
)

# A connection whose other end has vanished is given up after seconds, not after a quarter of an
# hour: whoever waits on it holds a sweep back.
KEEPALIVE = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}


def make_engine(database_url: str, *, pool_size: int = 10) -> Engine:
    """Return an engine for ``postgresql://…``; nothing is connected yet."""
    return create_engine(
        _address(database_url),
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"options": SESSION_OPTIONS, "connect_timeout": 5, **KEEPALIVE},
    )


def _address(database_url: str) -> URL:
    """Read the address, which may hold a password: no message repeats it."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        url = URL.create("none")
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise BadInput(
            "ROLLOUT_DATABASE_URL is no address of a PostgreSQL",
            fix="write postgresql://user:password@host:5432/database",
        )
    return url.set(drivername="postgresql+psycopg")


def connect(engine: Engine) -> Connection:
    """Take a connection from the pool; raise ``Unavailable`` if the database does not answer."""
    try:
        return engine.connect()
    except NoneFree as error:
        raise Unavailable("all connections to the database are in use", fix="try again") from error
    except OperationalError as error:
        raise Unavailable(
            f"the database does not answer: {one_line(str(error.orig), 300)}",
            fix="is it running, and is ROLLOUT_DATABASE_URL right? `rollout doctor` says more",
        ) from error
