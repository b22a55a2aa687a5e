"""When a record was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollout.adapters.feeds.instants import Iso, TimeFormat
from rollout.adapters.feeds.mapped.sources import Record, Source


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that stands somewhere, written in one of a few formats."""

    source: Source
    formats: tuple[TimeFormat, ...] = (Iso(),)

    def __call__(self, record: Record) -> datetime | None:
        """Return the time in UTC; None if there is none that can be read."""
        if text := self.source(record):
            for read in self.formats:
                if at := read(text):
                    return at
        return None


@dataclass(frozen=True, slots=True)
class FirstMoment:
    """The first time that can be read."""

    moments: tuple[Moment, ...]

    def __call__(self, record: Record) -> datetime | None:
        """Return the time in UTC; None if there is none that can be read."""
        for moment in self.moments:
            if at := moment(record):
                return at
        return None
