"""``rollout feed``: where uses come from, how often they have to, and whether all of them do."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from rollout.cli.options import AsJson, AsOperator, operator_name, parse_length
from rollout.cli.output import print_list, say
from rollout.cli.session import open_rollout
from rollout.domain.usage.coverage import spoken
from rollout.services.ports.usage_questions import FeedRow, Interval
from rollout.services.usage.feeds import FeedState

feed = typer.Typer(help="Where uses of keys come from.", no_args_is_help=True)

COLUMNS = ("feed", "first_event", "newest_event", "events", "every", "complete", "stale")


def parse_interval(text: str) -> Interval:
    """Read a length of time, or the word that takes one back."""
    return Interval(None if text == "none" else parse_length(text))


@feed.command("list")
def list_feeds(as_json: AsJson = False) -> None:
    """List feeds: what has come, what was declared, and which of them have stopped.

    Example: rollout feed list
    """
    with open_rollout() as rollout:
        states = rollout.usage_feeds.states()
    if as_json:
        print_list(map(_item, states), COLUMNS, as_json=True)
    else:
        print_list(map(_line, states), COLUMNS, as_json=False)


def _item(state: FeedState) -> dict[str, Any]:
    item = asdict(state.row)
    every: timedelta | None = item.pop("every")
    return item | {
        "every_seconds": every and every.total_seconds(),
        "stale": state.stale is not None,
        "why": state.stale,
    }


def _line(state: FeedState) -> dict[str, Any]:
    row = state.row
    return asdict(row) | {
        "every": spoken(row.every) if row.every else None,
        "complete": "complete" if row.complete else "partial",
        "stale": state.stale,
    }


@feed.command()
def declare(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    every: Annotated[
        Interval | None,
        typer.Option(
            parser=parse_interval,
            metavar="LENGTH|none",
            help="the longest that it is silent; none: what was declared is taken back",
        ),
    ] = None,
    complete: Annotated[
        bool | None,
        typer.Option("--complete/--partial", help="whether it sees every call with a key"),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="a feed from which nothing has come yet")
    ] = False,
    operator: AsOperator = None,
) -> None:
    """Say what holds of a feed; once it is silent for longer, silence proves nothing any more.

    Keys whose use is unknown are then held at their deadline, not cut.

    Example: rollout feed declare gateway --every 15m --complete
    """
    if every is None and complete is None and not new:
        raise typer.BadParameter("say something of it: --every, --complete or --partial")
    with open_rollout() as rollout:
        declared = rollout.usage_feeds.declare(
            name, every=every, complete=complete, new=new, operator=operator_name(operator)
        )
    say(_declared(declared))


def _declared(row: FeedRow) -> str:
    sees = "every call" if row.complete else "only a part of the calls"
    often = f"at least every {spoken(row.every)}" if row.every else "at no declared interval"
    return f"{row.feed}: sees {sees}, reports {often}"
