"""``rollout mail-in`` as a mail server meets it, on a real database."""

from __future__ import annotations

import signal
import smtplib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.processes import free_port, listening
from tests.support.returned_mail import dsn

BOB = "bob@beta.example"


@contextmanager
def mail_in(cli: CommandLine, *options: str, **settings: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "rollout", "mail-in", "--listen", f"127.0.0.1:{port}"]
    own = {f"ROLLOUT_{name.upper()}": value for name, value in settings.items()}
    path = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with listening([*command, *options], port, cli.settings | own | path) as process:
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


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


def test_a_port_that_is_taken_is_explained(cli: CommandLine) -> None:
    with mail_in(cli) as port:
        done = cli("mail-in", "--listen", f"127.0.0.1:{port}")

    assert done.code == 1
    assert "somebody else listens there already" in done.complaint
    assert "ROLLOUT_MAIL_LISTEN" in done.complaint
