"""``rollout mail-in``: the service to which bounces, complaints and answers are delivered."""

from __future__ import annotations

from typing import Annotated

import typer

from rollout.adapters.logs import configure_logging
from rollout.adapters.mail.receiving import receive
from rollout.bootstrap import bootstrap
from rollout.cli.output import err
from rollout.cli.serving import listen_on
from rollout.cli.session import read_settings


def mail_in(
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="instead of the setting")
    ] = None,
    lmtp: Annotated[bool, typer.Option("--lmtp", help="speak LMTP instead of SMTP")] = False,
) -> None:
    """Receive what comes back by mail, from your mail server. A message accepted is stored.

    Let your mail server deliver the bounce domain, and the replies, here; it is not for the
    Internet. While the database is down, messages are asked to come again.

    Example: rollout mail-in --lmtp --listen 127.0.0.1:2424
    """
    configure_logging()
    settings = read_settings()
    address = listen or settings.mail_listen
    with listen_on(address) as listener, bootstrap(settings, database_may_be_down=True) as rollout:
        err.print(f"mail-in  {'lmtp' if lmtp else 'smtp'}://{address}", soft_wrap=True)
        receive(listener, rollout.reports.take_in, lmtp=lmtp)
