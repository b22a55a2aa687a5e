"""The use cases of the usage stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rollout.domain.audit import Fact
from rollout.domain.usage import (
    USAGE_FRESH,
    USAGE_WINDOW,
    Coverage,
    History,
    Judgement,
    judge_usage,
)
from rollout.services.plan.late_keys import reopen
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.usage import AheadRow, KeyRow, SourceRow

PAGE = 10_000  # rows read at a time


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and what we may conclude about its use as of ``now``."""

    row: KeyRow
    judged: Judgement


@dataclass(frozen=True, slots=True)
class Discovery:
    """How many keys that only logs had named were registered, and accounts for them."""

    accounts: int
    keys: int


class UsageService:
    """Says who still uses what, and registers the keys that only logs know."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def discover(self, *, feed: str, operator: str) -> Discovery:
        """Register the keys kept aside whose account the logs name, as REST keys.

        A key that logs ascribe to several accounts, or to none, stays aside.
        """
        accounts = keys = 0
        with self._start() as uow:
            while page := uow.usage.adoptable(PAGE):
                accounts += uow.usage.adopt(page)
                keys += len(page)
            if keys:
                data = {"accounts": accounts, "keys": keys}
                reopen(uow)
                uow.audit.append(
                    [Fact(operator, "inventory.discovered", f"feed:{feed}", data=data)]
                )
                uow.commit()
        return Discovery(accounts, keys)

    def unknown_keys(self, limit: int) -> tuple[int, Sequence[str]]:
        """Count the keys that were seen but never registered, and name the first few."""
        with self._start() as uow:
            return uow.usage.unknown_keys(limit)

    def key_uses(self, *, registered: bool = True) -> Iterator[KeyUse]:
        """Read keys in the order of their ids: those we know, or those that only logs know."""
        after = ""
        while True:
            with self._start() as uow:
                read = uow.usage.keys if registered else uow.usage.unregistered_keys
                page = read(after, PAGE)
                judge = _judge(uow)
            yield from (KeyUse(row, judge(row.history)) for row in page)
            if len(page) < PAGE:
                return
            after = page[-1].key_id

    def ahead(self) -> Sequence[AheadRow]:
        """Read the uses that were set aside because their time had not come."""
        with self._start() as uow:
            return uow.usage.ahead()

    def sources(self) -> Sequence[SourceRow]:
        """Read who calls, the busiest first."""
        with self._start() as uow:
            return uow.usage.sources()


def _judge(uow: UnitOfWork) -> Callable[[History], Judgement]:
    now: datetime = uow.now()
    coverage: Coverage = uow.usage.coverage()
    return lambda history: judge_usage(
        history, coverage, now=now, window=USAGE_WINDOW, fresh=USAGE_FRESH
    )
