"""Logs come in: whole or not at all, each event once, in whatever order they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.domain.audit import Fact
from rollout.domain.errors import BadInput, BadRows
from rollout.services.ports import (
    Counting,
    Counts,
    LastUse,
    Log,
    StartUnitOfWork,
    UnitOfWork,
    UsageFeed,
)
from rollout.services.ports.usage import ImportedFile, Merged
from rollout.services.usage.counting import InTurn, note
from rollout.services.usage.tally import Tally

AHEAD = timedelta(days=1)  # how far a log's clock may be ahead of the database's
TOGETHER = 100_000  # records, whatever becomes of them, after which a transaction ends


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one log: its tally; None if it was taken in before; or why it was refused."""

    log: Log
    tally: Tally | None = None
    refused: BadInput | None = None

    def merged(self, merged: Merged) -> Imported:
        """Return this with what became of its uses."""
        if self.tally is None or merged.late:
            return replace(self, tally=None)
        self.tally.sightings, self.tally.repeated = merged.counted, merged.repeated
        return self


class UsageImport:
    """Takes in logs of one feed, which is a name for where they come from."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def import_logs(
        self,
        logs: Iterable[Log],
        reader: UsageFeed,
        *,
        feed: str,
        operator: str,
        counting: Counting | None = None,
    ) -> Iterator[Imported]:
        """Take in logs one after the other, several small ones in one transaction.

        A log is refused with ``BadInput`` if it is damaged, and with ``BadRows`` if it has records
        and none can be read: then the format is probably another. The next one comes all the same.
        """
        with self._start() as uow:
            latest = uow.now() + AHEAD
        counted = (counting or InTurn()).count(reader, logs, latest)
        while taken_in := self._take_in(counted, reader, feed=feed, operator=operator):
            yield from taken_in

    def import_log(self, log: Log, reader: UsageFeed, *, feed: str, operator: str) -> Tally | None:
        """Take in one log; None if its content was taken in before. Raises as ``Imported`` says."""
        for imported in self.import_logs([log], reader, feed=feed, operator=operator):
            if imported.refused:
                raise imported.refused
            return imported.tally
        return None

    def attest(
        self, ask: Callable[[datetime], Iterable[LastUse]], *, feed: str, operator: str
    ) -> Tally:
        """Take in what an authority answers, asked as of now, when its keys were last used."""
        counts, tally = Counts(), Tally()
        with self._start() as uow:
            now = uow.now()
        for last_use in ask(now):  # takes a while: no transaction waits for it
            note(counts, last_use, feed, now + AHEAD)
        tally.count(counts)
        with self._start() as uow:
            uow.usage.attest(counts.last_uses)
            data = {"last_uses": tally.last_uses, "unreadable": tally.unreadable}
            uow.audit.append([Fact(operator, "usage.attested", f"feed:{feed}", data=data)])
            uow.commit()
        return tally

    def _take_in(
        self,
        counted: Iterator[tuple[Log, Iterator[Counts]]],
        reader: UsageFeed,
        *,
        feed: str,
        operator: str,
    ) -> list[Imported]:
        """Take in the next logs, as many as make a transaction; none after the last."""
        read: list[Imported] = []
        records = 0
        with self._start() as uow:
            for log, pieces in counted:
                tally = Tally()
                read.append(_stage(uow, log, pieces, tally, reader, feed))
                records += tally.records
                # What was written past the staging ends it: two imports would wait for each
                # other's rows.
                if records >= TOGETHER or tally.ahead or tally.last_uses:
                    break
            if not read:
                return []
            merged = iter(uow.usage.merge(feed))
            imported = [one.merged(next(merged)) if one.tally else one for one in read]
            new = [(one.log, one.tally) for one in imported if one.tally]
            uow.usage.add_files([_file(log, feed, tally) for log, tally in new])
            uow.audit.append([_fact(log, feed, operator, tally) for log, tally in new])
            uow.commit()
        return imported


def _stage(
    uow: UnitOfWork,
    log: Log,
    pieces: Iterator[Counts],
    tally: Tally,
    reader: UsageFeed,
    feed: str,
) -> Imported:
    """Set a log aside; where it is refused, or was taken in before, nothing of it stays.

    ``tally`` is told what it holds, in any case.
    """
    try:
        with uow.usage.staging() as staged:
            for counts in pieces:
                tally.count(counts)
                staged.add(counts)
                uow.usage.set_aside(feed, counts.ahead)
                uow.usage.attest(counts.last_uses)
            if not staged.keep_as(log.digest()):
                return Imported(log)
            _refuse_if_unreadable(log, reader, tally)
    except BadInput as refused:
        return Imported(log, refused=refused)
    return Imported(log, tally)


def _refuse_if_unreadable(log: Log, reader: UsageFeed, tally: Tally) -> None:
    if tally.records and tally.unreadable == tally.records:
        raise BadRows(
            f"{log.name}: none of its {tally.records} records can be read as {reader.name};"
            " nothing of it was kept",
            tally.examples,
            fix="is it of another --format?",
        )


def _file(log: Log, feed: str, tally: Tally) -> ImportedFile:
    return ImportedFile(
        digest=log.digest(),
        feed=feed,
        name=log.name,
        events=tally.sightings,
        keyless=tally.keyless,
        unreadable=tally.unreadable,
        repeated=tally.repeated,
    )


def _fact(log: Log, feed: str, operator: str, tally: Tally) -> Fact:
    data = {
        "file": log.name,
        "sha256": log.digest().hex(),
        "records": tally.records,
        "sightings": tally.sightings,
        "repeated": tally.repeated,
        "last_uses": tally.last_uses,
        "ahead": tally.ahead,
        "keyless": tally.keyless,
        "unreadable": tally.unreadable,
    }
    return Fact(operator, "usage.imported", f"feed:{feed}", data=data)
