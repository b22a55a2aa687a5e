"""``rollout deprecation``: one YAML file becomes a date for every account."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rollout.cli.options import AsJson, AsOperator, operator_name
from rollout.cli.output import print_json, print_list, say
from rollout.cli.proposal import show_proposal
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput, NotFound, Refused

deprecation = typer.Typer(
    help="Plan, apply and show the retirement of a kind of key.", no_args_is_help=True
)

MAX_SIZE = 1_000_000  # bytes; a plan is a page of text

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
    show_proposal(proposal, "" if proposal.problems else then, as_json=as_json)
    if proposal.problems:
        raise Refused(
            f"{file} cannot be applied as it is: see the problems above", fix=proposal.fix
        )


@deprecation.command("apply")
def apply(
    file: File,
    paused: Annotated[
        bool, typer.Option("--paused", help="tell and cut nobody until its cohorts are resumed")
    ] = False,
    as_json: AsJson = False,
    operator: AsOperator = None,
) -> None:
    """Enroll accounts and move dates as FILE says. Doing it twice changes nothing.

    People are told as soon as a step is due, approved or not: approvals are about cutting.

    Example: rollout deprecation apply api-keys.yaml --as alice
    """
    with open_rollout() as rollout:
        who = operator_name(operator)
        proposal = rollout.plan.apply(_read(file), str(file), who, paused=paused)
    name = proposal.deprecation.name
    then = f"Applied. `rollout cohort list {name}` shows its dates and approvals."
    if paused:
        cohorts = " ".join(cohort.name for cohort in proposal.deprecation.cohorts)
        then += (
            f"\nNobody is told or cut before `rollout cohort resume {name} {cohorts}`;"
            " `rollout notice send-test` sends the messages to yourself."
        )
    show_proposal(proposal, then, as_json=as_json)


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
        raise BadInput(
            f"cannot read {file}: {error.strerror}",
            fix="name a YAML file that you may read; docs/deprecation-file.md shows a whole one",
        ) from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 (byte {error.start})") from error
