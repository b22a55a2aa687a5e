"""One row of NDJSON: a line with a JSON object whose values are text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rollout.domain.inventory_fields import did_you_mean
from rollout.domain.inventory_rows import Columns, Problem, Row


class _Members(list[tuple[str, Any]]):
    """A JSON object as it was written: a name that comes twice is there twice."""


_decode = json.JSONDecoder(object_pairs_hook=_Members).decode


def ndjson_row(line: int, text: str, columns: Columns) -> Iterator[Row | Problem]:
    """Read one line: a row, or everything that is wrong with it."""
    try:
        members = _decode(text.rstrip())
    except json.JSONDecodeError as error:
        yield Problem(line, "", f"is not JSON: {error.msg} at character {error.pos + 1}")
        return
    except (ValueError, RecursionError):  # a number of 5,000 digits, 50,000 brackets
        yield Problem(line, "", "is not JSON that can be read")
        return
    if not isinstance(members, _Members):
        yield Problem(line, "", "is not a JSON object")
        return
    faults = list(_faults(members, columns))
    if faults:
        yield from (Problem(line, field, reason) for field, reason in faults)
    else:
        yield Row(line, {name: value or "" for name, value in members})


def _faults(members: _Members, columns: Columns) -> Iterator[tuple[str, str]]:
    """Say field and reason of everything that is wrong; null is the same as empty."""
    known = columns.all
    names = [name for name, _ in members]
    for place, (name, value) in enumerate(members, start=1):
        if name not in known:
            # told by its place, as in a CSV header: it may be anything, a secret too (K0)
            yield "", f"member {place} is unknown{did_you_mean(name, known)}"
        elif names.index(name) < place - 1:
            yield name, "is given twice"
        elif not (value is None or isinstance(value, str)):
            yield name, "is not text; write it in quotes"
    yield from ((name, "is missing") for name in columns.required if name not in names)
