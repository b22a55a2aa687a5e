"""All questions about usage, on one connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.usage_questions import (
    burn_down,
    callers,
    endpoints,
    feeds,
    keys,
    sources,
)
from rollout.domain.usage import Coverage
from rollout.domain.usage.burn_down import Point
from rollout.services.ports.usage import KeyRow
from rollout.services.ports.usage_questions import (
    Alike,
    CallerRow,
    CandidateRow,
    CustomerRow,
    EndpointRow,
    FeedRow,
    GroupBy,
    IntegrationRow,
    Interval,
    KeyFilter,
    OwnKey,
    SourceBy,
    SourceRow,
)


class SqlUsageQuestions:
    """Implements ``services.ports.usage_questions``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def coverage(self, at: datetime | None) -> Coverage:
        """Return what the feeds covered until then."""
        coverage = read_coverage(self._connection)
        return coverage if at is None else coverage.until(at)

    def keys(
        self, which: KeyFilter, at: datetime | None, now: datetime, *, after: str, limit: int | None
    ) -> Iterator[KeyRow]:
        """Read the next few keys that are meant, in the order of their ids, or all the rest."""
        return keys.read_keys(self._connection, which, at, now, after=after, limit=limit)

    def alike(
        self,
        which: KeyFilter,
        at: datetime | None,
        now: datetime,
        *,
        by: GroupBy | None,
        window: timedelta,
    ) -> Iterator[Alike]:
        """Count the keys that are meant, those together that cannot be judged differently."""
        return keys.count_alike(self._connection, which, at, now, by=by, window=window)

    def account_keys(self, account_id: str, now: datetime) -> Sequence[OwnKey]:
        """Read the keys of an account; raise ``NotFound`` where there is no such account."""
        return callers.read_account_keys(self._connection, account_id, now)

    def account_callers(
        self, account_id: str, now: datetime, recent: timedelta
    ) -> Sequence[CallerRow]:
        """Read who has used the keys of an account, the busiest of late first."""
        return callers.read_account_callers(self._connection, account_id, now, recent)

    def integrations(self) -> Sequence[IntegrationRow]:
        """Read all integrations, those with the most accounts first."""
        return callers.read_integrations(self._connection)

    def integration(self, name: str) -> IntegrationRow | None:
        """Read one integration; None where there is none of this name."""
        return next(iter(callers.read_integrations(self._connection, name)), None)

    def candidates(self) -> Sequence[CandidateRow]:
        """Read what may be an integration and is called none."""
        return callers.read_candidates(self._connection)

    def customers(self, name: str, now: datetime, recent: timedelta) -> Iterator[CustomerRow]:
        """Read the accounts that an integration has called for, the busiest of late first."""
        return callers.read_customers(self._connection, name, now, recent)

    def sources(self, by: SourceBy, *, accounts: int, keys: int) -> Iterator[SourceRow]:
        """Read the sources with at least so many accounts and keys, those with most first."""
        return sources.read_sources(self._connection, by, accounts=accounts, keys=keys)

    def count_sources(self, by: SourceBy, at_least: Sequence[int]) -> Sequence[int]:
        """Count the sources that use keys of at least so many accounts, for each number."""
        return sources.count_sources(self._connection, by, at_least)

    def key_exists(self, key_id: str) -> bool:
        """Say whether a key is registered, or was ever used."""
        return endpoints.key_exists(self._connection, key_id)

    def endpoints(
        self,
        after: date,
        *,
        account_id: str | None = None,
        key_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[EndpointRow]:
        """Read what was called after a day, the most called first."""
        return endpoints.read_endpoints(
            self._connection, after, account_id=account_id, key_id=key_id, limit=limit
        )

    def in_use_by_day(
        self, kinds: frozenset[str], first: date, last: date, kept: timedelta
    ) -> Sequence[Point]:
        """Count the keys of these kinds that were in use on each day."""
        return burn_down.count_in_use_by_day(self._connection, kinds, first, last, kept)

    def accounts_by_integrations(
        self, kinds: frozenset[str], used_since: datetime
    ) -> Sequence[tuple[tuple[str, ...], int]]:
        """Count accounts that have used keys since then, by the integrations that they use."""
        return burn_down.count_by_integrations(self._connection, kinds, used_since)

    def last_deadline(self, deprecation: str) -> datetime | None:
        """Return the latest deadline of those who are still to be cut."""
        return burn_down.read_last_deadline(self._connection, deprecation)

    def feeds(self) -> Sequence[FeedRow]:
        """Read all feeds."""
        return feeds.read_feeds(self._connection)

    def declare_feed(
        self, feed: str, *, every: Interval | None, complete: bool | None, new: bool
    ) -> FeedRow | None:
        """Note how often a feed reports and whether it sees every use."""
        return feeds.declare(self._connection, feed, every=every, complete=complete, new=new)
