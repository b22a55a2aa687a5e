"""The SQL of webhook endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, CursorResult, RowMapping, text

from rollout.adapters.db.streaming import stream
from rollout.domain.webhooks.secrets import Generation
from rollout.services.ports.webhooks import Endpoint, EndpointState, Kind, NewEndpoint, Row

ADD = """
INSERT INTO webhook_endpoints (account_id, kind, sealed, digest, hint, added_by)
VALUES (:account_id, :kind, :sealed, :digest, :hint, :operator)
ON CONFLICT (account_id, digest) DO NOTHING RETURNING endpoint_id
"""
LOCK = """
SELECT p.endpoint_id, p.account_id, a.locale, p.kind, p.sealed, p.hint, p.state, p.generation,
       p.generation_since
  FROM webhook_endpoints p JOIN accounts a USING (account_id)
 WHERE p.endpoint_id = :id FOR NO KEY UPDATE OF p
"""
LISTED = """
SELECT p.endpoint_id, p.account_id, p.kind, p.hint, p.state, p.since, p.reason, p.added_by,
       p.added_at, d.delivered_at
  FROM webhook_endpoints p
  LEFT JOIN LATERAL (SELECT max(delivered_at) AS delivered_at FROM webhook_deliveries d
                      WHERE d.endpoint_id = p.endpoint_id) d ON true
 WHERE p.state <> 'removed' AND (CAST(:account_id AS text) IS NULL OR p.account_id = :account_id)
 ORDER BY p.account_id, p.endpoint_id
"""
CHANGE = """
UPDATE webhook_endpoints SET state = :state, reason = :reason, since = rollout_instant(),
       sealed = CASE WHEN :state <> 'removed' THEN sealed END,
       digest = CASE WHEN :state <> 'removed' THEN digest END
 WHERE endpoint_id = :id
"""
SKIP_WAITING = """
UPDATE webhook_deliveries SET state = 'skipped', reason = :reason
 WHERE endpoint_id = :id AND state = 'pending'
"""
RENEW = """
UPDATE webhook_endpoints SET generation = generation + 1, generation_since = rollout_instant()
 WHERE endpoint_id = :id RETURNING generation
"""


class SqlWebhooks:
    """Implements ``services.ports.webhooks.WebhooksRepository`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def knows(self, account_id: str) -> bool:
        """Say whether there is such an account."""
        query = "SELECT EXISTS (SELECT 1 FROM accounts WHERE account_id = :id)"
        known: bool = self._run(query, id=account_id).scalar_one()
        return known

    def add(self, new: NewEndpoint) -> int | None:
        """Add an active endpoint; return its id, or None where the account has that address."""
        values = {name: getattr(new, name) for name in new.__slots__}
        endpoint_id: int | None = self._run(ADD, **values).scalar_one_or_none()
        return endpoint_id

    def lock(self, endpoint_id: int) -> Endpoint | None:
        """Lock and return an endpoint, removed or not, or None."""
        row = self._run(LOCK, id=endpoint_id).mappings().one_or_none()
        return endpoint(row) if row else None

    def listed(self, account_id: str | None) -> Iterator[Row]:
        """Yield endpoints that are not removed, of one account or of all."""
        for row in stream(self._connection, LISTED, {"account_id": account_id}):
            yield row._asdict()

    def change(self, endpoint_id: int, state: EndpointState, reason: str | None) -> None:
        """Set the state. What waits for an endpoint that is not active is skipped."""
        self._run(CHANGE, id=endpoint_id, state=state.value, reason=reason)
        if state is not EndpointState.ACTIVE:
            why = f"its endpoint is {state}" + (f": {reason}" if reason else "")
            self._run(SKIP_WAITING, id=endpoint_id, reason=why)

    def renew_secret(self, endpoint_id: int) -> int:
        """Begin a new generation of the secret; return its number."""
        generation: int = self._run(RENEW, id=endpoint_id).scalar_one()
        return generation

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)


def endpoint(row: RowMapping) -> Endpoint:
    """Return an endpoint from the columns that ``LOCK`` selects."""
    return Endpoint(
        endpoint_id=row["endpoint_id"],
        account_id=row["account_id"],
        locale=row["locale"],
        kind=Kind(row["kind"]),
        sealed=row["sealed"] or b"",
        hint=row["hint"],
        state=EndpointState(row["state"]),
        generation=Generation(row["generation"], row["generation_since"]),
    )
