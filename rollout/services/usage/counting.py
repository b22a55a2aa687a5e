"""Readings of a log become sightings per hour."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import datetime

from rollout.domain.inventory_fields import MAX_ID
from rollout.domain.usage import HourlyUse, Sighting, hour_of
from rollout.services.ports import Keyless, LastUse, Reading, Unreadable
from rollout.services.usage.tally import Tally

BATCH = 100_000  # records that are counted in memory before they go to the database


def count_by_hour(
    readings: Iterable[Reading], tally: Tally, *, log_name: str, latest: datetime
) -> Iterator[list[HourlyUse]]:
    """Count readings into hours, a batch at a time, and account for each in the tally.

    A sighting later than ``latest`` cannot be used: it would prove a use that has not been.
    """
    batch = _Batch()
    for reading in readings:
        tally.records += 1
        usable = _usable(reading, latest, tally.records)
        if isinstance(usable, Unreadable):
            tally.refuse(log_name, usable)
        else:
            tally.see(usable)
            if isinstance(usable, Sighting):
                batch.add(usable)
            else:
                tally.keyless += 1
        if tally.records % BATCH == 0:
            yield batch.take()
    yield batch.take()


def _usable(reading: Reading, latest: datetime, number: int) -> Sighting | Keyless | Unreadable:
    """Return the reading, or why it cannot be used although it could be read."""
    if isinstance(reading, LastUse):
        return Unreadable(f"record {number}", "no uses, only last uses", reading.key_id)
    if not isinstance(reading, Sighting):
        return reading
    if reading.at > latest:
        why = "the time is in the future"
    elif len(reading.key_id) > MAX_ID or len(reading.account_id or "") > MAX_ID:
        why = f"the key or the account is longer than {MAX_ID} characters"
    else:
        return reading
    shown = f"key {reading.key_id[:MAX_ID]!r} at {reading.at.isoformat()}"
    return Unreadable(f"record {number}", why, shown)


class _Batch:
    """Uses of the same key by the same caller in one hour become one row.

    An event that may come again stays a row of its own: whether it counts is not known yet.
    """

    def __init__(self) -> None:
        self._hours: dict[Hashable, HourlyUse] = {}
        self._events: list[HourlyUse] = []

    def add(self, sighting: Sighting) -> None:
        """Count a sighting."""
        if sighting.own_id:
            self._events.append(HourlyUse.of(sighting))
            return
        same = (
            sighting.key_id,
            sighting.account_id,
            sighting.user_agent,
            sighting.network,
            hour_of(sighting.at),
        )
        if same in self._hours:
            self._hours[same].add(sighting)
        else:
            self._hours[same] = HourlyUse.of(sighting)

    def take(self) -> list[HourlyUse]:
        """Hand out what was counted, and begin again."""
        uses = [*self._hours.values(), *self._events]
        self._hours.clear()
        self._events.clear()
        return uses
