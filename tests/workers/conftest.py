"""Everything wired, on a test's own database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings


@pytest.fixture
def settings(
    database_url: str, servers: EmbeddedServers, valkey: redis.Redis, tmp_path: Path
) -> dict[str, str]:
    return {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
    }


@pytest.fixture
def wired(settings: dict[str, str]) -> Iterator[Rollout]:
    with bootstrap(Settings.from_environment(settings)) as rollout:
        yield rollout
