"""The SQL of enforcement: what the enforcers do not know yet, and what they must come to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from rollout.domain.inventory import KeyKind, KeyStatus
from rollout.services.ports.enforcement import EnforcedKey, Lag, SetDate

KEY = "key_id, account_id, kind, status, version, hint, secret_digest, disabled_at"


class SqlEnforcement:
    """Implements ``services.ports.enforcement`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def claim_unenforced(self, limit: int) -> Sequence[EnforcedKey]:
        """Lock and return keys whose present version was not written yet, oldest change first."""
        return self._keys(
            "WHERE enforced_version < version ORDER BY changed_at LIMIT :limit"
            " FOR UPDATE SKIP LOCKED",
            limit=limit,
        )

    def mark_enforced(self, keys: Sequence[EnforcedKey]) -> None:
        """Note that these versions, claimed in this transaction, have been written."""
        self._connection.execute(
            text("UPDATE keys SET enforced_version = version WHERE key_id = ANY(:ids)"),
            {"ids": [key.key_id for key in keys]},
        )

    def key(self, key_id: str) -> EnforcedKey | None:
        """Return one key."""
        return next(iter(self._keys("WHERE key_id = :key_id", key_id=key_id)), None)

    def keys_after(self, key_id: str, limit: int) -> Sequence[EnforcedKey]:
        """Return the keys that follow a key id, in the order of their ids."""
        return self._keys(
            "WHERE key_id > :key_id ORDER BY key_id LIMIT :limit", key_id=key_id, limit=limit
        )

    def dates(self, account_ids: Sequence[str]) -> Sequence[SetDate]:
        """Return the dates of these accounts, earliest first; not those of exempt ones."""
        rows = self._connection.execute(
            text(
                "SELECT account_id, deprecation, deadline, state = 'cut' AS cut FROM enrollments"
                " WHERE account_id = ANY(:accounts) AND state <> 'exempt' ORDER BY deadline"
            ),
            {"accounts": list(account_ids)},
        )
        return [SetDate(**row) for row in rows.mappings()]

    def lag(self) -> Lag:
        """Say how far the enforcers are behind."""
        row = self._connection.execute(
            text("SELECT count(*), min(changed_at) FROM keys WHERE enforced_version < version")
        ).one()
        return Lag(*row)

    def _keys(self, condition: str, **values: Any) -> Sequence[EnforcedKey]:
        rows = self._connection.execute(text(f"SELECT {KEY} FROM keys {condition}"), values)
        return [_key(row) for row in rows.mappings()]


def _key(row: RowMapping) -> EnforcedKey:
    enums = {"kind": KeyKind(row["kind"]), "status": KeyStatus(row["status"])}
    return EnforcedKey(**{**row, **enums})
