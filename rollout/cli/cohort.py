"""``rollout cohort``: list, approve, pause and resume the accounts that share a date."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from rollout.cli.options import AsJson, AsOperator, Reason, operator_name
from rollout.cli.output import print_list, say
from rollout.cli.session import open_rollout

cohort = typer.Typer(help="The accounts that share a date.", no_args_is_help=True)

Deprecation = Annotated[str, typer.Argument(metavar="DEPRECATION")]
Cohorts = Annotated[list[str], typer.Argument(metavar="NAME…")]


@cohort.command("list")
def list_cohorts(
    deprecation: Annotated[str | None, typer.Argument(metavar="DEPRECATION")] = None,
    as_json: AsJson = False,
) -> None:
    """List cohorts with their approvals, pauses and counts.

    Example: rollout cohort list api-keys
    """
    with open_rollout() as rollout:
        states = rollout.guards.cohorts(deprecation)
    items = [
        {k: v for k, v in asdict(state).items() if k != "digest"}
        | {"approvals": list(state.approvals) if as_json else ", ".join(state.approvals)}
        for state in states
    ]
    columns = ("deprecation", "cohort", "scheduled", "held", "cut", "exempt", "next_deadline")
    print_list(items, (*columns, "approvals", "paused"), as_json=as_json)


@cohort.command("approve")
def approve(deprecation: Deprecation, names: Cohorts, operator: AsOperator = None) -> None:
    """Approve cohorts as they are now. Any edit of the plan takes approvals back.

    Example: rollout cohort approve api-keys canary --as bob
    """
    with open_rollout() as rollout:
        approved = rollout.guards.approve(deprecation, *names, operator=operator_name(operator))
    for name, given, needed in approved:
        say(f"{deprecation}/{name}: {given} of {needed} approvals")


@cohort.command("pause")
def pause(
    deprecation: Deprecation, names: Cohorts, reason: Reason, operator: AsOperator = None
) -> None:
    """Stop cutting and reminding in cohorts. When it returns, nothing of them is cut any more.

    Example: rollout cohort pause api-keys everyone --reason "incident 4711"
    """
    with open_rollout() as rollout:
        rollout.guards.pause(deprecation, *names, reason=reason, operator=operator_name(operator))
    for name in names:
        say(f"{deprecation}/{name} is paused")


@cohort.command("resume")
def resume(
    deprecation: Deprecation, names: Cohorts, reason: Reason, operator: AsOperator = None
) -> None:
    """Go on with cohorts. What has become due meanwhile is cut or held at once.

    Example: rollout cohort resume api-keys everyone --reason "incident is over"
    """
    with open_rollout() as rollout:
        rollout.guards.resume(deprecation, *names, reason=reason, operator=operator_name(operator))
    for name in names:
        say(f"{deprecation}/{name} goes on")
