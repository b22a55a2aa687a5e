"""The names of events: which of them a log has brought before, and which other logs have.

An event is named by a digest of its record (domain/usage/sightings.py). Where a log gives no ids,
two events may leave equal records; the second is then another event than the first, and gets a
name of its own: the digest plus a constant, once for each equal record before it. So a log that is
read again, or overlaps with another, brings names that are known, and a busy second is not one use.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout.adapters.db.usage_endpoints import DIGEST, NUMBER, EndpointNumbers
from rollout.domain.usage import EVENT_BYTES, USE_BYTES, Caller, Uses

Names = NDArray[np.uint64]
Hour = tuple[bool, datetime]  # whether its events have ids of their own, and its first instant

NAME = np.dtype(">u8")  # as they are stored: the outcome is in the lowest bit
USE = np.dtype([("name", NAME), ("endpoint", DIGEST)])  # as in ``Uses``
NEXT = np.uint64(0x9E3779B97F4A7C16)  # even, so that the lowest bit stays
MOST_RUNS = 8  # sorted runs that are searched one by one before they are merged
IN_MEMORY = 1_500_000  # names of one log; the hours that came first are then set aside in a file


@dataclass(frozen=True, slots=True)
class Counted:
    """The uses of one caller in one hour, by names that are unique within the log."""

    caller: Caller
    uses: Uses
    events: bytes
    endpoints: bytes  # of each event, the number of what was called
    count: int
    refused: int


@dataclass(slots=True)
class _Hour:
    """The digests that one log has brought within an hour, and how often each."""

    digests: list[Names] = field(default_factory=list)  # sorted runs
    times: list[NDArray[np.int64]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.digests))

    def before(self, digests: Names) -> NDArray[np.int64]:
        """Return how often each of these, which are sorted and distinct, came before."""
        total = np.zeros(len(digests), dtype=np.int64)
        for run, times in zip(self.digests, self.times, strict=True):
            at = np.minimum(np.searchsorted(run, digests), len(run) - 1)
            total += np.where(run[at] == digests, times[at], 0)
        return total

    def add(self, digests: Names, times: NDArray[np.int64]) -> None:
        self.digests.append(digests)
        self.times.append(times)
        if len(self.digests) > MOST_RUNS:
            self.merge()

    def names(self, *, own_ids: bool) -> Names:
        """Return the names that were given."""
        digests, times = self.merge()
        if own_ids:
            return digests
        nth = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(digests, times) + nth.astype(np.uint64) * NEXT

    def merge(self) -> tuple[Names, NDArray[np.int64]]:
        """Make one run of all; return its digests and their times."""
        merged, at = np.unique(np.concatenate(self.digests), return_inverse=True)
        totals = np.bincount(at, weights=np.concatenate(self.times)).astype(np.int64)
        self.digests, self.times = [merged], [totals]
        return merged, totals


class EventNames:
    """Names the events of one log, hour by hour; memory does not grow with the log.

    ``taken`` are names that other logs have brought in the same transaction: they count no more.
    """

    def __init__(self, taken: dict[Hour, set[int]] | None = None) -> None:
        self._taken = taken or {}
        self._hours: dict[Hour, _Hour] = {}
        self._aside: dict[Hour, Path] = {}
        self._folder: Path | None = None

    def taken(self) -> dict[Hour, set[int]]:
        """Return the names that no later log may bring again: those of this log, and before it.

        It is one growing record: this log is not to be named on.
        """
        for key in [*self._hours, *self._aside]:
            own = self._hour(key).names(own_ids=key[0])
            self._taken.setdefault(key, set()).update(own.tolist())
        return self._taken

    def number(self, uses: Mapping[Caller, Uses], numbers: EndpointNumbers) -> Iterator[Counted]:
        """Give the next uses of the log their names; an id of the log's own counts once."""
        by_hour: dict[Hour, list[Caller]] = {}
        for caller in uses:
            by_hour.setdefault((caller.own_ids, caller.hour), []).append(caller)
        for key, callers in by_hour.items():
            yield from self._number(key, callers, uses, numbers)
        self._make_room(by_hour)

    def _number(
        self,
        key: Hour,
        callers: list[Caller],
        uses: Mapping[Caller, Uses],
        numbers: EndpointNumbers,
    ) -> Iterator[Counted]:
        each = np.frombuffer(b"".join(uses[caller].each for caller in callers), USE)
        digests = each["name"].astype(np.uint64)
        ends = list(accumulate((len(uses[c].each) // USE_BYTES for c in callers), initial=0))
        nth = self._occurrences(key, digests)
        names = digests + nth.astype(np.uint64) * NEXT
        keep = nth == 0 if key[0] else np.ones(len(names), dtype=bool)
        if key in self._taken:
            taken = self._taken[key]
            keep &= np.array([name not in taken for name in names.tolist()])
        refused = np.concatenate(([0], np.cumsum((names & np.uint64(1)).astype(np.int64) * keep)))
        kept = np.concatenate(([0], np.cumsum(keep)))
        stored = names[keep].astype(NAME).tobytes()
        endpoints = numbers.of(each["endpoint"].astype(np.uint64)[keep]).tobytes()
        for caller, (start, end) in zip(callers, pairwise(ends), strict=True):
            first, last = int(kept[start]), int(kept[end])
            if first < last:
                yield Counted(
                    caller,
                    uses[caller],
                    stored[first * EVENT_BYTES : last * EVENT_BYTES],
                    endpoints[first * NUMBER.itemsize : last * NUMBER.itemsize],
                    last - first,
                    int(refused[end] - refused[start]),
                )

    def _occurrences(self, key: Hour, digests: Names) -> NDArray[np.int64]:
        """Return, for each digest, how many equal ones the log has brought before it."""
        hour = self._hour(key)
        order = np.argsort(digests, kind="stable")
        in_order = digests[order]
        starts = np.flatnonzero(np.concatenate(([True], in_order[1:] != in_order[:-1])))
        times = np.diff(np.concatenate((starts, [len(in_order)])))
        before = hour.before(in_order[starts])
        nth = np.empty(len(digests), dtype=np.int64)
        nth[order] = np.arange(len(digests)) + np.repeat(before - starts, times)
        hour.add(in_order[starts], times)
        return nth

    def _hour(self, key: Hour) -> _Hour:
        hour = self._hours.setdefault(key, _Hour())
        if key in self._aside:
            with np.load(self._aside.pop(key)) as saved:
                hour.add(saved["digests"], saved["times"])
        return hour

    def _make_room(self, current: Mapping[Hour, Any]) -> None:
        """Set hours aside in files, those first that came first."""
        held = sum(map(len, self._hours.values()))
        for key in [key for key in self._hours if key not in current]:
            if held <= IN_MEMORY:
                return
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="rollout-import-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            hour = self._hours.pop(key)
            held -= len(hour)
            path = self._folder / f"{key[1]:%Y%m%d%H}-{key[0]}.npz"
            digests, times = hour.merge()
            np.savez(path, digests=digests, times=times)
            self._aside[key] = path


def union(*names: bytes) -> bytes:
    """Return all of these names, each once, sorted."""
    joined = np.frombuffer(b"".join(names), NAME).astype(np.uint64)  # as the processor has them
    return np.unique(joined).astype(NAME).tobytes()


@dataclass(frozen=True, slots=True)
class New:
    """What is new of a row: how many uses, how many of them refused, and what they called."""

    count: int
    refused: int
    endpoints: bytes


def without(of_rows: Sequence[tuple[bytes, bytes]], known: bytes) -> Iterator[New]:
    """Return, for each row of names and endpoints, what of it has no known name."""
    names = np.frombuffer(b"".join(events for events, _ in of_rows), NAME).astype(np.uint64)
    endpoints = np.frombuffer(b"".join(called for _, called in of_rows), NUMBER)
    new = ~np.isin(names, np.frombuffer(known, NAME).astype(np.uint64))
    refused = new & (names & np.uint64(1)).astype(bool)
    ends = list(accumulate((len(events) // EVENT_BYTES for events, _ in of_rows), initial=0))
    so_far = [np.concatenate(([0], np.cumsum(which))).tolist() for which in (new, refused)]
    for start, end in pairwise(ends):
        count, no = (sums[end] - sums[start] for sums in so_far)
        yield New(count, no, endpoints[start:end][new[start:end]].tobytes())
