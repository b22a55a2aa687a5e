"""What the gateways saw is counted: each batch once, whatever dies, or is emptied, meanwhile.

The stream is a way, not a record: which batches were counted stands in the database, and changes in
the transaction that counts them. Only then does the stream forget them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Self

from rollout.domain.usage import EVENT_BYTES, Sighting
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_stream import StreamEntry, UsageStream, UseBatch, UseSum
from rollout.services.usage.importing import AHEAD

FEED = "gateway"
ENTRIES = 100  # at a time; each holds up to a thousand sums
REMEMBERED = timedelta(days=7)  # a gateway that has been silent for so long sends nothing again


@dataclass(slots=True)
class Collected:
    """What became of some entries of the stream."""

    entries: int = 0
    uses: int = 0  # that were counted
    repeated: int = 0  # batches that had been counted before
    ahead: int = 0  # sums of a time that has not come yet, set aside
    unreadable: list[str] = field(default_factory=list)  # entries, and why
    missing: int = 0  # batches that were sent and never came
    dropped: int = 0  # uses that gateways could not keep


@dataclass(slots=True)
class Progress:
    """How far each gateway was counted: the number of its last batch, and when that was."""

    last: dict[str, tuple[int, datetime]]

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what ``write`` has written; nothing at the very beginning."""
        noted = json.loads(text or "{}")
        return cls({name: (n, datetime.fromisoformat(at)) for name, (n, at) in noted.items()})

    def write(self) -> str:
        """Write it down as text."""
        return json.dumps({name: (n, at.isoformat()) for name, (n, at) in self.last.items()})

    def take(self, batch: UseBatch, now: datetime) -> int | None:
        """Note a batch; return how many before it are missing, or None if it was counted before."""
        before = self.last.get(batch.gateway)
        if before and batch.number <= before[0]:
            return None
        self.last[batch.gateway] = batch.number, now
        return batch.number - before[0] - 1 if before else 0

    def forget_the_silent(self, now: datetime) -> None:
        """Forget gateways that have ended long ago."""
        self.last = {name: seen for name, seen in self.last.items() if now - seen[1] < REMEMBERED}


class UsageCollector:
    """Counts what the gateways saw."""

    def __init__(self, start: StartUnitOfWork, stream: UsageStream) -> None:
        self._start = start
        self._stream = stream

    def collect(self) -> Collected:
        """Count the next entries of the stream; others who collect wait until that is done."""
        with self._start() as uow:
            progress = Progress.read(uow.usage.cursor(FEED))
            entries = self._stream.read(ENTRIES)
            if not entries:
                return Collected()
            now = uow.now()
            collected, sums = _sift(entries, progress, now)
            ahead = [one for one in sums if one.first_at > now + AHEAD]
            uow.usage.set_aside(FEED, [_sighting(one) for one in ahead])
            collected.ahead = len(ahead)
            collected.uses = uow.usage.add_sums(
                FEED, [one for one in sums if one.first_at <= now + AHEAD]
            )
            progress.forget_the_silent(now)
            uow.usage.set_cursor(FEED, progress.write())
            uow.commit()
        self._stream.forget([entry.name for entry in entries])
        return collected


def _sift(
    entries: Sequence[StreamEntry], progress: Progress, now: datetime
) -> tuple[Collected, list[UseSum]]:
    collected, sums = Collected(len(entries)), list[UseSum]()
    for entry in entries:
        if entry.batch is None:
            collected.unreadable.append(f"{entry.name}: {entry.why}")
            continue
        missing = progress.take(entry.batch, now)
        if missing is None:
            collected.repeated += 1
            continue
        collected.missing += missing
        collected.dropped += entry.batch.dropped
        sums += entry.batch.sums
    return collected, sums


def _sighting(one: UseSum) -> Sighting:
    """Let the first use stand for all of a sum whose time has not come: none of them proves any."""
    event = sha256(repr(one).encode()).digest()[:EVENT_BYTES]
    return Sighting(
        key_id=one.key_id,
        at=one.first_at,
        user_agent=one.user_agent,
        network=one.network,
        refused=one.refused,
        account_id=one.account_id,
        event=event,
        own_id=True,
    )
