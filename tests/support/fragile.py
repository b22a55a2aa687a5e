"""A PostgreSQL and a Valkey that a test may kill: nobody else is on them."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from tests.support.processes import wait_until


class FragileServers:
    """Kills them, by name, and starts them again."""

    def __init__(self, place: Path, servers: EmbeddedServers) -> None:
        self._place = place
        self.database_url = servers.database_url
        self.redis_url = servers.redis_url

    def strike(self, title: str, how: signal.Signals) -> None:
        """Send a signal to "PostgreSQL" or "Valkey", and wait until it is gone."""
        pid = running_servers(self._place)[title]
        assert pid is not None
        os.kill(pid, how)
        wait_until(lambda: running_servers(self._place)[title] is None)

    def empty_valkey(self) -> None:
        """Take all its data away while it is down."""
        shutil.rmtree(self._place / "valkey")

    def revive(self) -> None:
        """Start whatever is down."""
        EmbeddedServers.start(self._place).stop()  # the session's own use keeps them running
