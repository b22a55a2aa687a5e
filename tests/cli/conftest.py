"""The command line on a test's own database."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.adapters.embedded.servers import EmbeddedServers
from tests.support.command_line import CommandLine


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
