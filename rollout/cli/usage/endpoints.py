"""``rollout usage endpoints``: what is called with the keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from rollout.cli.options import AsJson
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import print_long, usage

COLUMNS = ("endpoint", "keys", "accounts", "count", "last_day")

OfAccount = Annotated[
    str | None, typer.Option("--account", metavar="ACCOUNT", help="only with keys of this account")
]
OfKey = Annotated[str | None, typer.Option("--key", metavar="KEY", help="only with this key")]


@usage.command()
def endpoints(account: OfAccount = None, key: OfKey = None, as_json: AsJson = False) -> None:
    """List what was called in the last 30 days, most called first: all as JSON, 100 as a table.

    An endpoint is a method and a path in which whatever is not a plain word stands as {id}, or the
    name that a cloud gives to the call. `other` are those that were too many to be kept apart.
    Calls of which the log does not say what was called are left out.

    Example: rollout usage endpoints --account acme
    """
    with open_rollout() as rollout:
        found = rollout.usage_questions.endpoints(account_id=account, key_id=key)
        print_long(map(asdict, found), COLUMNS, as_json=as_json)
