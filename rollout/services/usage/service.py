"""The use cases of the usage stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.audit import Fact
from rollout.domain.errors import BadRows
from rollout.domain.usage import USAGE_FRESH, USAGE_WINDOW, Coverage, Usage, judge_usage
from rollout.services.plan.late_keys import reopen
from rollout.services.ports import Log, StartUnitOfWork, UnitOfWork, UsageFeed
from rollout.services.ports.usage import ImportedFile, KeyRow, SourceRow
from rollout.services.usage.counting import count_by_hour
from rollout.services.usage.tally import Tally

PAGE = 10_000  # rows read at a time
AHEAD = timedelta(days=1)  # how far a log's clock may be ahead of the database's


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and what we may conclude about its use as of ``now``."""

    row: KeyRow
    usage: Usage


@dataclass(frozen=True, slots=True)
class Discovery:
    """How many keys that only logs had named were registered, and accounts for them."""

    accounts: int
    keys: int


class UsageService:
    """Takes in logs, and says who still uses what."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def import_log(self, log: Log, reader: UsageFeed, *, feed: str, operator: str) -> Tally | None:
        """Take in one log, whole or not at all; None if its content was taken in before.

        ``feed`` names where the log comes from. Raises ``BadInput`` if the log is damaged, and
        ``BadRows`` if it has records and none can be read: then the format is probably another.
        """
        tally = Tally()
        with self._start() as uow:
            latest = uow.now() + AHEAD
            readings = reader.read(log)
            for uses in count_by_hour(readings, tally, log_name=log.name, latest=latest):
                uow.usage.stage(uses)
            if uow.usage.knows_file(log.digest()):
                return None
            _refuse_if_unreadable(log, reader, tally)
            merged = uow.usage.merge(feed)
            tally.sightings, tally.repeated = merged.counted, merged.repeated
            if not uow.usage.add_file(_file(log, feed, tally)):
                return None
            uow.audit.append([_imported(log, feed, operator, tally)])
            uow.commit()
        return tally

    def discover(self, *, feed: str, operator: str) -> Discovery:
        """Register the keys kept aside whose account the logs name, as REST keys.

        A key that logs ascribe to several accounts, or to none, stays aside.
        """
        accounts = keys = 0
        with self._start() as uow:
            while page := uow.usage.adoptable(PAGE):
                accounts += uow.usage.adopt(page)
                keys += len(page)
            if keys:
                data = {"accounts": accounts, "keys": keys}
                reopen(uow)
                uow.audit.append(
                    [Fact(operator, "inventory.discovered", f"feed:{feed}", data=data)]
                )
                uow.commit()
        return Discovery(accounts, keys)

    def unknown_keys(self, limit: int) -> tuple[int, Sequence[str]]:
        """Count the keys that were seen but never registered, and name the first few."""
        with self._start() as uow:
            return uow.usage.unknown_keys(limit)

    def key_uses(self, *, registered: bool = True) -> Iterator[KeyUse]:
        """Read keys in the order of their ids: those we know, or those that only logs know."""
        after = ""
        while True:
            with self._start() as uow:
                read = uow.usage.keys if registered else uow.usage.unregistered_keys
                page = read(after, PAGE)
                judge = _judge(uow)
            yield from (KeyUse(row, judge(row.last_seen)) for row in page)
            if len(page) < PAGE:
                return
            after = page[-1].key_id

    def sources(self) -> Sequence[SourceRow]:
        """Read who calls, the busiest first."""
        with self._start() as uow:
            return uow.usage.sources()


def _judge(uow: UnitOfWork) -> Callable[[datetime | None], Usage]:
    now: datetime = uow.now()
    coverage: Coverage = uow.usage.coverage()
    return lambda last_seen: judge_usage(
        last_seen, coverage, now=now, window=USAGE_WINDOW, fresh=USAGE_FRESH
    )


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


def _imported(log: Log, feed: str, operator: str, tally: Tally) -> Fact:
    data = {
        "file": log.name,
        "sha256": log.digest().hex(),
        "records": tally.records,
        "sightings": tally.sightings,
        "repeated": tally.repeated,
        "keyless": tally.keyless,
        "unreadable": tally.unreadable,
    }
    return Fact(operator, "usage.imported", f"feed:{feed}", data=data)
