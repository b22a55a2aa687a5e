"""Counts on their way from one process to another: by the column, for a tenth of the time."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any

from rollout.domain.usage import Caller, Uses
from rollout.services.ports import Counts

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PackedCounts:
    """Counts whose uses stand in columns, one row for each caller."""

    others: Counts  # without the uses
    callers: tuple[tuple[Any, ...], ...]  # a column for each field of a caller
    first: array[int]  # microseconds from the beginning of the hour
    last: array[int]
    each: bytes  # of all callers
    ends: array[int]  # where the uses of each caller end, in bytes; the first begin at 0

    def unpack(self) -> Counts:
        """Return what was packed."""
        times = zip(self.first, self.last, pairwise(self.ends), strict=True)
        uses = {}
        for caller, (first, last, (start, end)) in zip(
            map(Caller._make, zip(*self.callers, strict=True)), times, strict=True
        ):
            uses[caller] = Uses(
                caller.hour + first * MICROSECOND,
                caller.hour + last * MICROSECOND,
                bytearray(self.each[start:end]),
            )
        return replace(self.others, uses=uses)


def pack(counts: Counts) -> PackedCounts:
    """Put the uses into columns."""
    uses = counts.uses
    return PackedCounts(
        replace(counts, uses={}),
        tuple(zip(*uses, strict=True)),
        array("q", ((u.first_at - c.hour) // MICROSECOND for c, u in uses.items())),
        array("q", ((u.last_at - c.hour) // MICROSECOND for c, u in uses.items())),
        b"".join(u.each for u in uses.values()),
        array("q", accumulate((len(u.each) for u in uses.values()), initial=0)),
    )
