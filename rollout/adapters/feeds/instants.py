"""Reads times as logs write them. What is not a time, or lies outside the calendar, is None."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache

LONGEST = 64  # characters of a time
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# An exponent of three digits would be a number that takes minutes to write out.
_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE]\+?[0-9]{1,2})?")
_REMEMBERED = 4096  # the lines of a log share their seconds

TimeFormat = Callable[[str], datetime | None]


@dataclass(frozen=True, slots=True)
class Iso:
    """``2024-05-02T15:52:07.836Z`` in its many spellings; without an offset it is in ``zone``."""

    zone: tzinfo = UTC

    def __call__(self, text: str) -> datetime | None:
        """Read a time into UTC."""
        return _iso(text, self.zone) if len(text) <= LONGEST else None


@dataclass(frozen=True, slots=True)
class Epoch:
    """A number of seconds, milliseconds … since 1970, whole or not."""

    per_second: int

    def __call__(self, text: str) -> datetime | None:
        """Read a time into UTC."""
        if len(text) > LONGEST or not _NUMBER.fullmatch(text):
            return None
        try:
            return EPOCH + timedelta(microseconds=int(Decimal(text) * 1_000_000 / self.per_second))
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of ``strptime``; where it has no offset, the time is in ``zone``."""

    pattern: str
    zone: tzinfo = UTC

    def __call__(self, text: str) -> datetime | None:
        """Read a time into UTC."""
        return _pattern(text, self.pattern, self.zone) if len(text) <= LONGEST else None


ACCESS_LOG = Pattern("%d/%b/%Y:%H:%M:%S %z")  # as Apache and nginx write it


@lru_cache(_REMEMBERED)
def _iso(text: str, zone: tzinfo) -> datetime | None:
    if ":" not in text:  # a bare number is also a date to Python
        return None
    return _in_utc(lambda: datetime.fromisoformat(text), zone)


@lru_cache(_REMEMBERED)
def _pattern(text: str, pattern: str, zone: tzinfo) -> datetime | None:
    return _in_utc(lambda: datetime.strptime(text, pattern), zone)  # noqa: DTZ007 - it has one next


def _in_utc(read: Callable[[], datetime], zone: tzinfo) -> datetime | None:
    try:
        at = read()
        return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
