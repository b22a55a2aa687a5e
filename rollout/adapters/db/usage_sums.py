"""Uses that come as sums, from whoever vouches that each comes once; and how far that has come.

Their events have no names: a gateway under load would write the names of an hour, megabytes of
them, again and again every second. That a batch counts once is what the cursor is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.usage_endpoints import CALLED, CallSum
from rollout.adapters.db.usage_merge import add_staged
from rollout.adapters.db.usage_staging import COLUMNS, ENDPOINTS, SOURCES, TABLES
from rollout.domain.usage import Source, hour_of, normalise_user_agent
from rollout.services.ports.usage_stream import UseSum

_FIRST = "INSERT INTO usage_cursors (name, position) VALUES (:name, '') ON CONFLICT DO NOTHING"
_LOCKED = "SELECT position FROM usage_cursors WHERE name = :name FOR UPDATE"
_MOVE = "UPDATE usage_cursors SET position = :position WHERE name = :name"
_FEED = "INSERT INTO feeds (feed) VALUES (:feed) ON CONFLICT DO NOTHING"


def lock_cursor(connection: Connection, name: str) -> str:
    """Return a position, empty at first; others wait for it until the transaction ends."""
    connection.execute(text(_FIRST), {"name": name})
    position: str = connection.execute(text(_LOCKED), {"name": name}).scalar_one()
    return position


def move_cursor(connection: Connection, name: str, position: str) -> None:
    """Note a position."""
    connection.execute(text(_MOVE), {"name": name, "position": position})


def merge_sums(connection: Connection, feed: str, sums: Sequence[UseSum]) -> int:
    """Add sums to the feed, its sources, the sightings and the last use of keys."""
    if not sums:
        return 0
    for statement in TABLES:
        connection.execute(text(statement))
    connection.execute(text(_FEED), {"feed": feed})
    sources = [Source(normalise_user_agent(one.user_agent), one.network) for one in sums]
    ids = {source: source.source_id for source in set(sources)}
    logged = {(source, one.user_agent) for source, one in zip(sources, sums, strict=True)}
    copy_rows(
        connection,
        "staged_sources",
        SOURCES,
        ((ids[s], s.user_agent, s.network, s.client, example) for s, example in logged),
    )
    called = [one for one in sums if one.endpoint]
    numbers = {endpoint: n for n, endpoint in enumerate({one.endpoint for one in called})}
    copy_rows(connection, "staged_endpoints", ENDPOINTS, ((n, e) for e, n in numbers.items()))
    copy_rows(connection, "called", CALLED, (_called(one, numbers[one.endpoint]) for one in called))
    copy_rows(connection, "staged", COLUMNS, _rows(sums, [ids[source] for source in sources]))
    add_staged(connection, feed)
    return sum(one.uses for one in sums)


def _rows(sums: Sequence[UseSum], source_ids: Sequence[bytes]) -> Iterator[tuple[object, ...]]:
    for number, (one, source_id) in enumerate(zip(sums, source_ids, strict=True)):
        refused = one.uses if one.refused else 0
        times = one.first_at, one.last_at
        caller = one.key_id, one.account_id, source_id, hour_of(one.first_at)
        yield (0, number, True, *caller, one.uses, refused, *times, b"", b"")


def _called(one: UseSum, endpoint: int) -> CallSum:
    return CallSum(one.key_id, one.first_at.astimezone(UTC).date(), endpoint, one.uses)
