"""The SQL of the usage stage: uses come in by COPY, beside the tables, and are merged as sets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.usage_merge import MERGE, MERGED, STAGED, STAGING
from rollout.domain.inventory import key_hint
from rollout.domain.usage import Coverage, HourlyUse
from rollout.services.ports.usage import ImportedFile, KeyRow, Merged, SourceRow, UnknownKey

_UNREGISTERED = "key_usage u WHERE NOT EXISTS (SELECT FROM keys k WHERE k.key_id = u.key_id)"


class SqlUsage:
    """Implements ``services.ports.usage`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._staging = False

    def stage(self, uses: Iterable[HourlyUse]) -> None:
        """Set uses aside, for ``merge`` in the same unit of work. Nobody else waits for it."""
        if not self._staging:
            self._connection.execute(text(STAGING))
            self._staging = True
        copy_rows(self._connection, "staged", STAGED, map(_staged, uses))

    def merge(self, feed: str) -> Merged:
        """Add what was staged to the feed, its sources, the sightings and the last use of keys.

        Rows are locked in one order, so several imports may run at once; one may wait for another.
        """
        for statement in MERGE:
            self._connection.execute(text(statement), {"feed": feed})
        return Merged(*self._connection.execute(text(MERGED)).one())

    def knows_file(self, digest: bytes) -> bool:
        """Say whether a log with these bytes was taken in before."""
        query = text("SELECT EXISTS (SELECT FROM usage_files WHERE digest = :digest)")
        return bool(self._connection.execute(query, {"digest": digest}).scalar_one())

    def add_file(self, file: ImportedFile) -> bool:
        """Note a log of a merged feed; False: somebody else has just taken in the same bytes."""
        insert = text(
            "INSERT INTO usage_files (digest, feed, name, events, keyless, unreadable, repeated)"
            " VALUES (:digest, :feed, :name, :events, :keyless, :unreadable, :repeated)"
            " ON CONFLICT DO NOTHING"
        )
        return self._connection.execute(insert, asdict(file)).rowcount == 1

    def unknown_keys(self, limit: int) -> tuple[int, Sequence[str]]:
        """Count the keys that nobody registered, and name the first few."""
        count = self._connection.execute(text(f"SELECT count(*) FROM {_UNREGISTERED}")).scalar_one()
        first = text(f"SELECT u.key_id FROM {_UNREGISTERED} ORDER BY u.key_id LIMIT :limit")
        return count, self._connection.execute(first, {"limit": limit}).scalars().all()

    def adoptable(self, limit: int) -> Sequence[UnknownKey]:
        """Read unknown keys whose account the logs name without contradiction."""
        query = text(
            f"SELECT u.key_id, u.named_account FROM {_UNREGISTERED} AND u.named_account <> ''"
            " ORDER BY u.named_account, u.key_id LIMIT :limit"
        )
        return [UnknownKey(*row) for row in self._connection.execute(query, {"limit": limit})]

    def adopt(self, keys: Sequence[UnknownKey]) -> int:
        """Register unknown keys under their accounts; return how many accounts were new."""
        accounts = text(
            "INSERT INTO accounts (account_id, name, timezone, locale, tier, discovered)"
            " SELECT DISTINCT id, id, 'UTC', 'en', '', true FROM unnest(CAST(:ids AS text[])) AS id"
            " ORDER BY id ON CONFLICT DO NOTHING"
        )
        new = self._connection.execute(accounts, {"ids": [key.account_id for key in keys]}).rowcount
        register = text(
            "INSERT INTO keys (key_id, account_id, kind, label, hint, discovered)"
            " SELECT key_id, account_id, 'rest', '', hint, true FROM unnest(CAST(:keys AS text[]),"
            " CAST(:accounts AS text[]), CAST(:hints AS text[])) AS new (key_id, account_id, hint)"
            " ORDER BY key_id ON CONFLICT DO NOTHING"
        )
        columns = {
            "keys": [key.key_id for key in keys],
            "accounts": [key.account_id for key in keys],
            "hints": [key_hint(key.key_id) for key in keys],
        }
        self._connection.execute(register, columns)
        return new

    def coverage(self) -> Coverage:
        """Return what the feeds cover."""
        return read_coverage(self._connection)

    def keys(self, after: str, limit: int) -> Sequence[KeyRow]:
        """Read the next registered keys in the order of their ids, used or not."""
        return self._key_rows(
            "SELECT k.key_id, k.account_id, k.kind, k.status, coalesce(u.count, 0),"
            " coalesce(u.refused, 0), u.first_seen, u.last_seen"
            " FROM keys k LEFT JOIN key_usage u ON u.key_id = k.key_id"
            " WHERE k.key_id > :after ORDER BY k.key_id LIMIT :limit",
            after,
            limit,
        )

    def unregistered_keys(self, after: str, limit: int) -> Sequence[KeyRow]:
        """Read the next keys that were seen but never registered, in the order of their ids."""
        return self._key_rows(
            "SELECT u.key_id, nullif(u.named_account, ''), NULL, NULL, u.count, u.refused,"
            f" u.first_seen, u.last_seen FROM {_UNREGISTERED}"
            " AND u.key_id > :after ORDER BY u.key_id LIMIT :limit",
            after,
            limit,
        )

    def _key_rows(self, query: str, after: str, limit: int) -> Sequence[KeyRow]:
        rows = self._connection.execute(text(query), {"after": after, "limit": limit})
        return [KeyRow(*row) for row in rows]

    def sources(self) -> Sequence[SourceRow]:
        """Read all sources, the busiest first."""
        query = text(
            """
            SELECT s.user_agent, min(s.example COLLATE "C"), count(DISTINCT s.network),
                   count(DISTINCT k.account_id), count(DISTINCT g.key_id), sum(g.count)::bigint,
                   min(g.first_at), max(g.last_at)
            FROM sightings g
            JOIN sources s USING (source_id)
            LEFT JOIN keys k USING (key_id)
            GROUP BY s.user_agent
            ORDER BY sum(g.count) DESC, s.user_agent
            """
        )
        return [SourceRow(*row) for row in self._connection.execute(query)]


def _staged(use: HourlyUse) -> tuple[object, ...]:
    return (
        use.event,
        use.key_id,
        use.account_id,
        use.source.source_id,
        use.source.user_agent,
        use.source.network,
        use.example,
        use.hour,
        use.count,
        use.refused,
        use.first_at,
        use.last_at,
    )
