"""``rollout webhook``: the endpoints of accounts, and what became of what was sent there."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from rollout.cli.options import AsJson, AsOperator, Reason, operator_name
from rollout.cli.output import TABLE_ROWS, print_first, print_json, print_list, say
from rollout.cli.session import open_rollout
from rollout.domain.errors import Unavailable
from rollout.domain.webhooks.attempts import Ending
from rollout.services.ports.webhooks import DeliveryState, Kind

webhook = typer.Typer(
    help="Webhooks: an account's machines, or its chat, are told what its people are told.",
    no_args_is_help=True,
)

ENDPOINTS = ("endpoint_id", "account_id", "kind", "hint", "state", "since", "delivered_at")
DELIVERIES = (
    *("delivery_id", "endpoint_id", "account_id", "step", "state", "attempts"),
    *("created_at", "delivered_at", "next_attempt_at", "reason"),
)

EndpointId = Annotated[int, typer.Argument(metavar="ENDPOINT", help="its number")]


@webhook.command("add")
def add(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT")],
    url: Annotated[str, typer.Argument(metavar="URL", help="https; -: from standard input")],
    kind: Annotated[Kind, typer.Option(help="what is spoken there")] = Kind.STANDARD,
    operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Tell an account by webhook too, from its next step on.

    The URL is kept encrypted, and never shown again.

    Example: rollout webhook add acme https://hooks.acme.example/rollout
    """
    given = sys.stdin.readline().strip() if url == "-" else url
    with open_rollout() as rollout:
        name = operator_name(operator)
        endpoint_id, hint = rollout.webhooks.endpoints.add(account, given, kind, operator=name)
    if as_json:
        print_json({"endpoint_id": endpoint_id, "account_id": account, "kind": kind, "hint": hint})
        return
    say(f"webhook {endpoint_id} of {account}: {hint}")
    if kind is Kind.STANDARD:
        say(f"`rollout webhook secret {endpoint_id}` shows with what its receiver verifies it.")
    say(f"`rollout webhook test {endpoint_id}` tries it.")


@webhook.command("list")
def list_endpoints(
    account: Annotated[str | None, typer.Argument(metavar="[ACCOUNT]")] = None,
    as_json: AsJson = False,
) -> None:
    """List the webhooks of an account, or of all.

    Example: rollout webhook list acme
    """
    with open_rollout() as rollout:
        items = rollout.webhooks.endpoints.listed(account)
        print_list(items, (*ENDPOINTS, "reason"), as_json=as_json)


@webhook.command("deliveries")
def list_deliveries(
    endpoint: Annotated[int | None, typer.Argument(metavar="[ENDPOINT]")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="only in this state")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List what was sent, or waits, the newest first: all as JSON, the newest 100 as a table.

    Example: rollout webhook deliveries 7 --state failed
    """
    rows = limit if as_json or limit else TABLE_ROWS + 1
    with open_rollout() as rollout:
        items = rollout.webhooks.endpoints.deliveries(endpoint, state, rows)
        print_first(items, DELIVERIES, as_json=as_json, limit=limit)


@webhook.command("secret")
def secret(
    endpoint: EndpointId,
    renew: Annotated[
        bool, typer.Option("--renew", help="make another; for 24 hours both sign")
    ] = False,
    operator: AsOperator = None,
) -> None:
    """Show the secret with which the receiver verifies what it gets.

    Example: rollout webhook secret 7
    """
    with open_rollout() as rollout:
        endpoints = rollout.webhooks.endpoints
        say(
            endpoints.renew_secret(endpoint, operator=operator_name(operator))
            if renew
            else endpoints.secret(endpoint)
        )


@webhook.command("test")
def send_test(endpoint: EndpointId, operator: AsOperator = None, as_json: AsJson = False) -> None:
    """Send a test at once and show the answer. It tells nothing, and is not tried again.

    Example: rollout webhook test 7
    """
    with open_rollout() as rollout:
        sent = rollout.webhooks.sending.test(endpoint, operator=operator_name(operator))
    to, answer = sent
    taken = answer.ending is Ending.DELIVERED
    if as_json:
        about = {"endpoint_id": endpoint, "hint": to.hint, "taken": taken}
        print_json({**about, "status": answer.status, "answer": answer.text})
    elif taken:
        say(f"{to.hint} answered: {answer.text}")
    if not taken:
        raise Unavailable(f"{to.hint} did not take it: {answer.text}")


@webhook.command("disable")
def disable(endpoint: EndpointId, reason: Reason, operator: AsOperator = None) -> None:
    """Send nothing there any more. What waits is skipped.

    Example: rollout webhook disable 7 --reason "asked for by Acme"
    """
    with open_rollout() as rollout:
        name = operator_name(operator)
        of = rollout.webhooks.endpoints.disable(endpoint, reason=reason, operator=name)
    say(f"webhook {endpoint} of {of.account_id} is disabled")


@webhook.command("enable")
def enable(endpoint: EndpointId, operator: AsOperator = None) -> None:
    """Send there again, from the account's next step on.

    Example: rollout webhook enable 7
    """
    with open_rollout() as rollout:
        of = rollout.webhooks.endpoints.enable(endpoint, operator=operator_name(operator))
    say(f"webhook {endpoint} of {of.account_id} is active")


@webhook.command("resend")
def resend(
    endpoint: EndpointId,
    deliveries: Annotated[
        list[int] | None, typer.Argument(metavar="[DELIVERY…]", help="their numbers; none: all")
    ] = None,
    operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Send again what has failed or was skipped and still holds, under the same ids.

    Example: rollout webhook resend 7
    """
    with open_rollout() as rollout:
        name = operator_name(operator)
        again = rollout.webhooks.endpoints.resend(endpoint, deliveries or None, operator=name)
    if as_json:
        print_json({"endpoint_id": endpoint, "deliveries": again})
    else:
        say(f"webhook {endpoint} is sent again: {', '.join(map(str, again))}")


@webhook.command("remove")
def remove(endpoint: EndpointId, reason: Reason, operator: AsOperator = None) -> None:
    """Remove a webhook: its address is forgotten; what was sent there stays on record.

    Example: rollout webhook remove 7 --reason "Acme has left"
    """
    with open_rollout() as rollout:
        name = operator_name(operator)
        of = rollout.webhooks.endpoints.remove(endpoint, reason=reason, operator=name)
    say(f"webhook {endpoint} of {of.account_id} is removed")
