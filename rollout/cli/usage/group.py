"""The group, and what its commands have in common: options, filters, and long tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

import typer

from rollout.cli.options import parse_instant
from rollout.cli.output import EMPTY, err, print_list, say
from rollout.services.usage.questions import Calls

usage = typer.Typer(
    name="usage", help="Who still uses keys, and through what.", no_args_is_help=True
)

TABLE_ROWS = 100  # that a person is shown
MORE = f"These are the first {TABLE_ROWS}; --json lists all."

At = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_instant, metavar="TIME", help="as of then: later uses do not count; else now"
    ),
]
OfDeprecation = Annotated[
    str | None,
    typer.Option(
        "--deprecation", metavar="NAME", help="keys in its scope, of accounts enrolled in it"
    ),
]
OfCohort = Annotated[
    str | None,
    typer.Option("--cohort", metavar="DEPRECATION/COHORT", help="keys of accounts with its date"),
]
OfTier = Annotated[
    str | None, typer.Option("--tier", metavar="NAME", help="keys of accounts of this tier")
]
OfIntegration = Annotated[
    str | None,
    typer.Option(
        "--integration", metavar="NAME", help="keys that it has used; `any`: that one has"
    ),
]
Prefix = Annotated[
    str | None, typer.Option("--prefix", metavar="TEXT", help="keys whose ids begin so")
]


def print_long(
    items: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    about: Mapping[str, Any] = EMPTY,
) -> None:
    """Print a list: all of it as JSON, its beginning as a table."""
    every: Iterator[Mapping[str, Any]] = iter(items)
    shown = every if as_json else islice(every, TABLE_ROWS)
    print_list(shown, columns, as_json=as_json, about=about)
    if next(every, None):
        err.print(MORE)


def say_coverage(sentences: Iterable[str]) -> None:
    """Say what the verdicts rest on."""
    say(f"coverage: {'; '.join(sentences)}")


def of_late(calls: Calls) -> dict[str, Any]:
    """Return what calls of late are, and how they have changed: ``+20 %``, ``new``, ``stopped``.

    All that nobody has listened to is None, or a blank.
    """
    return {
        "calls": calls.recent,
        "calls_before": calls.before,
        "calls_per_day": None if calls.per_day is None else round(calls.per_day, 1),
        "change": None if calls.change is None else round(calls.change, 3),
        "trend": _trend(calls),
    }


def _trend(calls: Calls) -> str:
    if not calls.comparable:
        return ""
    if calls.change is None:
        return "new" if calls.recent else ""
    return f"{calls.change:+.0%}".replace("%", " %") if calls.recent else "stopped"
