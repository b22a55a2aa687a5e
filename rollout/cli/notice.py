"""``rollout notice``: what is said, to whom, and what became of it."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from rollout.adapters.screenshot import find_chromium, take_screenshot
from rollout.cli.options import AsJson, InDeprecation
from rollout.cli.output import err, print_json, print_list, say
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeState

notice = typer.Typer(help="Reminders: who was told what, and when.", no_args_is_help=True)

COLUMNS = ("notice_id", "account_id", "contact", "step", "state", "due_at", "sent_at")
TABLE_ROWS = 100  # that a person is shown unless --limit says otherwise


@notice.command("list")
def list_notices(
    account: Annotated[str | None, typer.Option(help="only of this account")] = None,
    state: Annotated[NoticeState | None, typer.Option(help="only in this state")] = None,
    step: Annotated[str | None, typer.Option(help="only of this step")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List notices, the newest first: all of them as JSON, the newest 100 as a table.

    Example: rollout notice list --state bounced
    """
    rows = limit if as_json or limit else TABLE_ROWS + 1
    with open_rollout() as rollout:
        items = rollout.queries.notices(
            account_id=account, state=state.value if state else None, step=step, limit=rows
        )
        columns = (*COLUMNS, "delivered_at", "resent_at", "reason")
        print_list(items if rows == limit else islice(items, TABLE_ROWS), columns, as_json=as_json)
        if next(items, None):
            err.print(f"These are the newest {TABLE_ROWS}; --limit shows more.")


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
        letters = rollout.notice_preview.preview(account, step, deprecation)
        chromium = rollout.settings.chromium
    if png:
        take = partial(take_screenshot, width=width, dark=dark, chromium=find_chromium(chromium))
        for number, (email, letter) in enumerate(letters, start=1):
            file = png if number == 1 else png.with_stem(f"{png.stem}-{number}")
            _write(file, take(letter.html))
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


def _write(file: Path, picture: bytes) -> None:
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise BadInput(
            f"cannot write {file}: {error.strerror}", fix="name a file in a folder that exists"
        ) from error
