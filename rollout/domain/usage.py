"""Sightings: one use of a key, who called, and what we may conclude from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256

USAGE_WINDOW = timedelta(days=30)  # what "in use" means where a deprecation does not say otherwise
USAGE_FRESH = timedelta(days=2)  # how old the newest event may be for silence to be evidence


class Usage(StrEnum):
    """Whether a key is still used. Unknown is never unused (U0)."""

    IN_USE = "in_use"
    UNUSED = "unused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """One use of a key, read from a feed. ``at`` is aware UTC."""

    key_id: str
    at: datetime
    user_agent: str  # as logged; normalised when it becomes a source
    network: str  # the caller's address as logged, even where it is not a valid IP
    refused: bool  # the platform answered with an error: still a use
    account_id: str | None  # the account that the log itself names, if it does
    # The digest of the event, where the log gives each event an id of its own: an event that
    # comes twice then counts once, in whichever files it comes.
    event: bytes | None


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
            event=sighting.event,
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


@dataclass(frozen=True, slots=True)
class Coverage:
    """From when to when each feed has reported, in aware UTC."""

    feeds: tuple[tuple[datetime, datetime], ...] = ()

    def spans(self, start: datetime, end: datetime) -> bool:
        """Say whether one of the feeds has listened all the time between two instants."""
        return any(first <= start and newest >= end for first, newest in self.feeds)


def judge_usage(
    last_seen: datetime | None,
    coverage: Coverage,
    *,
    now: datetime,
    window: timedelta,
    fresh: timedelta,
) -> Usage:
    """Say whether a key is in use, unused, or unknown as of ``now``.

    A use within ``window`` (its first instant included) is evidence by itself. Silence is evidence
    only while a feed is listening: without an event of any key in the last ``fresh``, silence
    means nothing.
    """
    if last_seen is not None and last_seen >= now - window:
        return Usage.IN_USE
    return Usage.UNUSED if coverage.spans(now - window, now - fresh) else Usage.UNKNOWN


# What differs between two calls of one program: which build it is, and ids made up for a run.
# Each goes with the sign that ties it to the name before it. Nothing here can backtrack far.
_NOISE = re.compile(
    r"""
    # a UUID
    [-_/:\#=.+]? (?<![0-9a-z]) [0-9a-f]{8} (?:-[0-9a-f]{4}){3} -[0-9a-f]{12} (?![0-9a-z])
    # a hash or a build: at least 12 hexadecimal digits, one of them below ten
    | [-_/:\#=.+]? (?<![0-9a-z]) (?=[a-f]*+[0-9]) [0-9a-f]{12,}+ (?![0-9a-z])
    # a version after a name: /1.2-rc1, #1.26.2, @3
    | [/\#@] v?[0-9]++ (?:[._][0-9a-z]++)*+ (?:[-+~][0-9a-z][0-9a-z._]*+)*+ (?![0-9a-z])
    # a date
    | [-_ ]? (?<![0-9a-z.]) [0-9]{4}-[0-9]{2}-[0-9]{2} (?![0-9a-z])
    # a version by itself: 10_8_2, 2.0b12
    | [ ]? (?<![0-9a-z./]) v?[0-9]++ (?:[._][0-9]++)++ [a-z0-9]*+
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


@lru_cache(maxsize=16_384)
def normalise_user_agent(logged: str) -> str:
    """Return the name that a program keeps over its versions and runs; ``-`` where it has none.

    Versions, UUIDs, hashes and dates go; product names and comments stay.

    >>> normalise_user_agent("stratus-red-team_10e7edf3-5063-4eba-8842-68f83bb52d65")
    'stratus-red-team'
    >>> normalise_user_agent("aws-sdk-go-v2/1.32.3 os/linux lang/go#1.23.1")
    'aws-sdk-go-v2 os/linux lang/go'
    """
    name = _NOISE.sub("", logged)
    return " ".join(name.split()) or "-"
