"""The command and its options."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rollout.adapters.feeds import LogFormat
from rollout.bootstrap import Rollout
from rollout.cli.import_usage import outcome as outcomes
from rollout.cli.import_usage.files import choose_reader, expand, import_files
from rollout.cli.import_usage.follow import follow as follow_file
from rollout.cli.import_usage.outcome import Outcome
from rollout.cli.options import AsJson, parse_instant
from rollout.cli.output import print_json
from rollout.cli.session import open_rollout

EXAMPLES = 5  # keys that nobody registered, of which the first are named

Files = Annotated[
    list[Path],
    typer.Argument(
        help="logs, plain, .gz or .zst; a folder means all files below it, - standard input"
    ),
]
Format = Annotated[LogFormat | None, typer.Option("--format", help="how the logs are written")]
MapFile = Annotated[
    Path | None, typer.Option("--map", help="a YAML file that says how they are written")
]
FeedName = Annotated[
    str | None, typer.Option("--feed", help="where they come from; else, how they are written")
]
Discover = Annotated[
    bool, typer.Option("--discover", help="register unknown keys whose account the logs name")
]
Follow = Annotated[
    bool, typer.Option("--follow", help="go on reading one file while it is written")
]
AsOf = Annotated[
    datetime | None,
    typer.Option(parser=parse_instant, metavar="TIME", help="when a credential report was made"),
]


def import_usage(
    files: Files,
    log_format: Format = None,
    map_file: MapFile = None,
    feed: FeedName = None,
    discover: Discover = False,
    follow: Follow = False,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Take in the uses of keys from logs; what was taken in before changes nothing.

    A file is taken in whole or not at all; one that is damaged does not stop the others. Give the
    logs of each server a --feed of their own: lines that are equal count once within a feed.

    Example: rollout import usage --format cloudtrail --discover trail/
    """
    reader = choose_reader(log_format, map_file, as_of)
    outcome = Outcome(feed or reader.name)
    with open_rollout() as rollout:
        if follow:
            follow_file(rollout, files, reader, outcome.feed)
            return
        import_files(rollout, expand(files), reader, outcome)
        finish(rollout, outcome, discover=discover)
    report(outcome, as_json=as_json)


def finish(rollout: Rollout, outcome: Outcome, *, discover: bool) -> None:
    """Register what is to be registered, and name who calls."""
    if discover:
        operator = rollout.settings.operator
        outcome.discovered = rollout.usage.discover(feed=outcome.feed, operator=operator)
    rollout.naming.name_all()
    outcome.unknown_keys, outcome.unknown_examples = rollout.usage.unknown_keys(EXAMPLES)


def report(outcome: Outcome, *, as_json: bool) -> None:
    """Say what became of it; exit with 1 if something could not be taken in."""
    if as_json:
        print_json(outcomes.as_json(outcome))
    else:
        outcomes.show(outcome)
    if outcome.failed:
        raise typer.Exit(1)
