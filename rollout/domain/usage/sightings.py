"""Sightings: one use of a key, who called, and the count of them in an hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from rollout.domain.usage.endpoints import ENDPOINT_BYTES

EVENT_BYTES = 8  # of the name of an event
USE_BYTES = EVENT_BYTES + ENDPOINT_BYTES


@dataclass(frozen=True, slots=True)
class Sighting:
    """One use of a key, read from a feed. ``at`` is aware UTC."""

    key_id: str
    at: datetime
    user_agent: str  # as logged; normalised when it becomes a source
    network: str  # the caller's address as logged, even where it is not a valid IP
    refused: bool  # the platform answered with an error: still a use
    account_id: str | None  # the account that the log itself names, if it does
    event: bytes  # EVENT_BYTES that name the event: a digest of all that its record says
    # Whether the log gives each event an id of its own. Then equal records are one event, in
    # whichever files they come; else a log may hold two events that left equal records.
    own_id: bool
    client: str = ""  # what the caller says it is in a header, or its OAuth client, if logged
    endpoint: str = ""  # what was called, as ``endpoints`` writes it, if logged


@dataclass(frozen=True, slots=True)
class Source:
    """Who calls: a normalised user agent, a network, and the client it says it is."""

    user_agent: str
    network: str
    client: str = ""

    @property
    def source_id(self) -> bytes:
        """Return 16 bytes that name this source, the same in every import and every database."""
        parts = (self.user_agent, self.network, self.client)
        return sha256("\0".join(parts).encode()).digest()[:16]


class Caller(NamedTuple):
    """A key in the hands of a source within one hour: what uses are counted under."""

    key_id: str
    account_id: str | None
    user_agent: str  # normalised
    network: str
    client: str
    hour: datetime  # its first instant
    own_ids: bool  # of its events, as in ``Sighting``


@dataclass(slots=True)
class Uses:
    """The uses of one caller in one hour: their first, their last, and what each was.

    Of each there are ``USE_BYTES``: the name of its event, and the digest of its endpoint.
    """

    first_at: datetime
    last_at: datetime
    each: bytearray = field(default_factory=bytearray)

    def add(self, event: bytes, endpoint: bytes, *, at: datetime, refused: bool) -> None:
        """Count in one more."""
        self.first_at = min(self.first_at, at)
        self.last_at = max(self.last_at, at)
        self.each += mark(event, refused=refused) + endpoint

    def merge(self, other: Uses) -> None:
        """Count in those of another piece of the same log."""
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
        self.each += other.each


def mark(event: bytes, *, refused: bool) -> bytes:
    """Return an event's name with the outcome in its lowest bit, so that no second list is kept."""
    return event[:-1] + (event[-1] & 0xFE | refused).to_bytes()


def refusals(events: Iterable[int]) -> int:
    """Count the refused ones among the bytes of names that ``mark`` made."""
    return sum(byte & 1 for number, byte in enumerate(events, 1) if number % EVENT_BYTES == 0)


def hour_of(at: datetime) -> datetime:
    """Return the instant at which the hour of ``at`` began."""
    return at.replace(minute=0, second=0, microsecond=0)
