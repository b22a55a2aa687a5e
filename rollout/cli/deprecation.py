"""``rollout deprecation``: one YAML file becomes a date for every account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from rollout.cli.options import AsJson, AsOperator, operator_name
from rollout.cli.output import out, print_json, print_list, printable, say
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput, NotFound, Refused
from rollout.services.plan.drafting import Proposal

deprecation = typer.Typer(
    help="Plan, apply and show the retirement of a kind of key.", no_args_is_help=True
)

MAX_SIZE = 1_000_000  # bytes; a plan is a page of text
EXAMPLES = 5  # of the accounts that no cohort takes

File = Annotated[Path, typer.Argument(metavar="FILE", help="the YAML file of the deprecation")]


@deprecation.command("plan")
def plan(file: File, as_json: AsJson = False) -> None:
    """Show what applying FILE would change; change nothing.

    The messages are counted at their most: every step to every contact.

    Example: rollout deprecation plan api-keys.yaml
    """
    with open_rollout() as rollout:
        proposal = rollout.plan.plan(_read(file), str(file))
    then = f"Nothing is changed yet: `rollout deprecation apply {file}` does it."
    _show(proposal, "" if proposal.problems else then, as_json=as_json)
    if proposal.problems:
        raise Refused(f"{file} cannot be applied as it is: see the problems above")


@deprecation.command("apply")
def apply(file: File, as_json: AsJson = False, operator: AsOperator = None) -> None:
    """Enroll accounts and move dates as FILE says. Doing it twice changes nothing.

    Example: rollout deprecation apply api-keys.yaml --as alice
    """
    with open_rollout() as rollout:
        proposal = rollout.plan.apply(_read(file), str(file), operator_name(operator))
    name = proposal.deprecation.name
    then = f"Applied. `rollout cohort list {name}` shows its dates and approvals."
    _show(proposal, then, as_json=as_json)


@deprecation.command("show")
def show(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="all, if not given")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the deprecations as they were applied, or one of them with its file.

    Example: rollout deprecation show api-keys
    """
    with open_rollout() as rollout, rollout.start() as uow:
        if name is None:
            items = [
                {"deprecation": n, "title": uow.plan.deprecation(n).title} for n in uow.plan.names()
            ]
            print_list(items, ("deprecation", "title"), as_json=as_json)
            return
        document = uow.plan.document(name)
        if document is None:
            known = ", ".join(uow.plan.names()) or "none has been applied yet"
            raise NotFound(f"there is no deprecation {name!r} (known: {known})")
        if as_json:
            print_json({"deprecation": name, "document": document})
        else:
            say(document)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_SIZE:
            raise BadInput(f"{file} is larger than a megabyte: that is no plan")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 (byte {error.start})") from error


def _show(proposal: Proposal, then: str, *, as_json: bool) -> None:
    cohorts = [_summary(proposal, name) for name in proposal.draft.cohorts]
    unchanged = proposal.applied and not any(c["new"] or c["moved"] for c in cohorts)
    if as_json:
        print_json(
            {
                "deprecation": proposal.deprecation.name,
                "unchanged": unchanged,
                "items": cohorts,
                "unassigned": proposal.draft.unassigned_count,
                "problems": list(proposal.problems),
            }
        )
        return
    columns = ("cohort", "accounts", "keys", "new", "moved", "unreachable", "first_deadline")
    print_list(cohorts, (*columns, "last_deadline", "messages"), as_json=False)
    for cohort in cohorts:
        for why, count in cohort["moves"].items():
            say(f"  {cohort['cohort']}: {count} deadlines are not the date asked for: {why}")
    if proposal.draft.unassigned_count:
        out.print(f"[yellow]No cohort takes {proposal.draft.unassigned_count} accounts[/]:")
        say("  none selects them, or its date is too soon to be told. Such as")
        say("  " + ", ".join(proposal.draft.unassigned[:EXAMPLES]))
    for problem in proposal.problems:
        out.print(f"[bold red]Problem:[/] {escape(printable(problem))}", soft_wrap=True)
    if unchanged or then:
        say("This is applied already: nothing changes." if unchanged else then)


def _summary(proposal: Proposal, name: str) -> dict[str, Any]:
    cohort = proposal.draft.cohorts[name]
    steps = len(proposal.deprecation.reminders)
    return {
        "cohort": name,
        "accounts": cohort.accounts,
        "keys": cohort.keys,
        "new": cohort.new,
        "moved": cohort.moved,
        "unreachable": cohort.unreachable,
        "first_deadline": cohort.first_deadline,
        "last_deadline": cohort.last_deadline,
        "messages": cohort.contacts * steps,  # at most: conditional steps may be left out
        "moves": dict(cohort.moves),
    }
