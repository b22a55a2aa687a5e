"""The SQL of webhook deliveries: a row is the outbox, and its endpoint holds the lease."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, CursorResult, RowMapping, text

from rollout.adapters.db.notice_contexts import NoticeContexts
from rollout.adapters.db.plan import SqlPlan
from rollout.adapters.db.streaming import stream
from rollout.adapters.db.webhooks import endpoint
from rollout.domain.notices import NoticeContext
from rollout.domain.plan import Step
from rollout.domain.webhooks.events import Event
from rollout.services.ports.notices import NewNotice
from rollout.services.ports.webhooks import Claimed, DeliveryState, Row

# Asked once, not for each enrollment: where there is no webhook at all, a cutoff need not wait.
ADD = """
INSERT INTO webhook_deliveries (endpoint_id, enrollment_id, step, template, schedule_version,
                                deadline, webhook_id, created_at, attempt_at)
SELECT p.endpoint_id, e.enrollment_id, :step, :template, e.schedule_version, e.deadline,
       'msg_' || gen_random_uuid(), rollout_now(), rollout_now()
  FROM enrollments e JOIN webhook_endpoints p USING (account_id)
 WHERE (SELECT EXISTS (SELECT 1 FROM webhook_endpoints WHERE state = 'active'))
   AND e.enrollment_id = ANY(:ids) AND p.state = 'active' {only}
ON CONFLICT (endpoint_id, enrollment_id, step, schedule_version) DO NOTHING
"""
TOLD_ANOTHER = """
   AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.enrollment_id = e.enrollment_id
                AND d.endpoint_id = p.endpoint_id AND d.state <> 'skipped')
"""
# What says that a webhook is off is not superseded by a date: it is said with the new one.
CARRY = """
UPDATE notices n SET schedule_version = e.schedule_version, deadline = e.deadline,
       lease = coalesce(n.lease, 0) + 1,
       state = CASE n.state WHEN 'leased' THEN 'pending' ELSE n.state END
  FROM enrollments e
 WHERE n.enrollment_id = :id AND e.enrollment_id = n.enrollment_id AND n.webhook IS NOT NULL
   AND n.state IN ('pending', 'leased', 'retry')
"""

# What a delivery tells is out of date as a notice is (`notice_ledger.BEGIN`).
CURRENT = """e.schedule_version = d.schedule_version AND e.state <> 'exempt'
          AND (e.state <> 'cut' OR d.created_at >= d.deadline)"""
# Whoever waits for the lock of an endpoint reads its lease again, so that two never post to it at
# once.
CLAIM = f"""
WITH due AS MATERIALIZED (
  SELECT d.delivery_id, d.endpoint_id
    FROM webhook_deliveries d JOIN webhook_endpoints p USING (endpoint_id)
   WHERE d.state = 'pending' AND d.attempt_at <= rollout_now()
     AND (p.leased_until IS NULL OR p.leased_until <= rollout_now())
   ORDER BY d.attempt_at, d.delivery_id LIMIT 1
     FOR NO KEY UPDATE OF p, d SKIP LOCKED),
leased AS (
  UPDATE webhook_endpoints p SET lease = p.lease + 1, leased_until = rollout_instant() + :length
    FROM due WHERE p.endpoint_id = due.endpoint_id RETURNING p.*)
UPDATE webhook_deliveries d SET attempts = d.attempts + 1
  FROM due, leased p, enrollments e, accounts a
 WHERE d.delivery_id = due.delivery_id AND e.enrollment_id = d.enrollment_id
   AND a.account_id = e.account_id
RETURNING d.delivery_id, d.webhook_id, d.enrollment_id, d.step, d.template, d.schedule_version,
          d.created_at, d.attempts, e.deprecation, e.state AS enrollment_state,
          p.endpoint_id, p.account_id, a.locale, p.kind, p.sealed, p.hint, p.state, p.lease,
          p.generation, p.generation_since,
          p.state = 'active' AND {CURRENT} AS current
"""
FREE = """
UPDATE webhook_endpoints SET leased_until = NULL WHERE (endpoint_id, lease) = (:endpoint, :lease)
"""
# What was skipped while it was being posted may have arrived all the same; what is sent again since
# counts its attempts anew, so an earlier one that failed says nothing of it.
FINISH = """
UPDATE webhook_deliveries SET state = :state, reason = :reason,
       attempt_at = coalesce(rollout_instant() + CAST(:wait AS interval), attempt_at),
       delivered_at = CASE WHEN :state = 'delivered' THEN rollout_instant() END
 WHERE delivery_id = :delivery
   AND (state = 'pending' AND attempts = :attempts OR :state = 'delivered')
"""
# What is out of date by now is left. The rest counts its attempts anew.
RESEND = f"""
UPDATE webhook_deliveries d SET state = 'pending', reason = NULL, attempts = 0,
       attempt_at = rollout_now()
  FROM enrollments e
 WHERE d.endpoint_id = :endpoint AND d.state IN ('failed', 'skipped')
   AND (CAST(:deliveries AS bigint[]) IS NULL OR d.delivery_id = ANY(:deliveries))
   AND e.enrollment_id = d.enrollment_id AND {CURRENT}
RETURNING d.delivery_id
"""
LISTED = """
SELECT d.delivery_id, d.endpoint_id, p.account_id, p.hint, e.deprecation, d.step, d.state,
       d.attempts, d.created_at, d.delivered_at,
       CASE WHEN d.state = 'pending' THEN d.attempt_at END AS next_attempt_at, d.webhook_id,
       d.reason
  FROM webhook_deliveries d JOIN webhook_endpoints p USING (endpoint_id)
  JOIN enrollments e USING (enrollment_id)
 WHERE (CAST(:endpoint AS bigint) IS NULL OR d.endpoint_id = :endpoint)
   AND (CAST(:state AS text) IS NULL OR d.state = :state)
 ORDER BY d.delivery_id DESC LIMIT :limit
"""


class SqlWebhookOutbox:
    """Implements ``services.ports.webhooks.WebhookOutbox`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, notices: Sequence[NewNotice]) -> int:
        """Write one delivery for each step that is sent and each active endpoint."""
        told: dict[Step, list[int]] = defaultdict(list)
        for notice in notices:
            if notice.skipped is None:
                told[notice.step].append(notice.enrollment_id)
        return sum(self._add(s.name, s.template, ids) for s, ids in told.items())

    def retell(self, enrollment_id: int, template: str) -> None:
        """Tell the present date to endpoints that were, or may have been, told another."""
        self._add(template, template, [enrollment_id], only=TOLD_ANOTHER)
        self._run(CARRY, id=enrollment_id)

    def _add(self, step: str, template: str, ids: Sequence[int], only: str = "") -> int:
        values = {"step": step, "template": template, "ids": list(ids)}
        return self._run(ADD.format(only=only), **values).rowcount

    def claim(self, lease: timedelta) -> Claimed | None:
        """Claim one event that is due, and its endpoint."""
        row = self._run(CLAIM, length=lease).mappings().one_or_none()
        return _claimed(row) if row else None

    def context(self, claimed: Claimed, now: datetime) -> NoticeContext:
        """Return what may be said, as people of the account are told it."""
        name = claimed.event.deprecation
        documents = {name: SqlPlan(self._connection).deprecation(name)}
        contexts = NoticeContexts(self._connection, documents)
        return contexts.of_deliveries([claimed.delivery_id], now)[claimed.delivery_id]

    def finish(
        self,
        claimed: Claimed,
        state: DeliveryState,
        reason: str,
        wait: timedelta | None = None,
    ) -> bool:
        """Give the endpoint free and record what became; False where the lease was lost."""
        mine = {"endpoint": claimed.endpoint.endpoint_id, "lease": claimed.lease}
        if not self._run(FREE, **mine).rowcount:
            return False
        values = {
            "delivery": claimed.delivery_id,
            "attempts": claimed.attempts,
            "state": state.value,
            "reason": reason,
        }
        return bool(self._run(FINISH, **values, wait=wait).rowcount)

    def resend(self, endpoint_id: int, deliveries: Collection[int] | None) -> Sequence[int]:
        """Let what has failed, or was skipped, be due again: those, or all; return which."""
        wanted = list(deliveries) if deliveries is not None else None
        return sorted(self._run(RESEND, endpoint=endpoint_id, deliveries=wanted).scalars())

    def any_delivered(self, endpoint_id: int, since: datetime) -> bool:
        """Say whether an endpoint has taken anything since then."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM webhook_deliveries"
            " WHERE endpoint_id = :id AND delivered_at >= :since)"
        )
        taken: bool = self._run(query, id=endpoint_id, since=since).scalar_one()
        return taken

    def listed(
        self, endpoint_id: int | None, state: DeliveryState | None, limit: int | None
    ) -> Iterator[Row]:
        """Yield deliveries, the newest first: all that fit, or ``limit`` of them."""
        which = {"endpoint": endpoint_id, "state": state and state.value, "limit": limit}
        for row in stream(self._connection, LISTED, which):
            yield row._asdict()

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)


def _claimed(row: RowMapping) -> Claimed:
    event = Event(
        deprecation=row["deprecation"],
        step=row["step"],
        template=row["template"],
        state=row["enrollment_state"],
        schedule_version=row["schedule_version"],
        at=row["created_at"],
    )
    return Claimed(
        delivery_id=row["delivery_id"],
        webhook_id=row["webhook_id"],
        lease=row["lease"],
        endpoint=endpoint(row),
        enrollment_id=row["enrollment_id"],
        event=event,
        attempts=row["attempts"],
        current=row["current"],
    )
