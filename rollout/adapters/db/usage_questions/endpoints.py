"""The SQL of what is called: with all keys, with those of one account, or with one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import Connection, text

from rollout.adapters.db.streaming import stream
from rollout.domain.usage.endpoints import OTHER
from rollout.services.ports.usage_questions import EndpointRow

_KEY_EXISTS = """
SELECT EXISTS (SELECT FROM keys WHERE key_id = :key_id)
    OR EXISTS (SELECT FROM key_usage WHERE key_id = :key_id)
"""
_ENDPOINTS = """
SELECT e.endpoint, count(DISTINCT e.key_id) AS keys,
       count(DISTINCT coalesce(k.account_id, nullif(u.named_account, ''))) AS accounts,
       sum(e.count)::bigint AS uses, max(e.day) AS last_day
  FROM key_endpoints e LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage u USING (key_id)
 WHERE e.day > :after {condition}
 GROUP BY e.endpoint ORDER BY e.endpoint = :other, uses DESC, e.endpoint LIMIT :limit
"""
_OF_KEY = "AND e.key_id = :key_id"
_OF_ACCOUNT = "AND e.key_id IN (SELECT key_id FROM keys WHERE account_id = :account_id)"


def key_exists(connection: Connection, key_id: str) -> bool:
    """Say whether a key is registered, or was ever used."""
    return bool(connection.execute(text(_KEY_EXISTS), {"key_id": key_id}).scalar_one())


def read_endpoints(
    connection: Connection,
    after: date,
    *,
    account_id: str | None,
    key_id: str | None,
    limit: int | None,
) -> Iterator[EndpointRow]:
    """Read what was called after a day, the most called first, and the others as one at the end."""
    conditions = [_OF_KEY] if key_id is not None else []
    conditions += [_OF_ACCOUNT] if account_id is not None else []
    values = {"key_id": key_id, "account_id": account_id, "after": after, "other": OTHER}
    query = _ENDPOINTS.format(condition=" ".join(conditions))
    for row in stream(connection, query, values | {"limit": limit}):
        yield EndpointRow(row.endpoint, row.keys, row.accounts, row.uses, row.last_day)
