"""The uses of one log, beside the tables until all of it has been read. Nobody waits for them."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.usage_events import Counted, EventNames
from rollout.domain.usage import EVENT_BYTES, Source
from rollout.services.ports import Counts

COLUMNS = (
    *("row", "own_ids", "key_id", "account_id", "source_id", "hour"),
    *("count", "refused", "first_at", "last_at", "events"),
)
SOURCES = ("source_id", "user_agent", "network", "client", "example")
Ids = dict[tuple[str, str, str], bytes]  # of sources, by their parts

ENOUGH = 16 << 20  # bytes of event names that are held in memory before they are written

TABLES = (
    "SET LOCAL idle_in_transaction_session_timeout = 0",  # a long log may bring no use for long
    """
    CREATE TEMPORARY TABLE staged (
        row bigint, own_ids boolean, key_id text, account_id text, source_id bytea,
        hour timestamptz, count bigint, refused bigint, first_at timestamptz, last_at timestamptz,
        events bytea STORAGE EXTERNAL  -- random bytes
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE staged_sources (
        source_id bytea, user_agent text, network text, client text, example text
    ) ON COMMIT DROP
    """,
)


class Staging:
    """Gathers counts, names their events, and writes them away by the million."""

    def __init__(self, connection: Connection, names: EventNames) -> None:
        self._connection = connection
        self._names = names
        self._gathered = Counts()
        self._held = 0
        self._rows = 0
        self._brought = 0
        for statement in TABLES:
            connection.execute(text(statement))

    def add(self, counts: Counts) -> None:
        """Take in the counts of the next piece of the log."""
        size = sum(len(uses.events) for uses in counts.uses.values())
        self._brought += size // EVENT_BYTES
        self._held += size
        self._gathered.merge_uses(counts)
        if self._held > ENOUGH:
            self._write()

    def close(self) -> int:
        """Write the rest; return how many uses the log has brought."""
        self._write()
        return self._brought

    def _write(self) -> None:
        gathered, self._gathered, self._held = self._gathered, Counts(), 0
        ids = {source: Source(*source).source_id for source in gathered.logged_as}
        copy_rows(
            self._connection,
            "staged_sources",
            SOURCES,
            ((ids[source], *source, example) for source, example in gathered.logged_as.items()),
        )
        copy_rows(self._connection, "staged", COLUMNS, self._staged(gathered, ids))

    def _staged(self, gathered: Counts, ids: Ids) -> Iterator[tuple[object, ...]]:
        for counted in self._names.number(gathered.uses):
            self._rows += 1
            yield _row(self._rows, counted, ids)


def _row(
    number: int, counted: Counted, ids: dict[tuple[str, str, str], bytes]
) -> tuple[object, ...]:
    caller, uses = counted.caller, counted.uses
    return (
        number,
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
    )
