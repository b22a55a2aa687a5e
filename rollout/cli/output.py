"""How the command line speaks: tables for people, JSON for programs, one sentence for errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rollout.domain.errors import BadInput, BadRows, RolloutError

PIPED_WIDTH = 240  # what is piped into a file or a pager must not be cut to 80 columns

out = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False)

LAST_COLUMN = 20  # cells that the last column, which alone is wrapped, needs at least
TABLE_ROWS = 100  # that a person is shown unless --limit says otherwise
SHOWN_ROWS = 20  # of a file's bad rows; the rest are counted
EMPTY: Mapping[str, Any] = {}


def rfc3339(value: datetime) -> str:
    """Write an instant as the JSON contract wants it: UTC, with a Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def printable(value: Any) -> str:
    """Make any text safe for a terminal: control characters become visible."""
    text = rfc3339(value) if isinstance(value, datetime) else "" if value is None else str(value)
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def printable_lines(text: str) -> str:
    """Make a text of several lines safe for a terminal: its line breaks stay."""
    return "\n".join(printable(line) for line in text.split("\n"))


def say(text: str) -> None:
    """Print a sentence, or several lines, that may quote anybody's words."""
    out.print(escape(printable_lines(text)), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON document; instants are RFC 3339 in UTC."""
    sys.stdout.write(_json(value) + "\n")


def _json(value: Any) -> str:
    def convert(item: Any) -> Any:
        return rfc3339(item) if isinstance(item, datetime) else str(item)

    return json.dumps(value, default=convert, ensure_ascii=False, indent=2)


def _print_items(items: Iterable[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Print ``{"items": […]}`` item by item: a list of a million never stands in memory."""
    sys.stdout.write("{" + "".join(f'"{name}": {_json(value)},\n' for name, value in about.items()))
    sys.stdout.write('"items": [')
    for number, item in enumerate(items):
        sys.stdout.write((",\n" if number else "\n") + _json(dict(item)))
    sys.stdout.write("\n]}\n")


def print_list(
    items: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    about: Mapping[str, Any] = EMPTY,
) -> None:
    """Print a list: ``{"items": […]}`` for programs, a table for people.

    ``about``: what programs are told besides, of the list as a whole.

    A table too wide for the terminal becomes a block of lines for each item: a date cut short, or
    an address folded over five lines, is of no use to anybody.
    """
    if as_json:
        _print_items(items, about)
        return
    heads = [column.replace("_", " ") for column in columns]
    rows = [[_cell(item.get(column)) for column in columns] for item in items]
    if not rows:
        say("none")
    elif _needed(heads, rows) <= out.width:
        _print_table(heads, rows)
    else:
        _print_blocks(heads, rows)


def print_first(
    items: Iterator[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    limit: int | None,
    which: str = "newest",
) -> None:
    """Print a list: all of it as JSON, the first 100 as a table; ``limit`` items where it is given.

    ``which`` says what comes first.
    """
    most = limit or (None if as_json else TABLE_ROWS)
    print_list(islice(items, most), columns, as_json=as_json)
    if not as_json and not limit and next(items, None):
        err.print(f"These are the {which} {TABLE_ROWS}; --limit shows more.")


def print_pair(name: str, value: Any, width: int) -> None:
    """Print a name of at most ``width`` characters, and what it stands for."""
    out.print(f"[bold]{name.replace('_', ' '):<{width}}[/]  {escape(_cell(value))}", soft_wrap=True)


def write_file(file: Path, data: bytes) -> None:
    """Write a file; raise ``BadInput`` where that cannot be done."""
    try:
        file.write_bytes(data)
    except OSError as error:
        raise BadInput(
            f"cannot write {file}: {error.strerror}", fix="name a file in a folder that exists"
        ) from error


def _cell(value: Any) -> str:
    """Write a value for people, to whom fractions of a second are noise."""
    return printable(value.replace(microsecond=0) if isinstance(value, datetime) else value)


def _needed(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Return the width below which a table would have to cut more than its last column."""
    *firm, last = (max(map(cell_len, cells)) for cells in zip(heads, *rows, strict=True))
    return sum(width + 2 for width in firm) + min(last, LAST_COLUMN)


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads[:-1]:
        table.add_column(head, no_wrap=True)
    table.add_column(heads[-1], overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    out.print(table)


def _print_blocks(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, heads))
    for row in rows:
        for head, cell in zip(heads, row, strict=True):
            if cell:
                print_pair(head, cell, width)
        out.print()


def print_error(error: RolloutError) -> None:
    """Say what went wrong, where, and the way out, on standard error."""
    message = escape(printable_lines(error.message))
    err.print(f"[bold red]Error:[/] {message}", soft_wrap=True)
    if isinstance(error, BadRows):
        for row in error.rows[:SHOWN_ROWS]:
            err.print(f"  {escape(printable(row))}", soft_wrap=True)
        if len(error.rows) > SHOWN_ROWS:
            err.print(f"  … and {len(error.rows) - SHOWN_ROWS} more")
    if error.fix:
        err.print(f"[bold]Way out:[/] {escape(printable_lines(error.fix))}", soft_wrap=True)
