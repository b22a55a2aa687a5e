"""Reads the JSON records of a log: one per line, or the elements of arrays of any size."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from rollout.adapters.feeds.reading import LONGEST_RECORD, example, split_lines
from rollout.domain.errors import BadInput
from rollout.services.ports import Log, Unreadable

# What AWS wraps around events: an object with one list that matters, or a bare list.
LISTS = ("Records", "Events")
_OPENING = re.compile(r'\s*(?:\[|\{\s*"(?:' + "|".join(LISTS) + r')"\s*:\s*\[)\s*')
_CLOSING = re.compile(r"\](?:[^{}\[\]]*\})?\s*")
_BETWEEN = re.compile(r"[\s,]*")
_AHEAD = 1 << 16  # characters kept in view; more than any opening or closing needs
_DECODER = json.JSONDecoder()
_BOM = b"\xef\xbb\xbf"


class JsonRecord(NamedTuple):
    """One record and where it stands."""

    where: str
    value: Any


def json_records(log: Log) -> Iterator[JsonRecord | Unreadable]:
    """Stream the records of a log; its first characters say which of the two shapes it has."""
    blocks = log.blocks()
    first = next(blocks, b"").removeprefix(_BOM)
    everything = chain([first], blocks)
    if _OPENING.match(first[:_AHEAD].decode("utf-8", "replace")):
        return _elements(everything, log.name)
    return _lines(everything, log.first_line)


def _lines(blocks: Iterable[bytes], first_line: int) -> Iterator[JsonRecord | Unreadable]:
    for number, line in enumerate(split_lines(blocks), first_line):
        where = f"line {number}"
        if len(line) > LONGEST_RECORD:
            yield Unreadable(where, "the line is longer than 16 MB", example(line))
        elif not line.isspace() and line:
            try:
                value = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError) as error:
                yield Unreadable(where, f"not JSON: {error}", example(line))
            else:
                yield from (JsonRecord(where, record) for record in _unwrap(value))


def _unwrap(value: Any) -> list[Any]:
    """Return the records of one line, which may itself be a whole list of them."""
    if isinstance(value, dict):
        value = next((value[name] for name in LISTS if isinstance(value.get(name), list)), value)
    return value if isinstance(value, list) else [value]


def _elements(blocks: Iterable[bytes], name: str) -> Iterator[JsonRecord]:
    """Stream the elements of lists, one document after another.

    Unlike a line, a damaged list gives no place to go on from: that is ``BadInput``.
    """
    view = _View(blocks, name)
    while view.take(_OPENING):
        while not view.take(_CLOSING):
            yield view.element()
            view.take(_BETWEEN)
    if not view.at_end():
        raise view.damaged()


class _View:
    """A window that moves over the text of a log and never holds much of it."""

    def __init__(self, blocks: Iterable[bytes], name: str) -> None:
        self._blocks = iter(blocks)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._name = name
        self._text = ""
        self._at = 0
        self._elements = 0

    def take(self, pattern: re.Pattern[str]) -> bool:
        """Step over what matches here; say whether something did."""
        while len(self._text) - self._at < _AHEAD and self._more():
            pass
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match is not None

    def element(self) -> JsonRecord:
        """Step over one JSON value, reading on while it may be incomplete."""
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._text) - self._at > LONGEST_RECORD or not self._more():
                    raise self.damaged() from error
            else:
                self._elements += 1
                return JsonRecord(f"record {self._elements}", value)

    def at_end(self) -> bool:
        """Say whether nothing is left."""
        return self._at == len(self._text) and not self._more()

    def damaged(self) -> BadInput:
        """Say where the document breaks off."""
        return BadInput(
            f"{self._name}: the JSON is damaged or cut off after {self._elements} records;"
            " nothing of it was kept",
            fix="fetch the file again, then import it again",
        )

    def _more(self) -> bool:
        block = next(self._blocks, None)
        if block is None:
            return False
        self._text = self._text[self._at :] + self._decoder.decode(block)
        self._at = 0
        return True
