"""The stage of one performance: a directory of its own, its settings, its processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rollout.bootstrap import Rollout, bootstrap
from rollout.cli.demo.company import UNREACHABLE
from rollout.cli.demo.mailbox import Mailbox
from rollout.settings import PREFIX, Settings

GRACE = 2.0  # seconds after which an accepted message counts as delivered here
STOP_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that the play needs."""

    rollout: Rollout
    folder: Path
    mailbox: Mailbox
    gateway: str  # host:port


@contextmanager
def set_stage() -> Iterator[Stage]:
    """Start embedded servers, a mailbox, a gateway, a worker and a clock; stop them on leaving.

    Nothing that is configured on this machine is touched. What stays is the mailbox.
    """
    folder = Path(tempfile.mkdtemp(prefix="rollout-demo-"))
    folder.chmod(0o755)  # started by root, PostgreSQL runs as another user
    mailbox = Mailbox(folder / "mailbox", _free_port(), f"{UNREACHABLE}.example")
    mailbox.start()
    try:
        gateway = f"127.0.0.1:{_free_port()}"
        environment = _environment(folder, mailbox.url, gateway)
        with (
            bootstrap(Settings.from_environment(environment)) as rollout,
            _processes(environment, folder),
        ):
            yield Stage(rollout, folder, mailbox, gateway)
    finally:
        mailbox.stop()
        shutil.rmtree(folder / "data", ignore_errors=True)


def _environment(folder: Path, smtp_url: str, gateway: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    return inherited | {
        "ROLLOUT_DATA_DIR": str(folder / "data"),
        "ROLLOUT_SMTP_URL": smtp_url,
        "ROLLOUT_MAIL_FROM": "Example Platform <keys@platform.example>",
        "ROLLOUT_MAIL_REPLY_TO": "keys@platform.example",
        "ROLLOUT_GATEWAY_LISTEN": gateway,
        "ROLLOUT_DELIVERY_GRACE": str(GRACE),
        "ROLLOUT_RECHECK": "2",
        "ROLLOUT_OPERATOR": "demo",
    }


@contextmanager
def _processes(environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / "processes.log").open("wb") as log:
        running = [
            subprocess.Popen(  # noqa: S603 - our own commands
                [sys.executable, "-m", "rollout", name],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is ours to handle
            )
            for name in ("gateway", "worker", "clock")
        ]
        try:
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                try:
                    process.wait(STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
