"""Start or find the servers of a data directory; stop them when the last user leaves."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from rollout.adapters.embedded.lock import Use, one_at_a_time
from rollout.adapters.embedded.place import (
    explained,
    make_data_dir,
    make_private_dir,
    run_dir,
    server_owner,
)
from rollout.adapters.embedded.postgres import Postgres
from rollout.adapters.embedded.server import START_TIMEOUT
from rollout.adapters.embedded.valkey import Valkey


class EmbeddedServers:
    """A use of the servers of one data directory; a context manager that ends it.

    Any number of processes may use them at once. They stop when the last one leaves. A user that
    is killed leaves them running: the next one finds them, and stops them when it leaves.
    ``database_url`` and ``redis_url`` are their addresses.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._postgres = Postgres(data_dir)
        self._valkey = Valkey(data_dir)
        self._use: Use | None = None
        self._user = os.getpid()
        self.database_url = self._postgres.url
        self.redis_url = self._valkey.url

    @classmethod
    def start(cls, data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> Self:
        """Start the servers asked for, or find them running; return when they accept work.

        Raise ``BadInput`` for a directory that cannot be used, ``Unavailable`` for a server that
        does not start; both say the way out.
        """
        with explained(data_dir):
            servers = cls(data_dir.resolve())
            servers._begin(postgres=postgres, valkey=valkey)
        return servers

    def stop(self) -> None:
        """End this use; stop the servers if nobody else uses them. Again does nothing."""
        use, self._use = self._use, None
        if use is None:
            return
        if os.getpid() != self._user:  # a forked child: its parent is still using them
            use.forget()
            return
        with explained(self._data_dir), self._alone():
            self._end(use)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _begin(self, *, postgres: bool, valkey: bool) -> None:
        make_data_dir(self._data_dir)
        with self._alone():
            use = Use(self._data_dir / "servers.lock")
            try:
                make_private_dir(run_dir(self._data_dir), server_owner())
                if postgres:
                    self._postgres.start()
                if valkey:
                    self._valkey.start()
            except BaseException:
                self._end(use)
                raise
        self._use = use

    def _end(self, use: Use) -> None:
        try:
            if use.is_last():
                try:
                    self._valkey.stop()
                finally:
                    self._postgres.stop()
        finally:
            use.leave()

    def _alone(self) -> AbstractContextManager[None]:
        return one_at_a_time(self._data_dir / "start.lock", timeout=START_TIMEOUT)


def running_servers(data_dir: Path) -> dict[str, int | None]:
    """Return the process id of each server of ``data_dir``, by name; None for one that is down."""
    with explained(data_dir):
        servers = Postgres(data_dir.resolve()), Valkey(data_dir.resolve())
        return {server.title: server.pid() for server in servers}
