"""``rollout usage survey``: who calls, according to logs alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from rollout.adapters.feeds.files import LogFile
from rollout.adapters.signatures import load_signatures
from rollout.cli.import_usage.command import AsOf, Files, Format, MapFile
from rollout.cli.import_usage.files import choose_reader, expand
from rollout.cli.options import AsJson
from rollout.cli.output import err
from rollout.cli.session import read_settings
from rollout.cli.usage.group import print_long, usage
from rollout.services.usage.survey import Survey

COLUMNS = ("name", "kind", "requests", "with_key", "keys", "accounts", "networks", "last_seen")


@usage.command()
def survey(
    files: Files,
    log_format: Format = None,
    map_file: MapFile = None,
    as_of: AsOf = None,
    named: Annotated[bool, typer.Option("--named", help="only those who are integrations")] = False,
    as_json: AsJson = False,
) -> None:
    """Say who calls according to logs alone, with a key or without; nothing is kept.

    Example: rollout usage survey --format combined --named access.log.gz
    """
    reader = choose_reader(log_format, map_file, as_of)
    found = Survey(load_signatures(read_settings().signatures))
    paths: list[Path] = [path for path, _ in expand(files)]
    found.read(map(LogFile, paths), reader)
    callers = (asdict(caller) for caller in found.callers() if caller.kind or not named)
    print_long(callers, COLUMNS, as_json=as_json)
    for name in found.passed_over:
        err.print(f"passed over, no such log: {escape(name)}", soft_wrap=True)
    if found.unreadable:
        example = escape(found.example)
        err.print(
            f"{found.unreadable} of {found.records} records cannot be read, such as {example}",
            soft_wrap=True,
        )
