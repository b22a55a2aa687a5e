"""Mails per second: claim, facts, text and HTML, ledger; beside a bare smtplib loop.

The floor sends the same ready-made bytes over as many connections. Both hand over to postfix's
smtp-sink, which reads and forgets.
"""

from __future__ import annotations

import multiprocessing
import shutil
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from email.headerregistry import Address
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Barrier

import psutil
from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.processes import drain, in_processes
from bench.seed import seed, settle
from bench.servers import Servers
from bench.size import Size
from rollout.adapters.clock import SystemClock
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.mail.message import compose
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.smtp import SmtpMailer
from rollout.adapters.mail.smtp_url import parse_smtp_url
from rollout.adapters.resources import templates_dir
from rollout.domain.notices.envelope import Envelopes
from rollout.services.notices.delivery import NoticeDelivery
from rollout.services.notices.preview import NoticePreview

PROCESSES = 2
CONNECTIONS = 8  # of each process, as the sweep in workers/notices.py has them
SENDER = "rollout@bench.example"
SINK = "/usr/sbin/smtp-sink"
PENDING = """
UPDATE notices SET state = 'pending', sent_at = NULL, delivered_at = NULL,
       due_at = now(), attempt_at = now() WHERE step = 'final-warning'
"""


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Send a notice to everybody, and the same bytes without any of it."""
    if not shutil.which(SINK):
        print(f"{SINK} is missing (Debian: postfix), so notices are left out", file=sys.stderr)
        return
    count = size.letters
    with sink() as port, servers.database("notices") as engine:
        seed(engine, count, due="3 days")
        with engine.begin() as connection:
            connection.execute(text(PENDING))
        settle(engine)
        url = engine.url.render_as_string(hide_password=False)
        letter = a_letter(engine)
        floor = in_processes(PROCESSES, send_bare, port, letter, count // PROCESSES)
        memory = multiprocessing.get_context("spawn").Value("Q", 0)
        spent = in_processes(PROCESSES, deliver, url, port, memory)
        with engine.connect() as connection:
            sent = "SELECT count(*) FROM notices WHERE state = 'sent'"
            assert connection.execute(text(sent)).scalar_one() == count, "not all was sent"
    yield Figure(
        what=f"send {count:,} notices, {PROCESSES} processes × {CONNECTIONS} connections",
        value=count / spent.clock,
        unit="mails/s",
        beside=f"bare smtplib, {len(letter):,} bytes each",
        floor=count / floor.clock,
        owed="≥ 0.33",
    )
    yield Figure(
        what="  mails per second of processor time",
        value=count / spent.processors,
        unit="mails/s",
        beside="bare smtplib",
        floor=count / floor.processors,
    )
    yield Figure(
        what="  memory of a process at its end",
        value=memory.value / 1_000_000,
        unit="MB",
    )


@contextmanager
def sink() -> Iterator[int]:
    """Run postfix's smtp-sink on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen([SINK, "-u", "nobody", f"127.0.0.1:{port}", "1000"])
    try:
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait()


def a_letter(engine: Engine) -> bytes:
    """Return the bytes that the first account gets."""
    preview = NoticePreview(lambda: SqlUnitOfWork(engine), renderer())
    ((email, letter),) = preview.preview("acc-1", "final-warning", None)
    return compose(
        letter,
        sender=Address(addr_spec=SENDER),
        reply_to=None,
        to=Address(addr_spec=email),
        message_id="<1@bench.example>",
        date=SystemClock().now(),
    )


def renderer() -> TemplateRenderer:
    return TemplateRenderer(templates_dir() / "notices")


def deliver(ready: Barrier, database_url: str, port: int, memory: Synchronized[int]) -> None:
    """Send as a worker does, in a process of its own."""
    engine = make_engine(database_url)
    mailer = SmtpMailer(
        parse_smtp_url(f"smtp://127.0.0.1:{port}"),
        sender=SENDER,
        reply_to=None,
        timeout=30,
        final_timeout=30,
        clock=SystemClock(),
    )
    service = NoticeDelivery(
        start=lambda: SqlUnitOfWork(engine),
        renderer=renderer(),
        mailer=mailer,
        grace=timedelta(seconds=60),
        envelopes=Envelopes(b"k" * 32),
    )
    ready.wait(timeout=60)
    at_once(lambda: drain(service.sweep))
    memory.value = psutil.Process().memory_info().rss
    engine.dispose()


def send_bare(ready: Barrier, port: int, letter: bytes, count: int) -> None:
    """Send the same bytes again and again."""

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port, "bench.example") as line:
            for _ in range(count // CONNECTIONS):
                line.sendmail(SENDER, ["owner@company1.example"], letter)

    ready.wait(timeout=60)
    at_once(send)


def at_once(work: Callable[[], None]) -> None:
    """Work on all connections of a process at once."""
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(work) for _ in range(CONNECTIONS)]:
            done.result()
