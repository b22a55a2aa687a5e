"""Real programs for a test: started on free ports, ended by their own handle."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

PATIENCE = 30.0  # seconds for a program to begin listening


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This environment, with these ROLLOUT_ settings and no others."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("ROLLOUT_")}
    return rest | dict(settings)


@contextmanager
def listening(
    command: Sequence[str], port: int, settings: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a program from when it listens on a port of this machine until the end of the block."""
    process = subprocess.Popen(
        command, env=environment(settings or {}), stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


class Crew:
    """Workers, clocks and gateways on one pair of servers, until the end of the block.

    Each writes what it says into a file of its own; all that still run then are killed.
    """

    def __init__(self, settings: Mapping[str, str], place: Path) -> None:
        self._environment = environment(settings)
        self._place = place
        self._programs: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs:
            kill(program)

    def start(self, module: str, *arguments: str, **settings: str) -> subprocess.Popen[bytes]:
        """Run ``python -m module``, with these settings besides the crew's."""
        said = self._place / f"{len(self._programs)}-{module}.log"
        with said.open("wb") as file:
            program = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=self._environment | settings,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._programs.append(program)
        return program

    def run(self, module: str, *arguments: str, exits: int = 0) -> str:
        """Run ``python -m module`` to its end; return what it has written."""
        command = [sys.executable, "-m", module, *arguments]
        ended = subprocess.run(
            command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == exits, ended.stdout
        return ended.stdout

    def said(self) -> str:
        """Return what all of them have written so far."""
        return "".join(file.read_text() for file in sorted(self._place.glob("*.log")))


def kill(program: subprocess.Popen[bytes]) -> None:
    """kill -9, and wait until it is gone."""
    program.kill()
    program.wait(PATIENCE)


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as a condition holds; fail if it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {seconds:g} s"
        time.sleep(0.02)


def rollout(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rollout", *arguments]


def _wait_for(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"{process.args} ended early:\n{process.communicate()[1]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"{process.args} does not listen on {port}")
