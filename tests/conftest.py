"""Servers once per run, a fresh database per test. The cast of accounts is in support/cast.py."""

from __future__ import annotations

import tracemalloc  # noqa: F401 - pytest would import it in the midst of hearing of a leak
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis
from sqlalchemy import Engine

from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine
from tests.support.database import be_quick, fresh_database, make_template, quick_place

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    # Not below pytest's own directory, which every other run of pytest closes to servers.
    with (
        TemporaryDirectory(prefix="rollout-test-", dir=quick_place()) as place,
        EmbeddedServers.start(Path(place)) as running,
    ):
        be_quick(running.database_url)
        make_template(running.database_url)
        yield running


@pytest.fixture
def database_url(servers: EmbeddedServers) -> Iterator[str]:
    with fresh_database(servers.database_url) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def start(engine: Engine) -> Callable[[], SqlUnitOfWork]:
    """Start a unit of work on the test's own database."""
    return lambda: SqlUnitOfWork(engine)


@pytest.fixture
def valkey(servers: EmbeddedServers) -> Iterator[redis.Redis]:
    """A client of an empty Valkey."""
    client = redis.Redis.from_url(servers.redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real logs and mails beside the checkout, with known answers."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the shared data pack is not beside this checkout")
    return SHARED_DATA


@pytest.fixture
def mailer() -> FakeMailer:
    """A mailer that keeps what it is given."""
    return FakeMailer()


@pytest.fixture
def campaign(engine: Engine, mailer: FakeMailer) -> Campaign:
    """The cast's campaign, not begun."""
    return Campaign(engine, mailer)


@pytest.fixture
def cli(servers: EmbeddedServers, database_url: str, tmp_path: Path) -> CommandLine:
    """Run ``cli("account", "show", "acme")``; olga is at the keyboard."""
    return CommandLine(
        {
            "ROLLOUT_DATABASE_URL": database_url,
            "ROLLOUT_REDIS_URL": servers.redis_url,
            "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
            "ROLLOUT_OPERATOR": "olga",
        }
    )
