"""The cohorts section: who is cut on which date."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from rollout.adapters.yaml_file.document import MAX_PARTS, Problem, UnusableError, Value
from rollout.adapters.yaml_file.fields import (
    day_or_instant,
    duration,
    identifier,
    name,
    one_of,
    percent,
)
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields, unique
from rollout.domain.plan import Cohort, Selector, covers
from rollout.domain.usage import Usage


def cohorts(value: Value) -> tuple[Cohort, ...]:
    """Read the cohorts, in the order in which they take accounts."""
    return list_of(_cohort, unique("cohort"), _all_reached, least=1)(value)


def _cohort(value: Value) -> Cohort:
    fields = read_fields(value, COHORT)
    line = (value.get("date") or value).line
    return Cohort(name=fields.pop("cohort"), line=line, **fields)


def _selector(value: Value) -> Selector:
    return Selector(**read_fields(value, SELECTOR))


def _accounts(value: Value) -> frozenset[str]:
    return frozenset(list_of(identifier, least=1, most=MAX_PARTS)(value))


def _all_reached(items: list[Value]) -> Iterator[Problem]:
    """Find cohorts that come too late: one before them takes all that they would."""
    earlier: list[tuple[int, Selector]] = []
    for index, item in enumerate(items):
        selector = _selector_of(item)
        if selector is None:
            continue  # its own fault is reported where it is read
        by = next((i for i, before in earlier if covers(before, selector)), None)
        if by is not None:
            yield item.problem(
                f"can never be reached: cohorts[{by}] takes every account that it selects"
            )
        earlier.append((index, selector))


def _selector_of(item: Value) -> Selector | None:
    select = item.get("select")
    try:
        return _selector(select) if select else None
    except UnusableError:
        return None


SELECTOR: Shape = {
    "usage": Field(one_of({usage.value: usage for usage in Usage}), None),
    "tier": Field(identifier, None),
    "accounts": Field(_accounts, None),
    "percent": Field(percent, None),
    "integration": Field(identifier, None),
}

COHORT: Shape = {
    "cohort": Field(name),
    "select": Field(_selector),
    "date": Field(day_or_instant),
    "bake": Field(duration, timedelta(0)),
}
