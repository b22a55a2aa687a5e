"""Sightings: one use of a key, who called, and the count of them in an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from rollout.domain.usage.user_agents import normalise_user_agent


@dataclass(frozen=True, slots=True)
class Sighting:
    """One use of a key, read from a feed. ``at`` is aware UTC."""

    key_id: str
    at: datetime
    user_agent: str  # as logged; normalised when it becomes a source
    network: str  # the caller's address as logged, even where it is not a valid IP
    refused: bool  # the platform answered with an error: still a use
    account_id: str | None  # the account that the log itself names, if it does
    event: bytes  # 8 bytes that name the event: a digest of all that its record says
    # Whether the log gives each event an id of its own. Then equal records are one event, in
    # whichever files they come; else a log may hold two events that left equal records.
    own_id: bool
    client: str = ""  # what the caller says it is in a header, or its OAuth client, if logged


@dataclass(frozen=True, slots=True)
class Source:
    """Who calls: a normalised user agent and a network."""

    user_agent: str
    network: str

    @property
    def source_id(self) -> bytes:
        """Return 16 bytes that name this source, the same in every import and every database."""
        return sha256(f"{self.user_agent}\0{self.network}".encode()).digest()[:16]


@dataclass(slots=True)
class HourlyUse:
    """The uses of one key through one source within one hour; a use is counted in by ``add``."""

    key_id: str
    account_id: str | None
    source: Source
    example: str  # the user agent as it was logged
    hour: datetime  # its first instant
    first_at: datetime
    last_at: datetime
    count: int
    refused: int
    event: bytes | None  # where it is a single event that may come again

    @classmethod
    def of(cls, sighting: Sighting) -> HourlyUse:
        """Begin with one use."""
        return cls(
            key_id=sighting.key_id,
            account_id=sighting.account_id,
            source=Source(normalise_user_agent(sighting.user_agent), sighting.network),
            example=sighting.user_agent,
            hour=hour_of(sighting.at),
            first_at=sighting.at,
            last_at=sighting.at,
            count=1,
            refused=int(sighting.refused),
            event=sighting.event if sighting.own_id else None,
        )

    def add(self, sighting: Sighting) -> None:
        """Count in another use of the same key, source and hour."""
        self.count += 1
        self.refused += sighting.refused
        self.first_at = min(self.first_at, sighting.at)
        self.last_at = max(self.last_at, sighting.at)


def hour_of(at: datetime) -> datetime:
    """Return the instant at which the hour of ``at`` began."""
    return at.replace(minute=0, second=0, microsecond=0)
