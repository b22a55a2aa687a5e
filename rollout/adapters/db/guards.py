"""The SQL of what people say about cutting: holds, pauses, approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from rollout.adapters.db.locks import stop_cutting
from rollout.domain.errors import NotFound
from rollout.services.ports.guards import CohortState

# Who is held is read off the index of open holds: the few, not all that are enrolled.
COHORTS = """
WITH held AS (
  SELECT e.deprecation, e.cohort, count(DISTINCT h.enrollment_id) AS held
    FROM holds h JOIN enrollments e USING (enrollment_id)
   WHERE h.closed_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > rollout_now())
     AND e.state = 'scheduled'
   GROUP BY e.deprecation, e.cohort)
SELECT c.deprecation, c.cohort, c.digest, p.reason AS paused, p.owner AS paused_by,
       array(SELECT a.operator FROM approvals a
              WHERE (a.deprecation, a.cohort, a.digest) = (c.deprecation, c.cohort, c.digest)
              ORDER BY a.at) AS approvals,
       n.scheduled, coalesce(held.held, 0) AS held, n.cut, n.exempt, n.next_deadline
  FROM cohorts c
  LEFT JOIN held ON (held.deprecation, held.cohort) = (c.deprecation, c.cohort)
  LEFT JOIN pauses p ON (p.deprecation, p.cohort) = (c.deprecation, c.cohort)
        AND p.closed_at IS NULL
  CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
              count(*) FILTER (WHERE state = 'cut') AS cut,
              count(*) FILTER (WHERE state = 'exempt') AS exempt,
              min(deadline) FILTER (WHERE state = 'scheduled') AS next_deadline
         FROM enrollments e WHERE (e.deprecation, e.cohort) = (c.deprecation, c.cohort)) n
 WHERE CAST(:deprecation AS text) IS NULL OR c.deprecation = :deprecation
 ORDER BY c.deprecation, c.position
"""


class SqlGuards:
    """Implements ``services.ports.guards`` on one connection.

    Whoever opens or closes something holds its lock first, and stamps it with
    ``rollout_instant()``: what a cutoff saw is then always in the order of the stamps.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def cohorts(self, deprecation: str | None) -> Sequence[CohortState]:
        """Return the cohorts of one deprecation, or of all, in their order."""
        rows = self._connection.execute(text(COHORTS), {"deprecation": deprecation})
        return [
            CohortState(**{**row, "approvals": tuple(row["approvals"])}) for row in rows.mappings()
        ]

    def lock_cohort(self, deprecation: str, cohort: str) -> bytes:
        """Lock a cohort against the cutoff; return its digest, or raise ``NotFound``."""
        stop_cutting(self._connection, deprecation)
        digest: bytes | None = self._connection.execute(
            text(
                "SELECT digest FROM cohorts WHERE deprecation = :deprecation AND cohort = :cohort"
            ),
            {"deprecation": deprecation, "cohort": cohort},
        ).scalar()
        if digest is None:
            known = ", ".join(c.cohort for c in self.cohorts(deprecation)) or "none"
            raise NotFound(f"{deprecation} has no cohort {cohort!r} (known: {known})")
        return bytes(digest)

    def approve(self, deprecation: str, cohort: str, digest: bytes, operator: str) -> bool:
        """Record an approval; say whether it is a new one."""
        return self._changed(
            "INSERT INTO approvals (deprecation, cohort, digest, operator)"
            " VALUES (:deprecation, :cohort, :digest, :operator) ON CONFLICT DO NOTHING",
            deprecation=deprecation,
            cohort=cohort,
            digest=digest,
            operator=operator,
        )

    def pause(self, deprecation: str, cohort: str, *, reason: str, owner: str) -> bool:
        """Open a pause; say whether there was none yet."""
        return self._changed(
            "INSERT INTO pauses (deprecation, cohort, reason, owner)"
            " VALUES (:deprecation, :cohort, :reason, :owner) ON CONFLICT DO NOTHING",
            deprecation=deprecation,
            cohort=cohort,
            reason=reason,
            owner=owner,
        )

    def resume(self, deprecation: str, cohort: str) -> bool:
        """Close a pause; say whether there was one."""
        return self._changed(
            "UPDATE pauses SET closed_at = rollout_instant() WHERE closed_at IS NULL"
            " AND deprecation = :deprecation AND cohort = :cohort",
            deprecation=deprecation,
            cohort=cohort,
        )

    def hold(
        self, enrollment_id: int, *, reason: str, owner: str, ends_at: datetime | None
    ) -> bool:
        """Open a person's hold on a locked enrollment; say whether there was none yet."""
        self._changed(
            "UPDATE holds SET closed_at = ends_at WHERE closed_at IS NULL AND enrollment_id = :id"
            " AND code = 'operator' AND ends_at <= rollout_now()",
            id=enrollment_id,
        )
        return self._changed(
            "INSERT INTO holds (enrollment_id, code, reason, owner, ends_at)"
            " VALUES (:id, 'operator', :reason, :owner, :ends_at) ON CONFLICT DO NOTHING",
            id=enrollment_id,
            reason=reason,
            owner=owner,
            ends_at=ends_at,
        )

    def release(self, enrollment_id: int) -> bool:
        """Close a person's hold; say whether there was one."""
        return self._changed(
            "UPDATE holds SET closed_at = rollout_instant() WHERE closed_at IS NULL"
            " AND enrollment_id = :id AND code = 'operator'",
            id=enrollment_id,
        )

    def _changed(self, statement: str, **values: Any) -> bool:
        return self._connection.execute(text(statement), values).rowcount > 0
