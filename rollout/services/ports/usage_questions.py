"""What questions about usage ask of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from rollout.domain.usage import Coverage, History
from rollout.domain.usage.burn_down import Point
from rollout.services.ports.usage import KeyRow


class GroupBy(StrEnum):
    """What keys may be counted by. A key counts under each integration that has used it."""

    COHORT = "cohort"
    TIER = "tier"
    INTEGRATION = "integration"
    KIND = "kind"


class SourceBy(StrEnum):
    """What calls are listed by: the program, wherever it runs, or the program in one network."""

    PROGRAM = "program"
    NETWORK = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """Which keys are meant: all that is given must hold."""

    registered: bool = True  # False: those that only logs know
    active: bool = False  # those that can be used
    kinds: frozenset[str] | None = None
    other_than_kinds: frozenset[str] | None = None
    deprecation: str | None = None  # of accounts that are enrolled in it
    cohort: str | None = None  # and have this cohort's date
    tier: str | None = None
    integration: str | None = None  # has used them; ANY_INTEGRATION means one or another
    prefix: str | None = None  # of the key id
    used_since: datetime | None = None
    not_used_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Alike:
    """Keys with the same history, as far as it matters; how many they are."""

    group: str | None
    history: History
    keys: int


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key of one account."""

    key_id: str
    kind: str
    status: str
    label: str
    count: int
    refused: int
    history: History


@dataclass(frozen=True, slots=True)
class CallerRow:
    """An integration, or a program that is none, and what it does with an account's keys."""

    integration: str | None
    program: str | None  # the normalised user agent of what is no integration
    kind: str | None  # how the integration is known
    home_page: str | None
    keys: Sequence[str]  # by id
    networks: int
    count: int
    refused: int
    first_seen: datetime
    last_seen: datetime
    recent: int  # calls in the time asked for, and in the same time before that
    before: int


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """A third party, as it stands in the list."""

    integration: str
    kind: str  # signature, fan_out or confirmed
    confidence: float
    accounts: int
    keys: int
    networks: int
    count: int
    refused: int
    first_seen: datetime
    last_seen: datetime
    home_page: str
    migration_url: str  # where it says how customers move; empty where nobody knows
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """What may be a third party, but nobody is sure, or somebody has said that it is none."""

    candidate: str
    kind: str  # how it was found
    confidence: float
    accounts: int
    keys: int
    networks: int
    count: int
    refused: int
    first_seen: datetime
    last_seen: datetime
    reasons: Sequence[str]
    rejected_by: str | None


@dataclass(frozen=True, slots=True)
class CustomerRow:
    """An account that an integration has called for. ``history`` is of its calls alone."""

    account_id: str
    keys: int
    networks: int
    count: int
    refused: int
    first_seen: datetime
    history: History
    recent: int  # calls in the time asked for, and in the same time before that
    before: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """All calls of one program, from one network or from all, that are called by one name."""

    source: str  # the normalised user agent
    network: str | None  # None: from all of them
    user_agent: str  # one of those that were logged
    networks: int
    accounts: int  # that inventory or logs name
    keys: int
    count: int
    first_seen: datetime
    last_seen: datetime
    integration: str | None  # what it is called; None: it is none, or nobody is sure


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """What was called with keys, as ``domain.usage.endpoints`` writes it."""

    endpoint: str
    keys: int
    accounts: int  # that inventory or logs name
    count: int
    last_day: date  # in UTC


@dataclass(frozen=True, slots=True)
class FeedRow:
    """Where logs come from, and what was declared of it."""

    feed: str
    first_event: datetime | None
    newest_event: datetime | None
    events: int
    every: timedelta | None
    complete: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """The longest time for which a feed may be silent; None takes back what was declared."""

    longest: timedelta | None


class UsageQuestions(Protocol):
    """Speaks inside one unit of work, and only reads, but for what is declared of a feed.

    ``at``: what uses up to then say, by all that is known today; None: up to now. ``now``: the
    instant as of which that is judged.
    """

    def coverage(self, at: datetime | None) -> Coverage:
        """Return what the feeds covered until then."""
        ...

    def keys(
        self, which: KeyFilter, at: datetime | None, now: datetime, *, after: str, limit: int | None
    ) -> Iterator[KeyRow]:
        """Read the next few keys that are meant, in the order of their ids, or all the rest."""
        ...

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
        ...

    def account_keys(self, account_id: str, now: datetime) -> Sequence[OwnKey]:
        """Read the keys of an account; raise ``NotFound`` where there is no such account."""
        ...

    def account_callers(
        self, account_id: str, now: datetime, recent: timedelta
    ) -> Sequence[CallerRow]:
        """Read who has used the keys of an account, the busiest of late first."""
        ...

    def integrations(self) -> Sequence[IntegrationRow]:
        """Read all integrations, those with the most accounts first."""
        ...

    def integration(self, name: str) -> IntegrationRow | None:
        """Read one integration; None where there is none of this name."""
        ...

    def candidates(self) -> Sequence[CandidateRow]:
        """Read what may be an integration and is called none."""
        ...

    def customers(self, name: str, now: datetime, recent: timedelta) -> Iterator[CustomerRow]:
        """Read the accounts that an integration has called for, the busiest of late first."""
        ...

    def sources(self, by: SourceBy, *, accounts: int, keys: int) -> Iterator[SourceRow]:
        """Read the sources with at least so many accounts and keys, those with most first."""
        ...

    def count_sources(self, by: SourceBy, at_least: Sequence[int]) -> Sequence[int]:
        """Count the sources that use keys of at least so many accounts, for each number."""
        ...

    def key_exists(self, key_id: str) -> bool:
        """Say whether a key is registered, or was ever used."""
        ...

    def endpoints(
        self,
        after: date,
        *,
        account_id: str | None = None,
        key_id: str | None = None,
        limit: int | None = None,
    ) -> Iterator[EndpointRow]:
        """Read what was called after a day, the most called first."""
        ...

    def in_use_by_day(
        self, kinds: frozenset[str], first: date, last: date, kept: timedelta
    ) -> Sequence[Point]:
        """Count the keys of these kinds that were in use on each day.

        That is: used on that day or in the days before it, ``kept`` in all, and not off by then.
        """
        ...

    def accounts_by_integrations(
        self, kinds: frozenset[str], used_since: datetime
    ) -> Sequence[tuple[tuple[str, ...], int]]:
        """Count the accounts that have used keys of these kinds since then.

        Those together that did so through the same integrations, which may be none.
        """
        ...

    def last_deadline(self, deprecation: str) -> datetime | None:
        """Return the latest deadline of those who are still to be cut."""
        ...

    def feeds(self) -> Sequence[FeedRow]:
        """Read all feeds."""
        ...

    def declare_feed(
        self, feed: str, *, every: Interval | None, complete: bool | None, new: bool
    ) -> FeedRow | None:
        """Note how often a feed reports and whether it sees every use; None changes nothing.

        Returns what holds now; None where there is no such feed and it is not to be a new one.
        """
        ...
