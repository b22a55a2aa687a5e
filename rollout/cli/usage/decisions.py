"""What people say about who calls: confirm, rename, merge, reject."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from rollout.bootstrap import Rollout
from rollout.cli.options import AsOperator
from rollout.cli.output import say
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import usage

Name = Annotated[str, typer.Argument(help="an integration, or a candidate for one")]


@usage.command()
def confirm(
    name: Name,
    migration_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="where its maker says how customers move; `none`: nowhere. Messages show it",
        ),
    ] = None,
    as_operator: AsOperator = None,
) -> None:
    """Say that an integration, or a candidate, is one: it is shown by this name to everybody.

    Example: rollout usage confirm acme-sync --migration-url https://acme.example/oauth
    """
    page = "" if migration_url == "none" else migration_url

    def confirmed(rollout: Rollout, who: str) -> Sequence[str]:
        return rollout.naming.confirm(name, operator=who, migration_url=page)

    _decide(confirmed, as_operator, name)


@usage.command()
def rename(
    name: Name,
    new_name: Annotated[str, typer.Argument(help="how it is to be called")],
    as_operator: AsOperator = None,
) -> None:
    """Give an integration another name.

    Example: rollout usage rename acme-sync "Acme Sync"
    """
    _decide(
        lambda rollout, who: rollout.naming.rename(name, new_name, operator=who),
        as_operator,
        new_name,
    )


@usage.command()
def merge(
    name: Name,
    into: Annotated[str, typer.Argument(help="the integration that it is")],
    as_operator: AsOperator = None,
) -> None:
    """Say that one integration is another.

    Example: rollout usage merge acmebot "Acme Sync"
    """
    _decide(lambda rollout, who: rollout.naming.merge(name, into, operator=who), as_operator, into)


@usage.command()
def reject(name: Name, as_operator: AsOperator = None) -> None:
    """Say that this is no integration: scripts of your own that look like one, say.

    Example: rollout usage reject internal-etl
    """
    _decide(lambda rollout, who: rollout.naming.reject(name, operator=who), as_operator, None)


def _decide(
    decide: Callable[[Rollout, str], Sequence[str]], as_operator: str | None, name: str | None
) -> None:
    with open_rollout() as rollout:
        candidates = decide(rollout, as_operator or rollout.settings.operator)
    shown = f"called {name}" if name else "no integration"
    say(f"{', '.join(candidates)}: {shown} from now on")
