"""The part of a map file that says how a log is cut into records."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from rollout.adapters.feeds.mapped.cells import MOST_CELLS
from rollout.adapters.feeds.mapped.file_sources import Named, is_mapping, one_text
from rollout.adapters.feeds.mapped.records import Columns, JsonDocuments, JsonLines, Records
from rollout.adapters.yaml_file.document import Problem, UnusableError, Value, shown
from rollout.adapters.yaml_file.fields import one_of, yes_or_no
from rollout.adapters.yaml_file.shape import (
    Field,
    Shape,
    did_you_mean,
    list_of,
)

JSON = ("ndjson", "json")
BETWEEN = {"csv": ",", "tsv": "\t", "delimited": ""}
ONLY_JSON = ("unwrap",)
ONLY_COLUMNS = ("delimiter", "quotes", "header", "columns")
THE_REST = "..."  # after the name of a last column that takes the rest of the line

Names = Mapping[int, tuple[str, ...]]


def records(root: Value, fields: Mapping[str, Any], named: list[Named]) -> Records:
    """Return what cuts a log into records, for a map that names these fields."""
    written_as: str = fields["format"]
    strange = ONLY_COLUMNS if written_as in JSON else ONLY_JSON
    if problems := [
        value.problem(f"has no meaning in the format {written_as}")
        for name, value in root.entries()
        if name in strange
    ]:
        raise UnusableError(*problems)
    if written_as == "ndjson":
        return JsonLines(fields["unwrap"])
    if written_as == "json":
        return JsonDocuments(fields["unwrap"])
    return _columns(root, fields, named)


def _columns(root: Value, fields: Mapping[str, Any], named: list[Named]) -> Columns:
    between = fields["delimiter"] or BETWEEN[fields["format"]]
    names, rest = _without_dots(fields["columns"])
    header = fields["header"] if fields["header"] is not None else not names
    quotes = fields["quotes"] if fields["quotes"] is not None else fields["format"] == "csv"
    if not between:
        raise root.unusable("delimiter: missing; it is what stands between two fields")
    if quotes and '"' in between:
        raise root.unusable("delimiter: with `quotes`, it cannot hold a quote")
    if header and names:
        raise root.unusable("columns: the first line names them; remove one of the two")
    if rest and quotes:
        raise root.unusable("columns: with `quotes`, no column can take the rest of the line")
    if problems := list(_unknown(named, names, header=header)):
        raise UnusableError(*problems)
    return Columns(
        between, quotes, header, names, rest, tuple(n.names for n in named) if header else ()
    )


def _unknown(named: list[Named], names: Names, *, header: bool) -> Iterator[Problem]:
    """Find fields that can be in no record."""
    known = {name for group in names.values() for name in group}
    for group in named:
        if header or not group.names.isdisjoint(known):
            continue
        for name in sorted(group.names):
            if known:
                close = difflib.get_close_matches(name[:100], known, n=1)
                hint = did_you_mean(close) or f"; there are {shown(', '.join(sorted(known)))}"
                yield group.value.problem(f"no column `{shown(name)}`{hint}")
            elif not (name.isdecimal() and 1 <= int(name[:9]) <= MOST_CELLS):
                yield group.value.problem(
                    f"`{shown(name)}` is no position: without `columns` and `header`, write"
                    " 1 for the first field"
                )


def _without_dots(names: Names) -> tuple[Names, bool]:
    rest = [n for n, group in names.items() if group[-1].endswith(THE_REST)]
    cleaned = {
        number: (*group[:-1], group[-1].removesuffix(THE_REST)) for number, group in names.items()
    }
    return cleaned, bool(rest)


def _names(value: Value) -> Names:
    """Read the names of columns: a list, or one list for each number of fields."""
    if not is_mapping(value):
        listed = _row(value)
        return {len(listed): listed}
    found: dict[int, tuple[str, ...]] = {}
    for number, row in value.entries():
        listed = _row(row)
        if number != str(len(listed)):
            raise row.unusable(f"{len(listed)} columns are listed; write {len(listed)} before them")
        if listed[-1].endswith(THE_REST):
            raise row.unusable("where several numbers of fields are possible, none takes the rest")
        found[len(listed)] = listed
    return found


def _row(value: Value) -> tuple[str, ...]:
    return list_of(one_text, _no_name_twice, least=1, most=MOST_CELLS)(value)


def _no_name_twice(items: list[Value]) -> Iterator[Problem]:
    seen: set[str] = set()
    for item in items:
        if item.is_scalar():
            name = item.scalar("a name")
            if name in seen:
                yield item.problem(f"`{shown(name)}` is named twice")
            seen.add(name)


RECORDS: Shape = {
    "format": Field(one_of({name: name for name in (*JSON, *BETWEEN)})),
    "unwrap": Field(list_of(one_text, most=20), ()),
    "delimiter": Field(one_text, ""),
    "quotes": Field(yes_or_no, None),
    "header": Field(yes_or_no, None),
    "columns": Field(_names, {}),
}
