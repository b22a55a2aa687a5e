"""``rollout cutoff``: look ahead at who would be cut or held, and why."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from rollout.cli.options import AsJson, parse_instant
from rollout.cli.output import print_list
from rollout.cli.session import open_rollout

cutoff = typer.Typer(help="Who is cut next, and who is held.", no_args_is_help=True)


@cutoff.callback()
def _group() -> None:
    """Keep `preview` a command of its own while it is the only one."""


@cutoff.command("preview")
def preview(
    at: Annotated[
        datetime | None,
        typer.Option(parser=parse_instant, metavar="TIME", help="now, if not given"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the keys due by a time: would they be cut or held, on today's evidence, and why.

    Example: rollout cutoff preview --at 2027-02-02T16:00:00Z
    """
    with open_rollout() as rollout:
        items = [asdict(foreseen) for foreseen in rollout.preview.at(at)]
    columns = ("key_id", "account_id", "cohort", "deadline", "verdict", "reason")
    print_list(items, columns, as_json=as_json)
