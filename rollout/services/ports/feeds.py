"""Feeds: one reader per log format, over logs that are read once, from front to back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.usage import Sighting


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record of a feed that could not be used: where it stands in its log, and why."""

    where: str  # `line 12`, `record 7`
    why: str
    example: str  # the beginning of the record, made safe to show


@dataclass(frozen=True, slots=True)
class Keyless:
    """A record that was read well but was not made with a key (no user, a console login …)."""

    at: datetime | None
    user_agent: str
    network: str
    account_id: str | None = None  # the account that the log itself names, if it does


@dataclass(frozen=True, slots=True)
class LastUse:
    """What an authority says of a key as of a time: when it was last used, not how often."""

    key_id: str
    account_id: str | None
    last_used: datetime | None  # None: never
    as_of: datetime
    active: bool  # whether the key can be used at all


Reading = Sighting | LastUse | Keyless | Unreadable


class Log(Protocol):
    """The bytes of one log, decompressed: a file, standard input, the body of a request."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        ...

    @property
    def first_line(self) -> int:
        """The number of its first line: 1, unless it is a piece of something longer."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """Read on, a bounded block at a time.

        Raises ``BadInput`` when the log as a whole is damaged (a truncated gzip, say): then
        nothing of it may be kept.
        """
        ...

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes read so far."""
        ...


class UsageFeed(Protocol):
    """Reads one format. Nothing is dropped: each record comes out as one of the three readings."""

    @property
    def name(self) -> str:
        """The name of the format."""
        ...

    @property
    def by_line(self) -> bool:
        """Whether each line is a record, so that a log may be cut into pieces at any of them."""
        ...

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log in its order, in bounded memory.

        The texts of a reading are valid Unicode without NUL, and not longer than a few thousand
        characters, whatever the log says.
        Raises ``BadInput`` when the log as a whole is damaged.
        """
        ...
