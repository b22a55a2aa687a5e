"""``rollout alarm``: what an operator must look at, and whether operators can be told."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from rollout.cli.options import AsJson, AsOperator, operator_name
from rollout.cli.output import err, print_list, say
from rollout.cli.session import open_rollout
from rollout.domain.alarms import Alarm

alarm = typer.Typer(help="Alarms: what an operator must look at.", no_args_is_help=True)

COLUMNS = ("kind", "subject", "opened_at", "last_told_at", "closed_at", "reason")
FIELDS = (
    *("alarm_id", "kind", "subject", "reason", "fix"),
    *("seen_at", "opened_at", "last_told_at", "closed_at"),
)


@alarm.command("list")
def list_alarms(
    closed: Annotated[bool, typer.Option("--all", help="also those that are over")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alarms that are open, the newest first, and what to do about them.

    Example: rollout alarm list --all
    """
    with open_rollout() as rollout:
        alarms = rollout.alarms.alarms(closed=closed)
    print_list([_item(each) for each in alarms], FIELDS if as_json else COLUMNS, as_json=as_json)
    if not as_json:
        for fix in dict.fromkeys(each.fix for each in alarms if each.closed_at is None):
            err.print(escape(f"What to do: {fix}"), soft_wrap=True)


@alarm.command("test")
def send_test(operator: AsOperator = None) -> None:
    """Send a test to every address in ROLLOUT_ALERT_URLS; exit 1 where one does not take it.

    Example: rollout alarm test
    """
    with open_rollout() as rollout:
        for address in rollout.alarms.test(operator_name(operator)):
            say(f"{address} took it")


def _item(each: Alarm) -> dict[str, object]:
    return {name: getattr(each, name) for name in FIELDS}
