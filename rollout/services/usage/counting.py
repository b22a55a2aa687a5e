"""Readings of a log become counts, by caller and hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from rollout.domain.inventory_fields import MAX_ID
from rollout.domain.usage import Caller, Sighting, Uses, hour_of, normalise_user_agent
from rollout.services.ports import (
    BulkFeed,
    Counts,
    Keyless,
    LastUse,
    Log,
    Reading,
    Unreadable,
    UsageFeed,
)
from rollout.services.ports.counts import EXAMPLES

BATCH = 100_000  # records that are counted in memory before they are handed on


class InTurn:
    """Implements ``services.ports.Counting``: one log after the other, in this process."""

    def count(
        self, reader: UsageFeed, logs: Iterable[Log], latest: datetime
    ) -> Iterator[tuple[Log, Iterator[Counts]]]:
        """Read logs one after the other, and count each a batch at a time."""
        for log in logs:
            yield log, count_log(reader, log, latest)


def count_log(reader: UsageFeed, log: Log, latest: datetime) -> Iterator[Counts]:
    """Count one log, a batch of its records at a time."""
    counts = Counts()
    for reading in reader.read(log):
        note(counts, reading, log.name, latest)
        if counts.records == BATCH:
            yield counts
            counts = Counts()
    yield counts


def count_piece(reader: UsageFeed, piece: Log, latest: datetime) -> Counts:
    """Count a piece of a log, or a short log, at once."""
    if isinstance(reader, BulkFeed):
        return reader.count(piece, latest)
    counts = Counts()
    for batch in count_log(reader, piece, latest):
        counts.merge(batch)
    return counts


def note(counts: Counts, reading: Reading, log_name: str, latest: datetime) -> None:
    """Account for one reading; a sighting later than ``latest`` is set aside.

    It would prove a use that has not been.
    """
    counts.records += 1
    usable = reading if isinstance(reading, Keyless | Unreadable) else _usable(reading, latest)
    match usable:
        case Unreadable():
            counts.unreadable += 1
            if len(counts.examples) < EXAMPLES:
                counts.examples.append(
                    f"{log_name}: {usable.where}: {usable.why}: {usable.example}"
                )
        case LastUse():
            counts.last_uses.append(usable)
        case Keyless():
            counts.keyless += 1
            _see(counts, usable)
        case Sighting() if usable.at > latest:
            counts.ahead.append(usable)
        case Sighting():
            _see(counts, usable)
            _add(counts, usable)


def _usable(reading: Sighting | LastUse, latest: datetime) -> Sighting | LastUse | Unreadable:
    """Return the reading, or why it cannot be used although it could be read."""
    if isinstance(reading, LastUse) and max(reading.as_of, reading.last_used or latest) > latest:
        return Unreadable("a record", "its time is in the future", f"key {reading.key_id[-4:]!r}")
    if len(reading.key_id) <= MAX_ID and len(reading.account_id or "") <= MAX_ID:
        return reading
    why = f"the key or the account is longer than {MAX_ID} characters"
    return Unreadable("a record", why, f"key {reading.key_id[:MAX_ID]!r}")


def _see(counts: Counts, record: Sighting | Keyless) -> None:
    """Note when and from where a record was made."""
    if record.at is not None:
        counts.span(record.at)
    if record.network:
        counts.addresses.add(record.network)
    if record.user_agent:
        counts.user_agents.add(record.user_agent)


def _add(counts: Counts, use: Sighting) -> None:
    source = (normalise_user_agent(use.user_agent), use.network, use.client)
    counts.name(source, use.user_agent)
    caller = Caller(use.key_id, use.account_id, *source, hour_of(use.at), use.own_id)
    uses = counts.uses.get(caller)
    if uses is None:
        uses = counts.uses[caller] = Uses(use.at, use.at)
    uses.add(use.event, counts.call(use.endpoint), at=use.at, refused=use.refused)
