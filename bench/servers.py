"""Servers of the bench's own, never those that are configured; a database for each measurement."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from sqlalchemy import Engine, create_engine, make_url, text

from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.migrate import migrate
from rollout.adapters.embedded.servers import EmbeddedServers

PEPPER = "a pepper of the bench"


@dataclass(frozen=True, slots=True)
class Servers:
    """PostgreSQL and Valkey in a temporary directory."""

    directory: Path
    database_url: str
    redis_url: str

    @contextmanager
    def database(self, name: str) -> Iterator[Engine]:
        """Create a database with all tables, and empty Valkey; drop the database afterwards."""
        template = make_url(self.database_url)
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template.database}")
        engine = make_engine(template.set(database=name).render_as_string(hide_password=False))
        try:
            with redis.Redis.from_url(self.redis_url) as client:
                client.flushall()
            yield engine
        finally:
            engine.dispose()
            self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    def environment(self, engine: Engine) -> dict[str, str]:
        """Return the environment in which Rollout uses one of the databases, whatever is set."""
        others = {name: value for name, value in os.environ.items() if name[:8] != "ROLLOUT_"}
        return others | {
            "ROLLOUT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "ROLLOUT_REDIS_URL": self.redis_url,
            "ROLLOUT_DATA_DIR": str(self.directory),
            "ROLLOUT_PEPPER": PEPPER,
        }

    def _administer(self, statement: str) -> None:
        engine = create_engine(self.database_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()


@contextmanager
def own_servers() -> Iterator[Servers]:
    """Run them."""
    with (
        tempfile.TemporaryDirectory(prefix="rollout-bench-") as place,
        EmbeddedServers.start(_passable(Path(place)) / "servers") as running,
    ):
        engine = make_engine(running.database_url)
        migrate(engine)
        engine.dispose()
        yield Servers(Path(place), running.database_url, running.redis_url)


def _passable(place: Path) -> Path:
    """Let others pass: started by root, PostgreSQL runs as another user."""
    place.chmod(0o711)
    return place


def rollout(servers: Servers, engine: Engine, *arguments: str) -> tuple[float, float]:
    """Run a command to its end; return its seconds, starting included, and its peak in MB."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-m", "rollout", *arguments],
        env=servers.environment(engine),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"rollout {' '.join(arguments)} failed"
    return seconds, usage.ru_maxrss / 1024
