"""Whether a key is still used: three-valued, because silence is evidence only while we listen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

USAGE_WINDOW = timedelta(days=30)  # what "in use" means where a deprecation does not say otherwise
USAGE_FRESH = timedelta(days=2)  # how old the newest event may be for silence to be evidence


class Usage(StrEnum):
    """Whether a key is still used. Unknown is never unused (U0)."""

    IN_USE = "in_use"
    UNUSED = "unused"
    UNKNOWN = "unknown"


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
