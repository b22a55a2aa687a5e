"""``rollout import usage``: who called, from logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.parallel import counting
from rollout.bootstrap import Rollout
from rollout.cli.output import err, out, print_error, print_json, printable, rfc3339
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput
from rollout.services.usage import Discovery, Tally

EXAMPLES = 5  # keys that nobody registered, of which the first are named


@dataclass(slots=True)
class Outcome:
    """What became of all files together."""

    feed: str
    files: int = 0
    already_imported: int = 0
    failed: list[tuple[str, BadInput]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    discovered: Discovery = field(default_factory=lambda: Discovery(accounts=0, keys=0))
    unknown_keys: int = 0
    unknown_examples: Sequence[str] = ()


def import_usage(
    files: Annotated[
        list[Path], typer.Argument(help="logs, plain or .gz; a folder means all files below it")
    ],
    log_format: Annotated[LogFormat, typer.Option("--format", help="how the logs are written")],
    discover: Annotated[
        bool, typer.Option("--discover", help="register unknown keys whose account the logs name")
    ] = False,
    feed: Annotated[
        str | None, typer.Option(help="where the logs come from; by default, the format")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Take in the uses of keys from logs; what was taken in before changes nothing.

    A file is taken in whole or not at all; one that is damaged does not stop the others.

    Example: rollout import usage --format cloudtrail --discover trail/*.json.gz
    """
    outcome = Outcome(feed or log_format)
    with open_rollout() as rollout:
        _import(rollout, _expand(files), log_format, outcome)
        if discover:
            outcome.discovered = rollout.usage.discover(
                feed=outcome.feed, operator=rollout.settings.operator
            )
        rollout.naming.name_all()
        outcome.unknown_keys, outcome.unknown_examples = rollout.usage.unknown_keys(EXAMPLES)
    if as_json:
        print_json(_as_json(outcome))
    else:
        _show(outcome)
    if outcome.failed:
        raise typer.Exit(1)


def _expand(given: Sequence[Path]) -> list[Path]:
    """Replace folders by the files below them, in the order of their names."""
    return [
        file
        for path in given
        for file in (
            sorted(below for below in path.rglob("*") if below.is_file())
            if path.is_dir()
            else [path]
        )
    ]


def _import(
    rollout: Rollout, paths: Sequence[Path], log_format: LogFormat, outcome: Outcome
) -> None:
    size = sum(path.stat().st_size for path in paths if path.is_file())
    with _progress_bar(size) as watch, counting(size) as counts:
        for imported in rollout.usage_import.import_logs(
            (LogFile(path, watch) for path in paths),
            FEEDS[log_format],
            feed=outcome.feed,
            operator=rollout.settings.operator,
            counting=counts,
        ):
            outcome.files += 1
            if imported.refused:
                outcome.failed.append((imported.log.name, imported.refused))
                print_error(imported.refused)
            elif imported.tally is None:
                outcome.already_imported += 1
            else:
                outcome.tally.add(imported.tally)


@contextmanager
def _progress_bar(size: int) -> Iterator[Callable[[int], None]]:
    """Show how far the files are read, where somebody is looking; is told each step in bytes."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("import", total=size)
        yield lambda step: bar.advance(task, step)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    tally = outcome.tally
    return {
        "feed": outcome.feed,
        "files": outcome.files,
        "already_imported": outcome.already_imported,
        "failed": [{"file": name, "error": printable(error)} for name, error in outcome.failed],
        "records": tally.records,
        "sightings": tally.sightings,
        "repeated": tally.repeated,
        "keyless": tally.keyless,
        "unreadable": tally.unreadable,
        "unreadable_examples": tally.examples,
        "addresses": tally.addresses,
        "user_agents": tally.user_agents,
        "first": tally.first,
        "last": tally.last,
        "discovered_accounts": outcome.discovered.accounts,
        "discovered_keys": outcome.discovered.keys,
        "unknown_keys": outcome.unknown_keys,
        "unknown_examples": [printable(key_id) for key_id in outcome.unknown_examples],
    }


def _show(outcome: Outcome) -> None:
    tally = outcome.tally
    taken = outcome.files - outcome.already_imported - len(outcome.failed)
    out.print(
        f"files: {taken} taken in, {outcome.already_imported} taken in before,"
        f" {len(outcome.failed)} failed"
    )
    out.print(
        f"records: {tally.records} (uses of keys: {tally.sightings}, repeated: {tally.repeated},"
        f" without a key: {tally.keyless}, unreadable: {tally.unreadable})"
    )
    for example in tally.examples:
        out.print(f"  unreadable: {escape(printable(example))}", soft_wrap=True)
    if tally.first and tally.last:
        out.print(f"from {rfc3339(tally.first)} to {rfc3339(tally.last)}")
        out.print(f"addresses: {tally.addresses}, user agents: {tally.user_agents}")
    if outcome.discovered.keys:
        out.print(
            f"discovered: {outcome.discovered.keys} keys, {outcome.discovered.accounts} accounts"
        )
    if outcome.unknown_keys:
        named = ", ".join(printable(key_id) for key_id in outcome.unknown_examples)
        out.print(
            f"keys in use that nobody registered: {outcome.unknown_keys}, such as {escape(named)}\n"
            "  `rollout usage keys --unregistered` lists them;"
            " `rollout import keys`, or --discover here, registers them",
            soft_wrap=True,
        )
