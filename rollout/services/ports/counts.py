"""What becomes of the records of a log, or of a piece of it: counted, set aside or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from rollout.domain.usage import Caller, Sighting, Uses
from rollout.domain.usage.endpoints import digest_endpoint
from rollout.services.ports.feeds import LastUse, Log, UsageFeed

EXAMPLES = 5  # unreadable records that are shown


@dataclass(slots=True)
class Counts:
    """What a piece of a log holds. ``records`` counts everything that is in the others."""

    records: int = 0
    uses: dict[Caller, Uses] = field(default_factory=dict)
    logged_as: dict[tuple[str, str, str], str] = field(default_factory=dict)  # source → user agent
    endpoints: dict[bytes, str] = field(default_factory=dict)  # of the uses, by their digests
    last_uses: list[LastUse] = field(default_factory=list)
    ahead: list[Sighting] = field(default_factory=list)  # of a time that has not come yet
    keyless: int = 0
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)  # of what is unreadable
    first: datetime | None = None
    last: datetime | None = None
    addresses: set[str] = field(default_factory=set)
    user_agents: set[str] = field(default_factory=set)  # as logged

    def span(self, at: datetime) -> None:
        """Note when a record was made."""
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last = at

    def name(self, source: tuple[str, str, str], logged: str) -> None:
        """Keep, of the user agents that were logged for a source, the first by code point."""
        known = self.logged_as.get(source)
        if known is None or logged < known:
            self.logged_as[source] = logged

    def call(self, endpoint: str) -> bytes:
        """Keep what was called, if that is known; return what stands for it in ``Uses``."""
        digest = digest_endpoint(endpoint)
        if endpoint:
            self.endpoints[digest] = endpoint
        return digest

    def merge(self, other: Counts) -> None:
        """Take in what the next piece of the same log holds."""
        self.records += other.records
        self.merge_uses(other)
        self.last_uses += other.last_uses
        self.ahead += other.ahead
        self.keyless += other.keyless
        self.unreadable += other.unreadable
        self.examples = (self.examples + other.examples)[:EXAMPLES]
        for at in (other.first, other.last):
            if at is not None:
                self.span(at)
        self.addresses |= other.addresses
        self.user_agents |= other.user_agents

    def merge_uses(self, other: Counts) -> None:
        """Take in only the uses of keys."""
        for caller, uses in other.uses.items():
            if caller in self.uses:
                self.uses[caller].merge(uses)
            else:
                self.uses[caller] = uses
        for source, logged in other.logged_as.items():
            self.name(source, logged)
        self.endpoints |= other.endpoints


@runtime_checkable
class BulkFeed(UsageFeed, Protocol):
    """A feed that can count a piece of a log faster than by reading it record by record."""

    def count(self, piece: Log, latest: datetime) -> Counts:
        """Count a piece; the same as counting what ``read`` yields."""
        ...


class Counting(Protocol):
    """Counts logs, perhaps several pieces at once; what comes out is the same."""

    def count(
        self, reader: UsageFeed, logs: Iterable[Log], latest: datetime
    ) -> Iterator[tuple[Log, Iterator[Counts]]]:
        """Read logs one after the other, and count each piece by piece.

        A sighting later than ``latest`` is set aside. Where a log is damaged, its own iterator
        raises ``BadInput``; the next log comes all the same.
        """
        ...
