"""Reads mappings and lists whole: every fault in them is collected before one error is raised."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from rollout.adapters.yaml_file.document import Problem, UnusableError, Value, shown

T = TypeVar("T")
Read = Callable[[Value], T]
Check = Callable[[list[Value]], Iterable[Problem]]  # looks at the items of a list together

REQUIRED: Final = object()
MANY = 1000


@dataclass(frozen=True, slots=True)
class Field:
    """How one value of a mapping is read, and what it is when it is left out."""

    read: Read[Any]
    default: Any = REQUIRED


Shape = dict[str, Field]


def defaults(shape: Shape) -> dict[str, Any]:
    """Return what a mapping is when all of it is left out."""
    return {name: field.default for name, field in shape.items()}


def read_fields(value: Value, shape: Shape) -> dict[str, Any]:
    """Return the fields of a mapping, with defaults for those left out.

    Raises UnusableError with every fault: unknown and repeated names, missing and wrong values.
    """
    fields = defaults(shape)
    problems: list[Problem] = []
    lines: dict[str, int] = {}
    meant: set[str] = set()
    for name, item in value.entries():
        if name not in shape:
            close = difflib.get_close_matches(name[:100], shape, n=1)
            meant.update(close)
            problems.append(item.problem("unknown name" + did_you_mean(close)))
        elif name in lines:
            problems.append(item.problem(f"named twice, first in line {lines[name]}"))
        else:
            lines[name] = item.line
            try:
                fields[name] = shape[name].read(item)
            except UnusableError as error:
                problems += error.problems
    absent = [n for n, field in shape.items() if field.default is REQUIRED and n not in lines]
    problems += [missing(value, name) for name in absent if name not in meant]
    if problems:
        raise UnusableError(*problems)
    return fields


def list_of(read: Read[T], *checks: Check, least: int = 0, most: int = MANY) -> Read[tuple[T, ...]]:
    """Return a reader of lists of between ``least`` and ``most`` items."""

    def read_list(value: Value) -> tuple[T, ...]:
        items = value.items()
        if not least <= len(items) <= most:
            bound = f"at least {least}" if len(items) < least else f"at most {most}"
            raise value.unusable(f"{bound} must be listed; there are {len(items)}")
        result, problems = [], list[Problem]()
        for item in items:
            try:
                result.append(read(item))
            except UnusableError as error:
                problems += error.problems
        for check in checks:
            problems += check(items)
        if problems:
            raise UnusableError(*problems)
        return tuple(result)

    return read_list


def unique(name: str) -> Check:
    """Return a check that no two mappings of a list have the same value of that name."""

    def check(items: list[Value]) -> Iterator[Problem]:
        first: dict[str, int] = {}
        for item in items:
            value = item.get(name)
            if value is None or not value.is_scalar():
                continue
            text = value.scalar(name)
            if text in first:
                yield value.problem(f"`{shown(text)}` is named twice, first in line {first[text]}")
            first.setdefault(text, value.line)

    return check


def missing(value: Value, name: str) -> Problem:
    """Return the fault of a name that is not there; the line is that of its mapping."""
    path = f"{value.path}.{name}" if value.path else name
    return Problem(value.line, f"{path}: missing")


def did_you_mean(close: list[str]) -> str:
    """Return the end of a sentence about a word that is close to a known one."""
    return f"; did you mean `{close[0]}`?" if close else ""
