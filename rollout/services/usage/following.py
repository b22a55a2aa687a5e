"""A log that is still written comes in batch by batch, and with each how far it was read."""

from __future__ import annotations

from rollout.domain.audit import Fact
from rollout.services.ports import Counts, Log, StartUnitOfWork, UsageFeed
from rollout.services.ports.usage import EventNames
from rollout.services.usage.counting import count_piece
from rollout.services.usage.importing import AHEAD
from rollout.services.usage.tally import Tally


class UsageFollow:
    """Takes in one log as it grows."""

    def __init__(self, start: StartUnitOfWork, reader: UsageFeed, *, feed: str, name: str) -> None:
        self._start = start
        self._reader = reader
        self._feed = feed
        self._cursor = f"follow:{feed}:{name}"
        self._names: EventNames | None = None

    def begin(self, operator: str) -> str:
        """Note that the log is followed from now on; return how far it was read before."""
        with self._start() as uow:
            position = uow.usage.cursor(self._cursor)
            data = {"log": self._cursor, "position": position}
            uow.audit.append([Fact(operator, "usage.followed", f"feed:{self._feed}", data=data)])
            uow.commit()
        return position

    def take_in(self, piece: Log, position: str) -> Tally:
        """Take in the next lines, after which the log was read to ``position``.

        What could be read counts, whatever else there is. A batch that fails changes nothing, and
        may be brought again.
        """
        tally = Tally()
        names, self._names = self._names, None  # they are of no use after a failure
        with self._start() as uow:
            names = names or uow.usage.event_names()
            uow.usage.cursor(self._cursor)
            counts: Counts = count_piece(self._reader, piece, uow.now() + AHEAD)
            tally.count(counts)
            with uow.usage.staging(names) as staged:
                staged.add(counts)
            uow.usage.set_aside(self._feed, counts.ahead)
            (merged,) = uow.usage.merge(self._feed)
            tally.sightings, tally.repeated = merged.counted, merged.repeated
            uow.usage.set_cursor(self._cursor, position)
            uow.commit()
        self._names = names
        return tally
