"""Where in a record a text stands. A record is an object; an empty text means it is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.adapters.feeds.mapped.cuts import Cut

LONGEST_TEXT = 1 << 16  # characters that are looked at; no name or address stands further back
ABSENT = frozenset({"-"})  # what logs write for nothing

Record = dict[str, Any]
Source = Callable[[Record], str]


@dataclass(frozen=True, slots=True)
class Path:
    """A value somewhere in a record, as text: the names and positions that lead to it."""

    parts: tuple[str | int, ...]
    absent: frozenset[str] = ABSENT

    def __call__(self, record: Record) -> str:
        """Return the text."""
        value: Any = record
        for part in self.parts:
            if isinstance(part, str):
                value = value.get(part) if isinstance(value, dict) else None
            else:
                value = value[part] if isinstance(value, list) and part < len(value) else None
        text = as_text(value)
        return "" if text in self.absent else text


@dataclass(frozen=True, slots=True)
class Names:
    """The first that is there of values at the top of a record: the same as paths, but faster."""

    names: tuple[str, ...]
    absent: frozenset[str] = ABSENT

    def __call__(self, record: Record) -> str:
        """Return the text."""
        for name in self.names:
            if (value := record.get(name)) is not None:
                text = as_text(value)
                if text and text not in self.absent:
                    return text
        return ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of another text."""

    source: Source
    cuts: tuple[Cut, ...]

    def __call__(self, record: Record) -> str:
        """Return the text."""
        text = self.source(record)
        for cut in self.cuts:
            text = cut(text)
        return text


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first text that is there."""

    sources: tuple[Source, ...]

    def __call__(self, record: Record) -> str:
        """Return the text."""
        for source in self.sources:
            if text := source(record):
                return text
        return ""


@dataclass(frozen=True, slots=True)
class Joined:
    """Several texts with a space between each two; all must be there."""

    sources: tuple[Source, ...]

    def __call__(self, record: Record) -> str:
        """Return the text."""
        texts = [source(record) for source in self.sources]
        return " ".join(texts) if all(texts) else ""


def first_of(*names: str) -> Source:
    """Return the first of several values; a dot leads into an object."""
    return at_first([tuple(name.split(".")) for name in names])


def part_of(name: str, *cuts: Cut) -> Source:
    """Return a part of a value; a dot leads into an object."""
    return Part(first_of(name), cuts)


def at_first(paths: Sequence[tuple[str | int, ...]], absent: frozenset[str] = ABSENT) -> Source:
    """Return the first that is there of what several paths lead to."""
    names = tuple(path[0] for path in paths if len(path) == 1 and isinstance(path[0], str))
    if len(names) == len(paths):
        return Names(names, absent)
    found = tuple(Path(path, absent) for path in paths)
    return found[0] if len(found) == 1 else FirstOf(found)


def as_text(value: Any) -> str:
    """Return a value as text, cut to ``LONGEST_TEXT``; null, lists and objects are none."""
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""


def nothing(_record: Record) -> str:
    """Return the text of what a log does not say."""
    return ""
