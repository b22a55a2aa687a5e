"""What the two embedded servers have in common: found, launched, awaited, stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import struct
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from rollout.adapters.embedded.place import disk_full, run_dir
from rollout.domain.errors import RolloutError, Unavailable

START_TIMEOUT = 300.0  # seconds; generous, for a crash recovery: a server that dies is seen at once
STOP_TIMEOUT = 60.0  # seconds
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}  # nothing of ours: neither secrets nor PG… names


class Server(ABC):
    """One server program: its directory, its socket, its log, its process."""

    title: str  # as people call it
    program: str  # as the process table calls it
    name: str  # of its directory and its log
    pid_name: str  # of the file in its directory that begins with its process id
    socket_name: str
    stop_signal: signal.Signals

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.home = data_dir / self.name
        self.log = data_dir / f"{self.name}.log"
        self.socket = run_dir(data_dir) / self.socket_name
        self._child: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @abstractmethod
    def prepare(self) -> None:
        """Make the directory ready for a launch."""

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """Return the command line; its working directory will be ``home``."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it accepts work now."""

    def run_as(self) -> dict[str, Any]:
        """Return what ``subprocess`` needs to run it as another user."""
        return {}

    def pid(self) -> int | None:
        """Return the process id of the running server.

        A pid file may be stale, and its number given to somebody else since: only a process of our
        program that works in our directory counts.
        """
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        pid = recorded_pid(self.home / self.pid_name)
        return pid if pid is not None and self._is_ours(pid) else None

    def start(self) -> None:
        """Find it running, or launch it; return when it accepts work."""
        began = time.monotonic()
        launched = False
        while (pid := self.pid()) is None or not self.is_ready():
            if pid is None and launched:
                raise self.failure("ended while starting")
            if pid is None and not self._has_strays():
                self._refuse_a_stranger()
                self.prepare()
                self._launch()
                launched = True
            elif pid and not launched and not self.socket.exists() and time.monotonic() > began + 2:
                raise Unavailable(
                    f"{self.title} runs (process {pid}), but its socket {self.socket} is gone",
                    fix=f"end it (kill -{self.stop_signal.name[3:]} {pid}) and start again",
                )
            self._pause(began + START_TIMEOUT, "start")

    def stop(self) -> None:
        """Stop it in order, with its data written; nothing happens when it does not run."""
        pid = self.pid()
        if pid is None:
            return
        with suppress(ProcessLookupError):  # it ended just now
            os.kill(pid, self.stop_signal)
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.pid() is not None or self._is_ours(pid):
            self._pause(deadline, "stop")

    def failure(self, what: str, output: str | None = None) -> RolloutError:
        """Say that the server failed, with the last lines of what it said (in its log)."""
        output = self._last_lines() if output is None else output
        if "No space left on device" in output:
            return disk_full(self.data_dir)
        lines = [_harmless(line) for line in output.splitlines() if line.strip()][-6:]
        return Unavailable(
            f"{self.title} {what}; it said:\n  " + "\n  ".join(lines or ["(nothing)"]),
            fix=f"the whole log is {self.log}, the data is in {self.home}",
        )

    def _is_ours(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return bool(process.name() == self.program and process.cwd() == str(self.home))
        except psutil.Error:  # gone, a zombie, or another user's
            return False

    def _has_strays(self) -> bool:
        """Whether a killed server's children are still there, or a server that has just begun."""
        return any(self._is_ours(pid) for pid in psutil.pids())

    def _refuse_a_stranger(self) -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            try:
                client.connect(str(self.socket))
            except (FileNotFoundError, ConnectionRefusedError):
                return
            except TimeoutError:  # it listens, but its queue is full
                who = "another program"
            else:
                who = _peer(client)
        raise Unavailable(
            f"{who} listens on {self.socket}, where {self.title} should",
            fix="end that program, or set ROLLOUT_DATA_DIR to another directory",
        )

    def _launch(self) -> None:
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._child = subprocess.Popen(  # noqa: S603  # our own command line, no shell
                self.command(),
                cwd=self.home,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # neither Ctrl-C nor our end reaches it
                **self.run_as(),
            )

    def _last_lines(self) -> str:
        with self.log.open("rb") as log:
            log.seek(max(self._log_start, log.seek(0, os.SEEK_END) - 10_000))
            return log.read().decode(errors="replace")

    def _pause(self, deadline: float, doing: str) -> None:
        if time.monotonic() > deadline:
            raise self.failure(f"did not {doing} in time")
        time.sleep(0.01)


def recorded_pid(path: Path) -> int | None:
    """Return the process id in the first line of a file, None without a usable one."""
    try:
        first, *_ = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    except FileNotFoundError:
        return None
    return int(first) if re.fullmatch(r"[0-9]{1,9}", first.strip()) else None


def _peer(client: socket.socket) -> str:
    if not hasattr(socket, "SO_PEERCRED"):  # Linux knows who listens
        return "another program"
    pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return f"another program (process {pid}, {_harmless(psutil.Process(pid).name())})"
    except psutil.Error:
        return f"another program (process {pid})"


def _harmless(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]
