"""The use cases of the usage stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollout.domain.audit import Fact
from rollout.services.plan.late_keys import reopen
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage import AheadRow

PAGE = 10_000  # keys registered at a time


@dataclass(frozen=True, slots=True)
class Discovery:
    """How many keys that only logs had named were registered, and accounts for them."""

    accounts: int
    keys: int


class UsageService:
    """Registers the keys that only logs know, and says what was set aside."""

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

    def ahead(self) -> Sequence[AheadRow]:
        """Read the uses that were set aside because their time had not come."""
        with self._start() as uow:
            return uow.usage.ahead()
