"""``rollout mail-in`` as a mail server meets it, on a real database."""

from __future__ import annotations

import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import pytest

from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.imap_server import ImapServer
from tests.support.processes import environment, free_port, listening
from tests.support.returned_mail import dsn

BOB = "bob@beta.example"


COMMAND = [sys.executable, "-m", "rollout", "mail-in"]
HERE = {"PYTHONPATH": str(Path(__file__).parents[2])}


def own(settings: dict[str, str]) -> dict[str, str]:
    return {f"ROLLOUT_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def mail_in(cli: CommandLine, *options: str, **settings: str) -> Iterator[int]:
    """Run it from when it listens; it ends well when it is asked to."""
    port = free_port()
    command = [*COMMAND, "--listen", f"127.0.0.1:{port}", *options]
    with listening(command, port, cli.settings | own(settings) | HERE) as process:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@contextmanager
def program(cli: CommandLine, *options: str, **settings: str) -> Iterator[None]:
    """Run it where it does not listen; it ends well when it is asked to."""
    process = subprocess.Popen(
        [*COMMAND, *options], env=environment(cli.settings | own(settings) | HERE)
    )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("options", "client"), [((), smtplib.SMTP), (("--lmtp",), smtplib.LMTP)], ids=["smtp", "lmtp"]
)
def test_a_bounce_that_is_delivered_to_it_ends_its_notice(
    cli: CommandLine,
    campaign: Campaign,
    mailer: FakeMailer,
    options: tuple[str, ...],
    client: type[smtplib.SMTP],
) -> None:
    campaign.begin()
    campaign.work(NOW)
    (bob,) = [sent for sent in mailer.sent if sent.to == BOB]
    with mail_in(cli, *options) as port, client("127.0.0.1", port) as line:
        line.sendmail("", "bounces@platform.example", dsn(bob))
        line.sendmail("", "bounces@platform.example", dsn(bob, action="delayed", status="4.4.1"))

    (item,) = cli("notice", "list", "--account", "beta", "--json").items
    assert item["state"] == "bounced"
    assert len(cli("notice", "reports", "--json").items) == 2


def test_while_the_database_is_down_a_message_is_to_come_again(cli: CommandLine) -> None:
    nowhere = f"postgresql://rollout@127.0.0.1:{free_port()}/rollout"
    with (
        mail_in(cli, database_url=nowhere) as port,
        smtplib.SMTP("127.0.0.1", port) as line,
        pytest.raises(smtplib.SMTPDataError) as refused,
    ):
        line.sendmail("", "bounces@platform.example", b"From: a@b.example\r\n\r\nx\r\n")

    assert refused.value.smtp_code == 451


def test_what_lies_unread_in_a_mailbox_is_fetched(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    (bob,) = [sent for sent in mailer.sent if sent.to == BOB]
    with ImapServer(dsn(bob)) as server, program(cli, "--imap", imap_url=server.url):
        deadline = monotonic() + 30
        while not server.seen and monotonic() < deadline:
            sleep(0.1)

    (item,) = cli("notice", "list", "--account", "beta", "--json").items
    assert item["state"] == "bounced"


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--imap",), 1, "set ROLLOUT_IMAP_URL to imaps://user:password@"),
        (("--imap", "--lmtp"), 2, "--listen and --lmtp do not go with it"),
        (("--listen", "nonsense"), 1, "that is not host:port"),
    ],
)
def test_wrong_usage_is_explained(
    cli: CommandLine, options: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("mail-in", *options)

    assert done.code == code
    assert said in done.complaint


def test_a_port_that_is_taken_is_explained(cli: CommandLine) -> None:
    with mail_in(cli) as port:
        done = cli("mail-in", "--listen", f"127.0.0.1:{port}")

    assert done.code == 1
    assert "somebody else listens there already" in done.complaint
    assert "ROLLOUT_MAIL_LISTEN" in done.complaint
