"""The part of a map file that says what must hold for a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollout.adapters.feeds.mapped.conditions import (
    AllOf,
    Among,
    AnyOf,
    Condition,
    NotAmong,
    Present,
)
from rollout.adapters.feeds.mapped.file_sources import SourceReader, is_mapping, one_text
from rollout.adapters.feeds.mapped.sources import Source
from rollout.adapters.yaml_file.document import Problem, UnusableError, Value
from rollout.adapters.yaml_file.fields import yes_or_no
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads conditions on texts that stand where ``sources`` can find them."""

    sources: SourceReader

    def condition(self, value: Value) -> Condition:
        """Read a mapping, all of which must hold; of a list of mappings, one is enough."""
        if is_mapping(value):
            return self._all(value)
        return AnyOf(list_of(self._all, least=1, most=20)(value))

    def _all(self, value: Value) -> Condition:
        conditions: list[Condition] = []
        problems: list[Problem] = []
        for name, wanted in value.entries():
            try:
                conditions += _conditions(self.sources.called(wanted, name), wanted)
            except UnusableError as error:
                problems += error.problems
        if not value.entries():
            problems.append(value.problem("at least one condition is expected"))
        if problems:
            raise UnusableError(*problems)
        return conditions[0] if len(conditions) == 1 else AllOf(tuple(conditions))


def _conditions(source: Source, wanted: Value) -> list[Condition]:
    if not is_mapping(wanted):
        return [Among(source, _words(wanted))]
    fields: dict[str, Any] = read_fields(wanted, CONDITION)
    found: list[Condition] = []
    if fields["in"]:
        found.append(Among(source, fields["in"]))
    if fields["not"]:
        found.append(NotAmong(source, fields["not"]))
    if fields["present"] is not None:
        found.append(Present(source, fields["present"]))
    if not found:
        raise wanted.unusable("one of `in`, `not` and `present` is expected")
    return found


def _words(value: Value) -> frozenset[str]:
    return frozenset([one_text(value)] if value.is_scalar() else list_of(one_text, least=1)(value))


CONDITION: Shape = {
    "in": Field(_words, None),
    "not": Field(_words, None),
    "present": Field(yes_or_no, None),
}
