"""``rollout usage account|integrations``: who calls, for one account, and for many."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from rollout.bootstrap import Rollout
from rollout.cli.options import AsJson
from rollout.cli.output import out, print_json, print_list, printable, say
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import of_late, print_long, say_coverage, usage
from rollout.services.ports.usage_questions import IntegrationRow
from rollout.services.usage.questions import (
    AccountUse,
    CallerUse,
    Customer,
    IntegrationUse,
    OwnKeyUse,
)

OWN_KEY_COLUMNS = ("key_id", "kind", "status", "usage", "last_seen", "why")
CALLER_COLUMNS = (
    *("caller", "keys", "networks", "last_seen", "calls_per_day", "trend", "refused"),
)
ENDPOINT_COLUMNS = ("endpoint", "keys", "count", "last_day")
INTEGRATION_COLUMNS = (
    *("integration", "kind", "confidence", "accounts", "keys", "networks", "count", "refused"),
    *("first_seen", "last_seen", "home_page", "migration_url", "reasons"),
)
CUSTOMER_COLUMNS = (
    *("account_id", "state", "keys", "networks", "count", "refused", "calls", "trend"),
    *("last_seen", "why"),
)
STATES = {"in_use": "using", "unused": "moved", "unknown": "unknown"}


@usage.command("account")
def of_account(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT")], as_json: AsJson = False
) -> None:
    """Say what exactly breaks for one account: each of its keys, and who calls with them.

    Calls per day are those of the last 30 days, the trend compares them with the 30 before; both
    are blank where no feed that sees every call has listened.

    Example: rollout usage account acme
    """
    with open_rollout() as rollout:
        found = rollout.usage_questions.account(account_id)
    keys = [_own_key(key) for key in found.keys]
    callers = [_caller(caller) for caller in found.callers]
    called = [asdict(row) for row in found.endpoints]
    if as_json:
        print_json(_account_head(found) | {"keys": keys, "callers": callers, "endpoints": called})
        return
    out.print("[bold]keys[/]")
    print_list(keys, OWN_KEY_COLUMNS, as_json=False)
    out.print("\n[bold]who calls with them[/]")
    print_list(map(_caller_line, callers), CALLER_COLUMNS, as_json=False)
    out.print("\n[bold]what they call most[/]")
    print_list(called, ENDPOINT_COLUMNS, as_json=False)
    say_coverage(found.coverage)


def _account_head(found: AccountUse) -> dict[str, Any]:
    return {"account_id": found.account_id, "at": found.at, "coverage": found.coverage}


def _own_key(key: OwnKeyUse) -> dict[str, Any]:
    row = key.row
    return {
        "key_id": row.key_id,
        "kind": row.kind,
        "status": row.status,
        "label": row.label,
        "usage": key.judged.usage,
        "why": key.judged.why,
        "until": key.judged.until,
        "count": row.count,
        "refused": row.refused,
        "last_seen": row.history.last_seen,
    }


def _caller(caller: CallerUse) -> dict[str, Any]:
    row = caller.row
    return {
        "integration": row.integration,
        "program": row.program,
        "kind": row.kind,
        "home_page": row.home_page,
        "keys": row.keys,
        "networks": row.networks,
        "count": row.count,
        "refused": row.refused,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        **of_late(caller.calls),
    }


def _caller_line(item: dict[str, Any]) -> dict[str, Any]:
    return {
        **item,
        "caller": item["integration"] or item["program"],
        "keys": ", ".join(item["keys"]),
    }


@usage.command()
def integrations(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="only this one, with its accounts")
    ] = None,
    candidates: Annotated[
        bool, typer.Option("--candidates", help="who may be one, but nobody is sure")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the third parties behind the calls; or of one, the accounts that it calls for.

    An account has moved if nothing has come through the integration for 14 days, or longer than its
    rhythm lets expect, and feeds would have seen it. The trend compares 7 days with the 7 before;
    it is blank where feeds have not listened to both.

    Example: rollout usage integrations Zapier
    """
    if name is not None and candidates:
        raise typer.BadParameter("a NAME, or --candidates: not both")
    with open_rollout() as rollout:
        if name is not None:
            _show_integration(rollout.usage_questions.integration(name), as_json=as_json)
        else:
            _list(rollout, candidates=candidates, as_json=as_json)


def _list(rollout: Rollout, *, candidates: bool, as_json: bool) -> None:
    questions = rollout.usage_questions
    columns: tuple[str, ...] = INTEGRATION_COLUMNS
    if candidates:
        columns = ("candidate", *INTEGRATION_COLUMNS[1:-3], "rejected_by", "reasons")
        items = [_found(asdict(row), as_json=as_json) for row in questions.candidates()]
    else:
        items = [_found(asdict(row), as_json=as_json) for row in questions.integrations()]
    print_long(items, columns, as_json=as_json)


def _found(item: dict[str, Any], *, as_json: bool) -> dict[str, Any]:
    """Write the reasons as programs, or as people, want them."""
    reasons = list(item["reasons"])
    return item | {
        "confidence": round(item["confidence"], 3),
        "reasons": reasons if as_json else "; ".join(reasons),
    }


def _show_integration(found: IntegrationUse, *, as_json: bool) -> None:
    if not as_json:
        _say_head(found.row)
    print_long(map(_customer, found.customers), CUSTOMER_COLUMNS, as_json=as_json)
    if not as_json:
        say_coverage(found.coverage)


def _say_head(row: IntegrationRow) -> None:
    known = {"signature": "by its signature", "fan_out": "by its calls", "confirmed": "confirmed"}
    page = f", {row.home_page}" if row.home_page else ""
    out.print(f"[bold]{escape(printable(row.integration))}[/]{escape(printable(page))}")
    say(f"known {known[row.kind]}, confidence {row.confidence:.0%}: {'; '.join(row.reasons)}")


def _customer(customer: Customer) -> dict[str, Any]:
    row = customer.row
    return {
        "account_id": row.account_id,
        "state": STATES[customer.judged.usage],
        "moved": customer.moved,
        "keys": row.keys,
        "networks": row.networks,
        "count": row.count,
        "refused": row.refused,
        "first_seen": row.first_seen,
        "last_seen": row.history.last_seen,
        **of_late(customer.calls),
        "why": customer.judged.why,
    }
