"""``rollout usage``: who still uses what."""

from __future__ import annotations

from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any

import typer

from rollout.cli.output import err, print_list
from rollout.cli.session import open_rollout
from rollout.services.usage import KeyUse

usage = typer.Typer(
    name="usage", help="Who still uses keys, and through what.", no_args_is_help=True
)

KEY_COLUMNS = (
    "key_id",
    "account_id",
    "kind",
    "status",
    "usage",
    "count",
    "refused",
    "first_seen",
    "last_seen",
)
SOURCE_COLUMNS = (
    "source",
    "networks",
    "accounts",
    "keys",
    "count",
    "first_seen",
    "last_seen",
)
TABLE_ROWS = 100  # that a person is shown
MORE = f"These are the first {TABLE_ROWS}; --json lists all."

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@usage.command()
def keys(
    unregistered: Annotated[
        bool, typer.Option("--unregistered", help="keys that only logs know")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List keys by their ids: all of them as JSON, the first 100 as a table.

    Usage is in_use (within 30 days), unused, or unknown: no feed has listened all that time.

    Example: rollout usage keys --json | jq '.items[] | select(.usage == "in_use")'
    """
    with open_rollout() as rollout:
        items = (_key_item(key) for key in rollout.usage.key_uses(registered=not unregistered))
        shown = items if as_json else islice(items, TABLE_ROWS)
        print_list(shown, KEY_COLUMNS, as_json=as_json)
        if next(items, None):
            err.print(MORE)


def _key_item(key: KeyUse) -> dict[str, Any]:
    row = key.row
    return {
        "key_id": row.key_id,
        "account_id": row.account_id,
        "kind": row.kind,
        "status": row.status,
        "usage": key.judged.usage,
        "count": row.count,
        "refused": row.refused,
        "first_seen": row.first_seen,
        "last_seen": row.history.last_seen,
        "integrations": row.integrations,
        "why": key.judged.why,
        "until": key.judged.until,
    }


@usage.command()
def sources(as_json: AsJson = False) -> None:
    """List who calls, the busiest first: all of them as JSON, the first 100 as a table.

    A source is a user agent without its versions and ids, with the number of networks that it
    calls from, and of the accounts and keys that it uses.

    Example: rollout usage sources --json | jq '.items[] | select(.accounts > 10)'
    """
    with open_rollout() as rollout:
        items = (asdict(row) | {"integration": None} for row in rollout.usage.sources())
        shown = items if as_json else islice(items, TABLE_ROWS)
        print_list(shown, SOURCE_COLUMNS, as_json=as_json)
        if next(items, None):
            err.print(MORE)
