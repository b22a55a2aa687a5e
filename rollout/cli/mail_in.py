"""``rollout mail-in``: the service by which bounces, complaints and answers come in."""

from __future__ import annotations

import signal
import threading
from typing import Annotated

import structlog
import typer

from rollout.adapters.logs import configure_logging
from rollout.adapters.mail.imap import ImapMailbox, parse_imap_url
from rollout.adapters.mail.receiving import receive
from rollout.bootstrap import Rollout, bootstrap
from rollout.cli.output import err
from rollout.cli.serving import listen_on
from rollout.cli.session import read_settings
from rollout.domain.errors import BadInput, Unavailable

log = structlog.get_logger()

PAUSE = 60.0  # seconds between two looks into a mailbox


def mail_in(
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="instead of the setting")
    ] = None,
    lmtp: Annotated[bool, typer.Option("--lmtp", help="speak LMTP instead of SMTP")] = False,
    imap: Annotated[
        bool, typer.Option("--imap", help="fetch from ROLLOUT_IMAP_URL every minute instead")
    ] = False,
) -> None:
    """Receive what comes back by mail, from your mail server. A message accepted is stored.

    Let your mail server deliver the bounce domain, and the replies, here; it is not for the
    Internet. While the database is down, messages are asked to come again.

    Example: rollout mail-in --lmtp --listen 127.0.0.1:2424
    """
    configure_logging()
    settings = read_settings()
    if imap:
        if listen or lmtp:
            raise typer.BadParameter("--imap fetches: --listen and --lmtp do not go with it")
        mailbox = _mailbox(settings.imap_url)
        with bootstrap(settings, database_may_be_down=True) as rollout:
            err.print(f"mail-in  {mailbox}, every {PAUSE:.0f} s", soft_wrap=True, markup=False)
            _fetch(rollout, mailbox)
        return
    address = listen or settings.mail_listen
    with listen_on(address) as listener, bootstrap(settings, database_may_be_down=True) as rollout:
        err.print(f"mail-in  {'lmtp' if lmtp else 'smtp'}://{address}", soft_wrap=True)
        receive(listener, rollout.notices.reports.take_in, lmtp=lmtp)


def _mailbox(url: str | None) -> ImapMailbox:
    if url is None:
        raise BadInput(
            "no mailbox is named",
            fix="set ROLLOUT_IMAP_URL to imaps://user:password@mail.example.com/INBOX",
        )
    return parse_imap_url(url)


def _fetch(rollout: Rollout, mailbox: ImapMailbox) -> None:
    """Look into the mailbox until told to stop; what cannot be reached is tried again."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while True:
        try:
            if taken := mailbox.poll(rollout.notices.reports.take_in):
                log.info("mail.taken-in", mails=taken)
        except Unavailable as error:  # the messages stay unread
            log.warning("mail.not-fetched", error=error.message, fix=error.fix)
        if stop.wait(PAUSE):
            return
