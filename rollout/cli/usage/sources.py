"""``rollout usage sources``: which programs call, and which single caller uses many keys."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from rollout.cli.options import AsJson
from rollout.cli.output import say
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import print_long, usage
from rollout.services.ports.usage_questions import SourceBy, SourceRow
from rollout.services.usage.questions import Sources

COLUMNS = {
    SourceBy.PROGRAM: (
        *("source", "networks", "accounts", "keys", "count", "first_seen", "last_seen"),
        "integration",
    ),
    SourceBy.NETWORK: (
        *("network", "source", "accounts", "keys", "count", "first_seen", "last_seen"),
        "integration",
    ),
}

By = Annotated[SourceBy, typer.Option("--by", help="a program wherever it runs, or in one network")]
Accounts = Annotated[
    int, typer.Option("--accounts-at-least", min=0, help="only those that use keys of so many")
]
Keys = Annotated[int, typer.Option("--keys-at-least", min=0, help="only those that use so many")]


@usage.command()
def sources(
    by: By = SourceBy.PROGRAM, accounts: Accounts = 0, keys: Keys = 0, as_json: AsJson = False
) -> None:
    """List who calls, with most accounts first: all as JSON, the first 100 as a table.

    A source is a user agent without its versions and ids: with the number of networks that it calls
    from, or --by network, each of these apart. The last line says how far all of them fan out.

    Example: rollout usage sources --by network --accounts-at-least 50
    """
    with open_rollout() as rollout:
        found = rollout.usage_questions.sources(by, accounts=accounts, keys=keys)
        print_long(map(_item, found.rows), COLUMNS[by], as_json=as_json, about=_about(found))
    if not as_json:
        say(_fan_out(found))


def _item(row: SourceRow) -> dict[str, Any]:
    item = asdict(row)
    if row.network is None:
        del item["network"]
    return item


def _about(found: Sources) -> dict[str, Any]:
    fan_out = [{"accounts": least, "sources": many} for least, many in found.fan_out.items()]
    return {"sources": found.total, "fan_out": fan_out}


def _fan_out(found: Sources) -> str:
    (least, first), *others = found.fan_out.items()
    more = "".join(f", {sources} of {accounts}" for accounts, sources in others)
    return f"{found.total} sources: {first} use keys of {least} accounts or more{more}"
