"""The uses of logs, beside the tables until all of each has been read. Nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.usage_endpoints import EndpointNumbers
from rollout.adapters.db.usage_events import EventNames
from rollout.adapters.db.usage_files import known
from rollout.domain.usage import USE_BYTES, Source
from rollout.services.ports import Counts

COLUMNS = (
    *("log", "row", "own_ids", "key_id", "account_id", "source_id", "hour"),
    *("count", "refused", "first_at", "last_at", "events", "endpoints"),
)
SOURCES = ("source_id", "user_agent", "network", "client", "example")
ENDPOINTS = ("number", "endpoint")
TOGETHER = 50_000  # rows of small logs
ENOUGH = 1 << 20  # uses that are held in memory before they are written

TABLES = (
    "SET LOCAL idle_in_transaction_session_timeout = 0",  # a long log may bring no use for long
    """
    CREATE TEMPORARY TABLE staged (
        log integer, row bigint, own_ids boolean, key_id text, account_id text, source_id bytea,
        hour timestamptz, count bigint, refused bigint, first_at timestamptz, last_at timestamptz,
        events bytea STORAGE EXTERNAL,  -- random bytes
        endpoints bytea  -- of each event, the number of what was called
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE staged_sources (
        source_id bytea, user_agent text, network text, client text, example text
    ) ON COMMIT DROP
    """,
    "CREATE TEMPORARY TABLE staged_endpoints (number bigint, endpoint text) ON COMMIT DROP",
    """
    CREATE TEMPORARY TABLE called (key_id text, day date, endpoint bigint, uses bigint)
    ON COMMIT DROP
    """,
)


class Staging:
    """Takes in logs one after the other; none counts what another has brought.

    Rows of many small logs are written together. A log that is too large to be held writes its own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held = Rows()
        self._rows = count()
        self._free = count(1)  # of endpoints
        self._names = EventNames()
        self._digests: set[bytes] = set()
        self.logs: list[StagedLog] = []
        for statement in TABLES:
            connection.execute(text(statement))

    @contextmanager
    def log(self, names: EventNames | None = None) -> Iterator[StagedLog]:
        """Take in one log: all of it, or nothing if this raises or it is known."""
        names = names or EventNames(self._names.taken())
        with self._connection.begin_nested() as savepoint:
            numbers = EndpointNumbers(self._free)
            log = StagedLog(
                self._connection, names, numbers, self._rows, len(self.logs), self._digests
            )
            yield log
            if log.known:
                savepoint.rollback()
                return
        self.logs.append(log)
        if log.digest is not None:
            self._digests.add(log.digest)
        self._names = names
        self._held.add(log.rest())
        if len(self._held.rows) > TOGETHER:
            self.close()

    def close(self) -> None:
        """Write what is held."""
        self._held.write(self._connection)


class StagedLog:
    """Gathers the counts of one log, names its events, and writes them away by the million.

    Implements ``services.ports.usage.StagedLog``.
    """

    def __init__(
        self,
        connection: Connection,
        names: EventNames,
        endpoints: EndpointNumbers,
        numbers: Iterator[int],
        log: int,
        before: AbstractSet[bytes],
    ) -> None:
        self._connection = connection
        self._names = names
        self._endpoints = endpoints
        self._numbers = numbers
        self._log = log
        self._before = before
        self._gathered = Counts()
        self._held = 0
        self.brought = 0  # uses, those included that count no more
        self.digest: bytes | None = None
        self.known = False

    def add(self, counts: Counts) -> None:
        """Take in the counts of the next piece."""
        brought = sum(len(uses.each) for uses in counts.uses.values()) // USE_BYTES
        self.brought += brought
        self._held += brought
        self._gathered.merge_uses(counts)
        if self._held > ENOUGH:
            self.rest().write(self._connection)

    def keep_as(self, digest: bytes) -> bool:
        """Keep it, under the SHA-256 of its bytes; False: they came before, and nothing stays."""
        self.digest = digest
        self.known = digest in self._before or bool(known(self._connection, [digest]))
        return not self.known

    def rest(self) -> Rows:
        """Return what was gathered and not yet written."""
        gathered, self._gathered, self._held = self._gathered, Counts(), 0
        ids = {source: Source(*source).source_id for source in gathered.logged_as}
        rows = Rows(
            {(ids[s], *s, example) for s, example in gathered.logged_as.items()},
            self._endpoints.add(gathered.endpoints),
        )
        for counted in self._names.number(gathered.uses, self._endpoints):
            caller, uses = counted.caller, counted.uses
            rows.rows.append(
                (
                    self._log,
                    next(self._numbers),
                    caller.own_ids,
                    caller.key_id,
                    caller.account_id,
                    ids[caller.user_agent, caller.network, caller.client],
                    caller.hour,
                    counted.count,
                    counted.refused,
                    uses.first_at,
                    uses.last_at,
                    counted.events,
                    counted.endpoints,
                )
            )
        return rows


@dataclass(slots=True)
class Rows:
    """Rows of the three tables, on their way there."""

    sources: set[tuple[object, ...]] = field(default_factory=set)
    endpoints: list[tuple[int, str]] = field(default_factory=list)
    rows: list[tuple[object, ...]] = field(default_factory=list)

    def add(self, others: Rows) -> None:
        """Take in others."""
        self.sources |= others.sources
        self.endpoints += others.endpoints
        self.rows += others.rows

    def write(self, connection: Connection) -> None:
        """Write them away; none is left."""
        if self.rows:
            copy_rows(connection, "staged_sources", SOURCES, self.sources)
            copy_rows(connection, "staged_endpoints", ENDPOINTS, self.endpoints)
            copy_rows(connection, "staged", COLUMNS, self.rows)
            self.sources, self.endpoints, self.rows = set(), [], []
