"""``rollout up`` and its parts: one process each, or all of them on one machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import structlog
import typer

from rollout.adapters.clock import SystemClock
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.migrate import migrate as migrate_database
from rollout.adapters.logs import configure_logging
from rollout.adapters.mail.imap import parse_imap_url
from rollout.adapters.task_queue import QUEUES
from rollout.cli.options import AsOperator, operator_name
from rollout.cli.output import say
from rollout.cli.serving import listen_on
from rollout.cli.session import open_rollout, read_settings
from rollout.settings import Settings

log = structlog.get_logger()

STOP_TIMEOUT = 20.0  # seconds a part has to finish what it is doing
STEADY = 30.0  # a part that ran for so long has earned an immediate restart

Command = tuple[str, ...]  # a command of Rollout and its options

PARTS: tuple[Command, ...] = (("web",), ("gateway",), ("worker",), ("clock",))


def migrate() -> None:
    """Create or update the tables. Doing it twice changes nothing.

    Example: ROLLOUT_DATABASE_URL=postgresql://… rollout migrate
    """
    settings = read_settings()
    if settings.database_url is None:
        with open_rollout():  # embedded servers migrate themselves when they start
            say("the embedded database is up to date")
            return
    engine = make_engine(settings.database_url)
    before, after = migrate_database(engine)
    engine.dispose()
    say(
        f"the database is up to date (revision {after})"
        if before == after
        else f"migrated from {before or 'nothing'} to {after}"
    )


def worker(
    queues: Annotated[
        list[str] | None, typer.Option("--queue", help="serve only this queue; may be repeated")
    ] = None,
) -> None:
    """Run one worker process: it cuts, reminds, tells the gateways and seals the audit trail.

    Example: rollout worker --queue notices
    """
    unknown = set(queues or ()) - set(QUEUES)
    if unknown:
        raise typer.BadParameter(
            f"no such queue: {', '.join(sorted(unknown))} (known: {', '.join(QUEUES)})"
        )
    read_settings()  # refuse a wrong environment here, where it can be said plainly
    _become("workers.worker", *(queues or ()))


def clock(
    trust: Annotated[
        bool, typer.Option("--trust", help="say that the database's clock is right again")
    ] = False,
    operator: AsOperator = None,
) -> None:
    """Run the clock process, which rings the sweeps every second. Two may run.

    If the database's clock ever jumps, all cutting stops until somebody has looked and says so.

    Example: rollout clock --trust --as alice
    """
    if trust:
        with open_rollout() as rollout:
            rollout.timekeeping.trust(operator_name(operator))
        say("the clock is trusted; cutting goes on")
        return
    read_settings()
    _become("workers.clock")


def _become(module: str, *arguments: str) -> None:
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - ourselves


@dataclass(slots=True)
class Part:
    """One process that `up` keeps alive."""

    command: Command
    process: subprocess.Popen[bytes]
    started: float


class Supervisor:
    """Starts the parts, starts again what ends, and stops all of them in the end."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._clock = SystemClock()
        self._stopping = threading.Event()
        self._parts: list[Part] = []

    def run(self, commands: Sequence[Command]) -> None:
        """Start the parts and keep them alive until told to stop; then stop them all."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            for command in commands:
                self._parts.append(self._start(command))
            while not self._stopping.wait(1):
                self._parts = [self._revive(part) for part in self._parts]
        finally:
            self._stop()

    def _stop(self) -> None:
        """End every part: politely first."""
        for part in self._parts:
            part.process.terminate()
        for part in self._parts:
            try:
                part.process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()

    def _revive(self, part: Part) -> Part:
        code = part.process.poll()
        if code is None:
            return part
        log.error("part.ended", part=" ".join(part.command), code=code)
        if self._clock.monotonic() - part.started < STEADY:
            self._stopping.wait(2)  # a part that cannot start must not be started in a circle
        return self._start(part.command)

    def _start(self, command: Command) -> Part:
        line = [sys.executable, "-m", "rollout", *command]
        # A session of its own: an interrupt at the terminal is ours to pass on, in order.
        process = subprocess.Popen(line, env=self._environment, start_new_session=True)  # noqa: S603
        return Part(command, process, self._clock.monotonic())


def up() -> None:
    """Run everything on one machine: servers if none are configured, web, gateway, worker, clock.

    With ROLLOUT_BOUNCE_DOMAIN also what receives mail that comes back, by SMTP; with
    ROLLOUT_IMAP_URL what fetches it.

    Ends with Ctrl-C; embedded servers end with it and keep their data.

    Example: ROLLOUT_SMTP_URL=smtp://127.0.0.1:1025 rollout up
    """
    configure_logging()
    # While the servers start, SIGTERM is an interrupt: it unwinds, so that they are stopped again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = read_settings()
    mail_in = _mail_in(settings)
    for address in _addresses(settings):
        listen_on(address).close()  # refuse a taken port here, where it can be said plainly
    with open_rollout():
        say(_servers(settings))  # web, gateway and mail-in say for themselves where they listen
        if not mail_in:
            say("mail-in  not run: neither ROLLOUT_BOUNCE_DOMAIN nor ROLLOUT_IMAP_URL is set")
        say("Ctrl-C ends all of it; the data stay.")
        Supervisor(dict(os.environ)).run((*PARTS, *mail_in))


def _mail_in(settings: Settings) -> list[Command]:
    """Return what takes in mail that comes back: whatever is configured, be it both."""
    commands: list[Command] = []
    if settings.bounce_domain is not None:
        commands.append(("mail-in",))
    if settings.imap_url is not None:
        parse_imap_url(settings.imap_url)  # refuse a wrong one here, too
        commands.append(("mail-in", "--imap"))
    return commands


def _addresses(settings: Settings) -> list[str]:
    """Return where the parts listen."""
    listens = [settings.web_listen, settings.gateway_listen]
    return listens if settings.bounce_domain is None else [*listens, settings.mail_listen]


def _servers(settings: Settings) -> str:
    if settings.database_url and settings.redis_url:
        return "servers  as configured"
    return f"servers  embedded, under {settings.data_dir}"
