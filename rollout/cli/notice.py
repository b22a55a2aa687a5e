"""``rollout notice``: what is said, to whom, and what became of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rollout.adapters.screenshot import find_chromium, take_screenshot
from rollout.cli.options import (
    AsJson,
    AsOperator,
    InCohort,
    InDeprecation,
    operator_name,
    parse_cohort,
    parse_instant,
)
from rollout.cli.output import TABLE_ROWS, print_first, print_json, say, write_file
from rollout.cli.session import open_rollout
from rollout.domain.notices import NoticeState
from rollout.services.ports.notice_views import NoticeFilter

notice = typer.Typer(help="Reminders: who was told what, and when.", no_args_is_help=True)

COLUMNS = (
    *("notice_id", "account_id", "contact", "step", "state"),
    *("due_at", "sent_at", "delivered_at", "resent_at", "acknowledged_at", "reason"),
)


@notice.command("list")
def list_notices(
    account: Annotated[str | None, typer.Option(help="only of this account")] = None,
    deprecation: InDeprecation = None,
    cohort: InCohort = None,
    to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="only to this address")] = None,
    state: Annotated[
        list[NoticeState] | None, typer.Option(help="only in this state; may be given repeatedly")
    ] = None,
    step: Annotated[str | None, typer.Option(help="only of this step")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="TIME", help="only those due then or later"),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="TIME", help="only those due before then"),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List notices, the newest first: all of them as JSON, the newest 100 as a table.

    Example: rollout notice list --cohort api-keys/canary --state bounced --state uncertain
    """
    of, name = parse_cohort(deprecation, cohort)
    which = NoticeFilter(
        account_id=account,
        deprecation=of,
        cohort=name,
        address=to,
        step=step,
        states=state or (),
        since=since,
        until=until,
    )
    with open_rollout() as rollout:
        rows = limit if as_json or limit else TABLE_ROWS + 1
        items = rollout.notices.overview.notices(which, rows)
        print_first(items, COLUMNS, as_json=as_json, limit=limit)


@notice.command("preview")
def preview(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    step: Annotated[str, typer.Argument(metavar="STEP")],
    deprecation: InDeprecation = None,
    html: Annotated[bool, typer.Option("--html", help="the HTML part instead")] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="a picture instead")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="the picture, to who reads in the dark")] = (
        False
    ),
    width: Annotated[int, typer.Option(min=200, max=4000, help="of the picture, in pixels")] = 800,
    as_json: AsJson = False,
) -> None:
    """Show the message of a step as the people of an account would get it now.

    Where it goes to several people, their pictures are FILE, then FILE with -2, -3 in its name.

    Example: rollout notice preview acme final-warning --png warning.png --dark --width 375
    """
    with open_rollout() as rollout:
        letters = rollout.notices.preview.preview(account, step, deprecation)
        chromium = rollout.settings.chromium
    if png:
        take = partial(take_screenshot, width=width, dark=dark, chromium=find_chromium(chromium))
        for number, (email, letter) in enumerate(letters, start=1):
            file = png if number == 1 else png.with_stem(f"{png.stem}-{number}")
            write_file(file, take(letter.html))
            say(f"{file}: to {email}")
    elif as_json:
        items = [
            {"to": email, "subject": x.subject, "text": x.text, "html": x.html}
            for email, x in letters
        ]
        print_json({"items": items})
    else:
        for email, letter in letters:
            say(f"To: {email}")
            say(f"Subject: {letter.subject}\n")
            say(letter.html if html else letter.text)


@notice.command("send-test")
def send_test(
    step: Annotated[str, typer.Argument(metavar="STEP")],
    account: Annotated[
        str, typer.Option(metavar="ACCOUNT", help="whose people would get the message")
    ],
    to: Annotated[
        str, typer.Option(metavar="ADDRESS", help="one of ours (ROLLOUT_TEST_RECIPIENTS)")
    ],
    contact: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="as this contact would get it; the first, if none"),
    ] = None,
    deprecation: InDeprecation = None,
    operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Send the message of a step to yourself, as a person of an account would get it now.

    Its subject begins with `[Test]`. It is no notice: nobody counts as told by it.

    Example: rollout notice send-test final-warning --account acme --to me@example.com
    """
    with open_rollout() as rollout:
        sent = rollout.notices.trial.send(
            account,
            step,
            to=to,
            operator=operator_name(operator),
            contact=contact,
            deprecation=deprecation,
        )
    if as_json:
        print_json({"to": to, **asdict(sent)})
        return
    say(f"To: {to}, as {sent.reader} would get it")
    say(f"Subject: {sent.subject}")
    say(f"The mail server answered: {sent.reply}")
