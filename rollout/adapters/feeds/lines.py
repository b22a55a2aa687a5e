"""Reads the lines of a log whose every line is a record, with the number of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rollout.adapters.feeds.reading import LONGEST_RECORD, example, split_lines
from rollout.services.ports import Log, Unreadable


class Line(NamedTuple):
    """A line without its end, and where it stands."""

    where: str
    raw: bytes

    def unreadable(self, why: str) -> Unreadable:
        """Say why the line cannot be used."""
        return Unreadable(self.where, why, example(self.raw))


def numbered_lines(log: Log) -> Iterator[Line | Unreadable]:
    """Stream the lines that are not empty; one that is too long is unreadable."""
    for number, raw in enumerate(split_lines(log.blocks()), log.first_line):
        line = raw.removesuffix(b"\r")
        if len(line) > LONGEST_RECORD:
            why = "the line is longer than 16 MB"
            yield Unreadable(f"line {number}", why, example(line))
        elif line and not line.isspace():
            yield Line(f"line {number}", line)
