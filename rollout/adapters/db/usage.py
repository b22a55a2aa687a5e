"""The SQL of the usage stage: uses come in by COPY, beside the tables, and are merged as sets."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import datetime
from operator import itemgetter

from sqlalchemy import Connection, text

from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.usage_events import EventNames
from rollout.adapters.db.usage_files import add, claim, claim_logs, find
from rollout.adapters.db.usage_merge import merge_staged
from rollout.adapters.db.usage_retention import drop_before
from rollout.adapters.db.usage_staging import Staging
from rollout.adapters.db.usage_sums import lock_cursor, merge_sums, move_cursor
from rollout.domain.inventory import key_hint
from rollout.domain.usage import Coverage, Sighting
from rollout.services.ports import LastUse
from rollout.services.ports import usage as ports
from rollout.services.ports.usage import (
    AheadRow,
    ImportedFile,
    Merged,
    UnknownKey,
)
from rollout.services.ports.usage_stream import UseSum

SET_ASIDE = """
INSERT INTO usage_ahead (feed, event, key_id, account_id, at, user_agent, network, refused)
VALUES (:feed, :event, :key_id, :account_id, :at, :user_agent, :network, :refused)
ON CONFLICT DO NOTHING
"""
ATTEST = """
INSERT INTO key_usage AS known (key_id, count, refused, first_seen, last_seen, named_account,
                                attested_at)
VALUES (:key_id, 0, 0, NULL, :last_used, :account_id, :as_of)
ON CONFLICT (key_id) DO UPDATE SET
    last_seen = greatest(known.last_seen, excluded.last_seen),
    named_account = CASE WHEN known.named_account <> excluded.named_account THEN ''
                         ELSE coalesce(known.named_account, excluded.named_account) END,
    attested_at = greatest(known.attested_at, excluded.attested_at)
"""
_UNREGISTERED = "key_usage u WHERE NOT EXISTS (SELECT FROM keys k WHERE k.key_id = u.key_id)"


class SqlUsage:
    """Implements ``services.ports.usage`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._staging: Staging | None = None

    def event_names(self) -> EventNames:
        """Return what tells the events of one log apart; a log that grows keeps it."""
        return EventNames()

    def staging(
        self, names: ports.EventNames | None = None
    ) -> AbstractContextManager[ports.StagedLog]:
        """Set the uses of a log aside, for ``merge`` in the same unit of work."""
        self._staging = self._staging or Staging(self._connection)
        return self._staging.log(names if isinstance(names, EventNames) else None)

    def merge(self, feed: str) -> Sequence[Merged]:
        """Add what was staged to the feed, its sources, the sightings and the last use of keys.

        Imports of the same feed wait for each other here, and only here.
        """
        if self._staging is None:
            return []
        self._staging.close()
        logs, self._staging = self._staging.logs, None
        if not logs:
            return []
        late = claim_logs(self._connection, [log.digest for log in logs])
        counted = merge_staged(self._connection, feed, late)
        return [
            Merged(counted.get(n, 0), log.brought - counted.get(n, 0), late=n in late)
            for n, log in enumerate(logs)
        ]

    def add_sums(self, feed: str, sums: Sequence[UseSum]) -> int:
        """Add uses of which the caller knows that they were not added before; return how many."""
        return merge_sums(self._connection, feed, sums)

    def cursor(self, name: str) -> str:
        """Return a position, empty at first; others wait for it until the unit of work ends."""
        return lock_cursor(self._connection, name)

    def set_cursor(self, name: str, position: str) -> None:
        """Note a position that ``cursor`` has returned before."""
        move_cursor(self._connection, name, position)

    def set_aside(self, feed: str, uses: Sequence[Sighting]) -> None:
        """Keep uses of a time that has not come yet, each once, where they prove nothing."""
        if uses:
            self._connection.execute(
                text(SET_ASIDE), [{"feed": feed} | asdict(use) for use in uses]
            )

    def attest(self, last_uses: Sequence[LastUse]) -> None:
        """Note what an authority says of keys that can be used."""
        said = [asdict(last_use) for last_use in last_uses if last_use.active]
        if said:
            said.sort(key=itemgetter("key_id"))
            self._connection.execute(text(ATTEST), said)

    def ahead(self) -> Sequence[AheadRow]:
        """Read the uses of times that had not come when they were taken in, the latest first."""
        query = text(
            "SELECT feed, key_id, account_id, at, user_agent, network, refused, noted_at"
            " FROM usage_ahead ORDER BY at DESC, feed, event"
        )
        return [AheadRow(*row) for row in self._connection.execute(query)]

    def drop_before(self, month: datetime) -> Sequence[str]:
        """Drop the months of sightings before this one; return which."""
        return drop_before(self._connection, month)

    def claim_name(self, name: str) -> bool:
        """Keep a name of logs from others until the unit of work ends; False: somebody has it."""
        return claim(self._connection, name)

    def find_files(self, digest: bytes, name: str | None) -> Sequence[ImportedFile]:
        """Read the logs that were taken in with these bytes, or under this name."""
        return find(self._connection, digest, name)

    def add_files(self, files: Sequence[ImportedFile]) -> None:
        """Note logs that were merged."""
        add(self._connection, files)

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
