"""Who calls: for one account, and for which accounts one integration does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.usage import HOLIDAYS, Judgement, Usage
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_questions import (
    CallerRow,
    CustomerRow,
    EndpointRow,
    IntegrationRow,
    OwnKey,
)
from rollout.services.usage.questions.endpoints import OF_LATE
from rollout.services.usage.questions.keys import unknown_integration
from rollout.services.usage.questions.trend import Calls, Listened
from rollout.services.usage.questions.view import View, view

ACCOUNT_TREND = timedelta(days=30)  # compared with the same time before
INTEGRATION_TREND = timedelta(days=7)
MOST_CALLED = 10  # endpoints of an account that are shown
GONE = HOLIDAYS  # without a call through an integration, for longer than its rhythm: it has moved


@dataclass(frozen=True, slots=True)
class OwnKeyUse:
    """A key of the account, and whether it is used."""

    row: OwnKey
    judged: Judgement


@dataclass(frozen=True, slots=True)
class CallerUse:
    """Who has used keys of the account, and how much of late."""

    row: CallerRow
    calls: Calls


@dataclass(frozen=True, slots=True)
class AccountUse:
    """What exactly breaks for one account when its keys stop working."""

    account_id: str
    at: datetime
    coverage: Sequence[str]
    keys: Sequence[OwnKeyUse]
    callers: Sequence[CallerUse]
    endpoints: Sequence[EndpointRow]  # of late, most called first


@dataclass(frozen=True, slots=True)
class Customer:
    """An account that an integration has called for.

    ``judged`` is about its calls alone: in use, or unused, which means that the account has moved.
    """

    row: CustomerRow
    judged: Judgement
    calls: Calls

    @property
    def moved(self) -> bool:
        """Whether it was called for, is not any more, and a call would have been seen."""
        return self.judged.usage is Usage.UNUSED


@dataclass(frozen=True, slots=True)
class IntegrationUse:
    """One integration, and the accounts that it has called for, as they are read."""

    row: IntegrationRow
    at: datetime
    coverage: Sequence[str]
    customers: Iterator[Customer]


def account_use(start: StartUnitOfWork, account_id: str) -> AccountUse:
    """Say what uses the keys of an account; raise ``NotFound`` where there is no such account."""
    with start() as uow:
        seen, ask = view(uow), uow.usage_questions
        listened = Listened.to(seen, ACCOUNT_TREND)
        after = (seen.now - OF_LATE).date()
        return AccountUse(
            account_id,
            seen.now,
            seen.describe(),
            [
                OwnKeyUse(key, seen.judge(key.history))
                for key in ask.account_keys(account_id, seen.now)
            ],
            [
                CallerUse(row, listened.judge(row.recent, row.before))
                for row in ask.account_callers(account_id, seen.now, ACCOUNT_TREND)
            ],
            list(ask.endpoints(after, account_id=account_id, limit=MOST_CALLED)),
        )


def integration_use(start: StartUnitOfWork, name: str) -> IntegrationUse:
    """Say for which accounts an integration calls; raise ``NotFound`` where there is none."""
    with start() as uow:
        row = uow.usage_questions.integration(name)
        if row is None:
            raise unknown_integration(uow, name)
        seen = view(uow, window=GONE)
    return IntegrationUse(row, seen.now, seen.describe(), _customers(start, name, seen))


def _customers(start: StartUnitOfWork, name: str, seen: View) -> Iterator[Customer]:
    listened = Listened.to(seen, INTEGRATION_TREND)
    with start() as uow:
        for row in uow.usage_questions.customers(name, seen.now, INTEGRATION_TREND):
            calls = listened.judge(row.recent, row.before)
            yield Customer(row, seen.judge(row.history), calls)
