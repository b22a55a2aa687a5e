"""The part of a map file that says where a text stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.nodes import MappingNode

from rollout.adapters.feeds.mapped.cuts import (
    After,
    BasicUser,
    Before,
    Cut,
    PercentDecoded,
    Query,
    Quoted,
    Segment,
    WithoutEnd,
    WithoutPort,
)
from rollout.adapters.feeds.mapped.sources import FirstOf, Joined, Part, Source, at_first
from rollout.adapters.yaml_file.document import Value, shown
from rollout.adapters.yaml_file.fields import one_of, whole_number, yes_or_no
from rollout.adapters.yaml_file.shape import (
    Field,
    Read,
    Shape,
    list_of,
    read_fields,
)

LONGEST = 300  # characters of a name or a mark
MANY = 20  # alternatives, or texts to join
_STEP = re.compile(r'\.?([^.\[\]"]+)|\[([0-9]{1,6})\]|\["([^"]+)"\]')


@dataclass(frozen=True, slots=True)
class Named:
    """Fields that a map names, one of which must be there, and where it names them."""

    value: Value
    names: frozenset[str]


@dataclass(slots=True)
class SourceReader:
    """Reads where texts stand, and remembers which fields were named."""

    absent: frozenset[str]
    paths: bool  # fields are named by paths, not by columns
    named: list[Named] = field(default_factory=list)

    def source(self, value: Value) -> Source:
        """Read one source: a field, a list of which the first one there counts, or a mapping."""
        if value.is_scalar():
            return self._remember(value, [value])
        if is_mapping(value):
            return self.built(value, read_fields(value, self.shape()))
        items = _few(value)
        if all(item.is_scalar() for item in items):
            return self._remember(value, items)
        return FirstOf(list_of(self.source)(value))

    def called(self, value: Value, text: str) -> Source:
        """Read a field from a name that stands somewhere else than in a value of its own."""
        self.named.append(Named(value, frozenset({text})))
        return at_first([self._path(value, text)], self.absent)

    def shape(self) -> Shape:
        """Return what a source may be made of."""
        return {"field": Field(self._field, None), "join": Field(self._join, None)} | CUTS

    def built(self, value: Value, fields: dict[str, Any]) -> Source:
        """Return the source that a mapping of that shape describes."""
        begin = [fields[name] for name in ("field", "join") if fields[name]]
        if len(begin) != 1:
            raise value.unusable("exactly one of `field` and `join` is expected")
        # In the order in which they are written: each cuts what the one before has left.
        cuts = tuple(fields[name] for name, _ in value.entries() if name in CUTS and fields[name])
        return Part(begin[0], cuts) if cuts else begin[0]

    def _field(self, value: Value) -> Source:
        return self._remember(value, [value] if value.is_scalar() else _few(value))

    def _join(self, value: Value) -> Source:
        return Joined(tuple(self.source(item) for item in _few(value)))

    def _remember(self, value: Value, items: list[Value]) -> Source:
        names = [one_text(item) for item in items]
        self.named.append(Named(value, frozenset(names)))
        return at_first([self._path(*each) for each in zip(items, names, strict=True)], self.absent)

    def _path(self, value: Value, text: str) -> tuple[str | int, ...]:
        return _parts(value, text) if self.paths else (text,)


def is_mapping(value: Value) -> bool:
    """Say whether a mapping of names to values was written."""
    return isinstance(value.node, MappingNode)


def one_text(value: Value) -> str:
    """Read a name or a mark, spaces and all; digits are as good as letters."""
    text = value.scalar("a text")
    if not 0 < len(text) <= LONGEST:
        raise value.unusable(f"between 1 and {LONGEST} characters are expected")
    return text


def _few(value: Value) -> list[Value]:
    items = value.items()
    if not 0 < len(items) <= MANY:
        raise value.unusable(f"between 1 and {MANY} must be listed; there are {len(items)}")
    return items


def _parts(value: Value, text: str) -> tuple[str | int, ...]:
    """Read ``a.b[0]["c.d"]``."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise value.unusable(
                f'`{shown(text)}` is no path: write a.b, a.list[0] or a["name.with.dots"]'
            )
        bare, position, quoted = match.groups()
        parts.append(int(position) if position else bare or quoted)
        at = match.end()
    return tuple(parts)


def _flag(cut: Cut) -> Read[Cut | None]:
    return lambda value: cut if yes_or_no(value) else None


def _with(make: Callable[[Any], Cut], read: Read[Any]) -> Read[Cut]:
    return lambda value: make(read(value))


CUTS: Shape = {
    "after": Field(_with(After, one_text), None),
    "before": Field(_with(Before, one_text), None),
    "without_end": Field(_with(WithoutEnd, one_text), None),
    "quoted": Field(_with(Quoted, whole_number(1, 100)), None),
    "query": Field(_with(Query, one_text), None),
    "segment": Field(_with(Segment, whole_number(1, 100)), None),
    "basic": Field(one_of({"user": BasicUser()}), None),
    "without_port": Field(_flag(WithoutPort()), None),
    "percent_decoded": Field(_flag(PercentDecoded()), None),
}
