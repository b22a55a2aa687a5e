"""All questions about usage: they change nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from rollout.domain.usage import Usage
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_questions import (
    CandidateRow,
    EndpointRow,
    GroupBy,
    IntegrationRow,
    KeyFilter,
    SourceBy,
)
from rollout.services.usage.questions import (
    burn_down,
    callers,
    endpoints,
    keys,
    sources,
    summary,
)
from rollout.services.usage.questions.keys import KeyUse

EVERY_KEY = KeyFilter()


class UsageQuestions:
    """Says who still uses keys, and through what.

    ``at`` asks as of an instant: uses after it do not count, by all that is known today. Each
    raises ``NotFound`` for a deprecation, cohort, account, key or integration that does not exist.
    """

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def keys(
        self,
        which: KeyFilter = EVERY_KEY,
        *,
        usage: Usage | None = None,
        at: datetime | None = None,
    ) -> Iterator[KeyUse]:
        """Read keys in the order of their ids."""
        return keys.key_uses(self._start, which, usage=usage, at=at, scope=keys.Scope.INSIDE)

    def keys_out_of_scope(
        self,
        which: KeyFilter,
        *,
        usage: Usage | None = Usage.IN_USE,
        at: datetime | None = None,
    ) -> Iterator[KeyUse]:
        """Read keys of the kinds that the deprecation of the filter leaves alone."""
        return keys.key_uses(self._start, which, usage=usage, at=at, scope=keys.Scope.OUTSIDE)

    def summary(
        self,
        which: KeyFilter = EVERY_KEY,
        *,
        at: datetime | None = None,
        window: timedelta | None = None,
        by: GroupBy | None = None,
    ) -> summary.Summary:
        """Count the active keys by whether and when they were used."""
        return summary.summarise(self._start, which, at=at, window=window, by=by)

    def account(self, account_id: str) -> callers.AccountUse:
        """Say what exactly breaks for an account."""
        return callers.account_use(self._start, account_id)

    def sources(
        self, by: SourceBy = SourceBy.PROGRAM, *, accounts: int = 0, keys: int = 0
    ) -> sources.Sources:
        """Say who calls, with keys of at least so many accounts; those with most come first."""
        return sources.sources(self._start, by, accounts=accounts, keys=keys)

    def endpoints(
        self, *, account_id: str | None = None, key_id: str | None = None
    ) -> Iterator[EndpointRow]:
        """Say what was called of late, the most called first; the others come as one at the end."""
        return endpoints.endpoints(self._start, account_id=account_id, key_id=key_id)

    def integrations(self) -> Sequence[IntegrationRow]:
        """Read all integrations, those with the most accounts first."""
        with self._start() as uow:
            return uow.usage_questions.integrations()

    def candidates(self) -> Sequence[CandidateRow]:
        """Read what may be an integration and is called none."""
        with self._start() as uow:
            return uow.usage_questions.candidates()

    def integration(self, name: str) -> callers.IntegrationUse:
        """Say for which accounts an integration calls, and who has moved."""
        return callers.integration_use(self._start, name)

    def burn_down(self, deprecation: str, *, on: date | None = None) -> burn_down.BurnDown:
        """Say how many keys are left by day, and when none will be."""
        return burn_down.burn_down(self._start, deprecation, on)
