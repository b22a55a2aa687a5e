"""Which sources call, and how many of them use the keys of many accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_questions import SourceBy, SourceRow

MANY = (10, 50, 100)  # accounts, of which it is counted how many sources use keys of so many


@dataclass(frozen=True, slots=True)
class Sources:
    """Those that were asked for, as they are read, and how far all of them fan out."""

    total: int
    fan_out: Mapping[int, int]  # accounts: sources that use keys of so many or more
    rows: Iterator[SourceRow]


def sources(start: StartUnitOfWork, by: SourceBy, *, accounts: int, keys: int) -> Sources:
    """Read the sources with at least so many accounts and keys, those with most first."""
    with start() as uow:
        total, *many = uow.usage_questions.count_sources(by, (0, *MANY))
    rows = _rows(start, by, accounts=accounts, keys=keys)
    return Sources(total, dict(zip(MANY, many, strict=True)), rows)


def _rows(start: StartUnitOfWork, by: SourceBy, *, accounts: int, keys: int) -> Iterator[SourceRow]:
    with start() as uow:
        yield from uow.usage_questions.sources(by, accounts=accounts, keys=keys)
