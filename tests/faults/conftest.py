"""Servers that a test may kill, and real workers and clocks on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from rollout.adapters.embedded.servers import EmbeddedServers
from tests.support.crowd import PEPPER
from tests.support.database import fresh_database, make_template
from tests.support.fragile import FragileServers
from tests.support.processes import Crew


@pytest.fixture(scope="session")
def fragile() -> Iterator[FragileServers]:
    with TemporaryDirectory(prefix="rollout-fault-") as directory:
        place = Path(directory).resolve()
        with EmbeddedServers.start(place) as servers:
            make_template(servers.database_url)
            yield FragileServers(place, servers)


@pytest.fixture
def database_url(fragile: FragileServers) -> Iterator[str]:
    """A database of the test's own on the servers that may die; ``engine`` and ``start`` use it."""
    fragile.revive()  # whatever an earlier test has left
    with fresh_database(fragile.database_url) as url:
        yield url


@pytest.fixture
def valkey(fragile: FragileServers) -> Iterator[redis.Redis]:
    """A client of an empty Valkey, on the servers that may die."""
    with redis.Redis.from_url(fragile.redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def crew(
    fragile: FragileServers, database_url: str, valkey: redis.Redis, tmp_path: Path
) -> Iterator[Crew]:
    """Starts real processes on the test's database; all are gone after the test."""
    settings = {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": fragile.redis_url,
        "ROLLOUT_PEPPER": PEPPER,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "ROLLOUT_POLL": "0.5",
        "ROLLOUT_RECHECK": "1",
        "ROLLOUT_DELIVERY_GRACE": "0",
    }
    with Crew(settings, tmp_path) as started:
        yield started
