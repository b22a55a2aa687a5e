"""What the usage stage asks of the database."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.usage import Coverage, History, Sighting
from rollout.services.ports.counts import Counts
from rollout.services.ports.feeds import LastUse
from rollout.services.ports.usage_stream import UseSum


@dataclass(frozen=True, slots=True)
class Merged:
    """How a log's sightings entered the tables."""

    counted: int
    repeated: int  # events that had been counted before, in this log or in another
    late: bool = False  # somebody else has taken in the same bytes meanwhile: nothing of it entered


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A log that was taken in, known by the SHA-256 of its decompressed bytes."""

    digest: bytes
    feed: str
    name: str
    events: int
    keyless: int
    unreadable: int
    repeated: int


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key that was seen but never registered, and the account that its logs agree on."""

    key_id: str
    account_id: str | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """What is known of one key's use; a key that nobody registered has no kind."""

    key_id: str
    account_id: str | None
    kind: str | None
    status: str | None
    count: int
    refused: int
    first_seen: datetime | None
    history: History
    integrations: tuple[str, ...]  # by name


@dataclass(frozen=True, slots=True)
class AheadRow:
    """A use that was set aside because its time had not come."""

    feed: str
    key_id: str
    account_id: str | None
    at: datetime
    user_agent: str
    network: str
    refused: bool
    noted_at: datetime


class EventNames(Protocol):
    """Which events a log has brought so far; of no other use to whoever keeps it."""


class StagedLog(Protocol):
    """The uses of one log, beside the tables."""

    def add(self, counts: Counts) -> None:
        """Take in the counts of the next piece."""
        ...

    def keep_as(self, digest: bytes) -> bool:
        """Keep it, under the SHA-256 of its bytes; False: they came before, and nothing stays."""
        ...


class UsageRepository(Protocol):
    """Speaks inside one unit of work."""

    def event_names(self) -> EventNames:
        """Return what tells the events of one log apart; a log that grows keeps it."""
        ...

    def staging(self, names: EventNames | None = None) -> AbstractContextManager[StagedLog]:
        """Set the uses of a log aside, for ``merge`` in the same unit of work.

        Where this raises, nothing of the log stays, and the next one may come.
        """
        ...

    def merge(self, feed: str) -> Sequence[Merged]:
        """Add what was staged to the feed, its sources, the sightings and the last use of keys.

        Says for each log, in their order, how it went. Imports of the same feed wait for each
        other here, and only here.
        """
        ...

    def add_sums(self, feed: str, sums: Sequence[UseSum]) -> int:
        """Add uses to the feed and the tables, as ``merge`` does; return how many they are.

        They have no names by which one could be known again: the caller vouches that each comes
        once, by a cursor in the same unit of work.
        """
        ...

    def cursor(self, name: str) -> str:
        """Return a position, empty at first; others wait for it until the unit of work ends."""
        ...

    def set_cursor(self, name: str, position: str) -> None:
        """Note a position that ``cursor`` has returned in the same unit of work."""
        ...

    def set_aside(self, feed: str, uses: Sequence[Sighting]) -> None:
        """Keep uses of a time that has not come yet, each once, where they prove nothing."""
        ...

    def attest(self, last_uses: Sequence[LastUse]) -> None:
        """Note what an authority says of keys that can be used."""
        ...

    def ahead(self) -> Sequence[AheadRow]:
        """Read the uses of times that had not come when they were taken in, the latest first."""
        ...

    def drop_before(self, month: datetime) -> Sequence[str]:
        """Drop the months of sightings before this one; return which.

        From now on, a use of that time changes no count, but still first and last uses.
        """
        ...

    def claim_name(self, name: str) -> bool:
        """Keep a name of logs from others until the unit of work ends; False: somebody has it."""
        ...

    def find_files(self, digest: bytes, name: str | None) -> Sequence[ImportedFile]:
        """Read the logs that were taken in with these bytes, or under this name."""
        ...

    def add_files(self, files: Sequence[ImportedFile]) -> None:
        """Note logs that were merged."""
        ...

    def unknown_keys(self, limit: int) -> tuple[int, Sequence[str]]:
        """Count the keys that nobody registered, and name the first few."""
        ...

    def adoptable(self, limit: int) -> Sequence[UnknownKey]:
        """Read unknown keys whose account the logs name without contradiction."""
        ...

    def adopt(self, keys: Sequence[UnknownKey]) -> int:
        """Register unknown keys under their accounts; return how many accounts were new."""
        ...

    def coverage(self) -> Coverage:
        """Return what the feeds cover."""
        ...
