"""Cuts logs into records, each an object: lines of JSON, documents of JSON, or lines of fields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from rollout.adapters.feeds.json_records import json_records
from rollout.adapters.feeds.lines import numbered_lines
from rollout.adapters.feeds.mapped.cells import MOST_CELLS, split_cells, split_quoted
from rollout.adapters.feeds.mapped.sources import Record
from rollout.adapters.feeds.reading import example, printable
from rollout.domain.errors import BadInput
from rollout.services.ports import Log, Unreadable

NOT_AN_OBJECT = "not a JSON object"
POSITIONS = tuple(str(number) for number in range(1, MOST_CELLS + 1))
SHOWN_NAMES = 300  # characters of the names of columns in an error


class Found(NamedTuple):
    """One record, its bytes, and where it stands."""

    where: str
    raw: bytes
    record: Record

    def unreadable(self, why: str) -> Unreadable:
        """Say why the record cannot be used."""
        return Unreadable(self.where, why, example(self.raw))


class Records(Protocol):
    """Cuts a log into records."""

    @property
    def by_line(self) -> bool:
        """Whether each line is a record."""
        ...

    def read(self, log: Log) -> Iterator[Found | Unreadable]:
        """Stream the records of a log."""
        ...


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One object on each line, or one object inside it."""

    unwrap: tuple[str, ...] = ()  # names of what may be wrapped around the record
    by_line: bool = field(default=True, init=False)

    def read(self, log: Log) -> Iterator[Found | Unreadable]:
        """Stream the records of a log."""
        for line in numbered_lines(log):
            if isinstance(line, Unreadable):
                yield line
                continue
            try:
                value = json.loads(line.raw.decode("utf-8", "replace").removeprefix("\ufeff"))
            except (ValueError, RecursionError) as error:
                yield line.unreadable(f"not JSON: {error}")
                continue
            record = _unwrapped(value, self.unwrap)
            if record is None:
                yield line.unreadable(NOT_AN_OBJECT)
            else:
                yield Found(*line, record)


@dataclass(frozen=True, slots=True)
class JsonDocuments:
    """The elements of arrays, which may stand on many lines; one object on each line, too."""

    unwrap: tuple[str, ...] = ()
    by_line: bool = field(default=False, init=False)

    def read(self, log: Log) -> Iterator[Found | Unreadable]:
        """Stream the records of a log."""
        for found in json_records(log):
            if isinstance(found, Unreadable):
                yield found
                continue
            raw = json.dumps(found.value, sort_keys=True, separators=(",", ":")).encode()
            record = _unwrapped(found.value, self.unwrap)
            why = Unreadable(found.where, NOT_AN_OBJECT, example(raw))
            yield why if record is None else Found(found.where, raw, record)


@dataclass(frozen=True, slots=True)
class Columns:
    """Lines of fields with something between them.

    The fields are named by ``names``, which the number of fields chooses from; or by the first
    line, of which each group of ``wanted`` must have a name; or else by their position.
    """

    between: str
    quotes: bool = False
    header: bool = False
    names: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    rest: bool = False  # the last field takes the rest of the line
    wanted: tuple[frozenset[str], ...] = ()

    @property
    def by_line(self) -> bool:
        """Whether each line is a record."""
        return not self.header

    def read(self, log: Log) -> Iterator[Found | Unreadable]:
        """Stream the records of a log."""
        names: Mapping[int, tuple[str, ...]] | None = None if self.header else self.names
        for line in numbered_lines(log):
            if isinstance(line, Unreadable):
                yield line
                continue
            cells = self._cells(line.raw.decode("utf-8", "replace").removeprefix("\ufeff"))
            if cells is None:
                yield line.unreadable("a quoted field does not end where it should")
            elif names is None:
                names = self._header(log, cells)
            elif not names:
                yield Found(*line, dict(zip(POSITIONS, cells, strict=False)))
            elif named := names.get(len(cells)):
                yield Found(*line, dict(zip(named, cells, strict=True)))
            else:
                counts = " or ".join(map(str, names))
                yield line.unreadable(f"has {len(cells)} fields, not {counts}")

    def _cells(self, text: str) -> list[str] | None:
        most = max(self.names) if self.rest else MOST_CELLS
        split = split_quoted if self.quotes else split_cells
        return split(text, self.between, most)

    def _header(self, log: Log, cells: list[str]) -> dict[int, tuple[str, ...]]:
        """Take the first line for the names; of two of the same name, the last one counts."""
        for group in self.wanted:
            if group.isdisjoint(cells):
                named = " or ".join(f"`{name}`" for name in sorted(group))
                raise BadInput(
                    f"{log.name}: the first line names no column {named}; nothing of it was kept",
                    fix=f"correct the map; the columns are {_shown(cells)}",
                )
        return {len(cells): tuple(cells)}


def _shown(cells: list[str]) -> str:
    return printable(", ".join(cells)[:SHOWN_NAMES])


def _unwrapped(value: Any, names: tuple[str, ...]) -> Record | None:
    """Return the record itself, or None if it is no object; text in a wrapping is JSON again."""
    if not isinstance(value, dict):
        return None
    inner = next((value[name] for name in names if value.get(name)), value)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return None
    return inner if isinstance(inner, dict) else None
