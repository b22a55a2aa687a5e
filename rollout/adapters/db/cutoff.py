"""The SQL of the cutoff stage: claim, load, and write what was decided, by the batch."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from rollout.adapters.db.cases import load_cases
from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.locks import EVERYTHING, share_cutting
from rollout.domain.cutoff import Case, Hold
from rollout.domain.plan import Deprecation
from rollout.services.ports.cutoff import DueCount, Restorable

RUNNING = """NOT EXISTS (SELECT 1 FROM pauses p WHERE p.closed_at IS NULL
              AND (p.deprecation, p.cohort) = (c.deprecation, c.cohort))"""

# Probes the partial index once per cohort: an idle tick costs the same at any size.
DUE = f"""
SELECT c.deprecation, c.cohort FROM cohorts c
 WHERE {RUNNING} AND EXISTS (
       SELECT 1 FROM enrollments e
        WHERE (e.deprecation, e.cohort) = (c.deprecation, c.cohort)
          AND e.state = 'scheduled' AND e.next_check_at <= rollout_now())
 ORDER BY c.deprecation, c.position
"""

# One statement, so that it sees one state of a run that other workers are in the midst of. Who is
# held for a reason of their own is not in the way of the others and does not count.
COUNT = """
SELECT coalesce(sum(n.keys), 0) AS keys, count(*) AS accounts, rollout_now() AS at,
       (SELECT count(DISTINCT enrollment_id) FROM cutoffs JOIN runs USING (run_id)
         WHERE deprecation = :deprecation AND cut_at > rollout_now() - interval '1 hour')
       AS cut_last_hour
  FROM (
  SELECT (SELECT count(*) FROM keys k WHERE k.account_id = e.account_id
           AND k.kind = ANY(:kinds) AND k.status = 'active') AS keys
    FROM enrollments e
   WHERE e.deprecation = :deprecation AND e.cohort = ANY(:cohorts)
     AND e.state = 'scheduled' AND e.next_check_at <= rollout_now()
     AND e.deadline <= rollout_now()
     AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.enrollment_id = e.enrollment_id
                      AND h.code IN ('operator', 'not-told', 'told-too-late', 'warning-due')
                      AND h.closed_at IS NULL)
   LIMIT :most) n
"""

# The claimed rows stay locked to the end of the transaction: whoever extends, holds or exempts
# one of them comes strictly before or strictly after this batch.
# Cohort by cohort, so that each reads its own stretch of the partial index in order: over all of
# them at once, every batch would sort everything that is due.
CLAIM = """
SELECT due.enrollment_id FROM unnest(CAST(:cohorts AS text[])) WITH ORDINALITY AS c (cohort, nth)
 CROSS JOIN LATERAL (
       SELECT e.enrollment_id FROM enrollments e
        WHERE e.deprecation = :deprecation AND e.cohort = c.cohort
          AND e.state = 'scheduled' AND e.next_check_at <= least(rollout_now(), :counted_at)
        ORDER BY e.next_check_at LIMIT :limit FOR UPDATE SKIP LOCKED) due
 LIMIT :limit
"""

CUT_KEYS = """
UPDATE keys k SET status = 'disabled', disabled_at = rollout_instant(),
       version = k.version + 1, changed_at = rollout_instant()
  FROM unnest(CAST(:keys AS text[]), CAST(:enrollments AS bigint[]))
       AS due (key_id, enrollment_id), enrollments e
 WHERE k.key_id = due.key_id AND k.status = 'active' AND k.kind = 'rest'
   AND e.enrollment_id = due.enrollment_id AND e.state = 'scheduled'
   AND e.deadline <= rollout_now()
RETURNING k.key_id, e.enrollment_id, e.schedule_version, e.deadline, k.disabled_at
"""

HOLD = """
INSERT INTO holds (enrollment_id, code, reason, owner)
SELECT h.enrollment_id, h.code, h.reason, 'rollout'
  FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[]), CAST(:reasons AS text[]))
       AS h (enrollment_id, code, reason)
ON CONFLICT (enrollment_id, code) WHERE closed_at IS NULL
   DO UPDATE SET reason = excluded.reason WHERE holds.reason <> excluded.reason
RETURNING enrollment_id
"""


class SqlCutoff:
    """Implements ``services.ports.cutoff`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stopped(self) -> str | None:
        """Lock against an emergency stop; return why all cutting is stopped already, or None."""
        share_cutting(self._connection, EVERYTHING)
        reason: str | None = self._run("SELECT reason FROM stops WHERE closed_at IS NULL").scalar()
        return reason

    def due(self) -> Mapping[str, Sequence[str]]:
        """Return the deprecations with due enrollments, and which running cohorts have them."""
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._run(DUE):
            found[row.deprecation].append(row.cohort)
        return found

    def count(
        self, deprecation: Deprecation, cohorts: Sequence[str], *, max_keys: int, max_accounts: int
    ) -> DueCount:
        """Count what is due in these cohorts, up to just above the maxima."""
        row = self._run(
            COUNT,
            deprecation=deprecation.name,
            cohorts=list(cohorts),
            kinds=_kinds(deprecation),
            most=max(max_keys, max_accounts) + 1,
        ).one()
        return DueCount(int(row.keys), row.accounts, row.cut_last_hour, row.at)

    def open_run(
        self, deprecation: Deprecation, count: DueCount, refused: str | None = None
    ) -> int:
        """Record a run and its size; return its id."""
        run_id: int = self._run(
            "INSERT INTO runs (deprecation, keys_due, accounts_due, cap, refused)"
            " VALUES (:deprecation, :keys, :accounts, :cap, :refused) RETURNING run_id",
            deprecation=deprecation.name,
            cap=deprecation.guards.max_keys_per_run,
            keys=count.keys,
            accounts=count.accounts,
            refused=refused,
        ).scalar_one()
        return run_id

    def lock_running(self, deprecation: str, cohorts: Sequence[str]) -> Sequence[str]:
        """Lock against pauses, approvals and edits; return the cohorts that are not paused."""
        share_cutting(self._connection, deprecation)
        rows = self._run(
            f"SELECT c.cohort FROM cohorts c WHERE c.deprecation = :deprecation"
            f" AND c.cohort = ANY(:cohorts) AND {RUNNING}",
            deprecation=deprecation,
            cohorts=list(cohorts),
        )
        return list(rows.scalars())

    def claim(
        self, deprecation: Deprecation, cohorts: Sequence[str], counted_at: datetime, limit: int
    ) -> Sequence[Case]:
        """Lock what was due when the run was counted and nobody else has; load the cases."""
        claimed = self._run(
            CLAIM,
            deprecation=deprecation.name,
            cohorts=list(cohorts),
            counted_at=counted_at,
            limit=limit,
        ).scalars()
        return load_cases(self._connection, deprecation, list(claimed), lock=True)

    def cases(self, deprecation: Deprecation, at: datetime, limit: int) -> Sequence[Case]:
        """Load the cases of all enrollments due by ``at``, without locks."""
        due = self._run(
            "SELECT enrollment_id FROM enrollments WHERE deprecation = :deprecation"
            " AND state = 'scheduled' AND deadline <= :at ORDER BY deadline, enrollment_id"
            " LIMIT :limit",
            deprecation=deprecation.name,
            at=at,
            limit=limit,
        ).scalars()
        return load_cases(self._connection, deprecation, list(due), lock=False)

    def record_cuts(
        self, run_id: int, evidence: Mapping[int, Mapping[str, Any]], cases: Sequence[Case]
    ) -> Mapping[int, Sequence[str]]:
        """Switch the keys off and write the ledger; return the keys of each enrollment."""
        pairs = [(key.key_id, case.enrollment_id) for case in cases for key in case.keys]
        off = self._run(
            CUT_KEYS,
            keys=[key_id for key_id, _ in pairs],
            enrollments=[enrollment_id for _, enrollment_id in pairs],
        ).all()
        copy_rows(
            self._connection,
            "cutoffs",
            (
                *("key_id", "enrollment_id", "schedule_version", "deadline", "cut_at"),
                *("run_id", "evidence"),
            ),
            ((*row, run_id, json.dumps(evidence[row.enrollment_id])) for row in off),
        )
        cut: dict[int, list[str]] = defaultdict(list)
        for row in off:
            cut[row.enrollment_id].append(row.key_id)
        return cut

    def close(self, enrollment_ids: Sequence[int], next_notice: timedelta | None) -> None:
        """Mark enrollments as cut; what follows is told ``next_notice`` from now."""
        self._run(
            "UPDATE enrollments SET state = 'cut', next_check_at = NULL,"
            " next_notice_at = rollout_now() + CAST(:next_notice AS interval),"
            " told_until = rollout_now() WHERE enrollment_id = ANY(:ids)"
            " AND state = 'scheduled' AND deadline <= rollout_now()",
            ids=list(enrollment_ids),
            next_notice=next_notice,
        )

    def record_holds(self, holds: Mapping[int, Hold], recheck: timedelta) -> Mapping[int, Hold]:
        """Open or renew holds; return those that are new or have another reason now."""
        if not holds:
            return {}
        ids = list(holds)
        codes = [hold.code.value for hold in holds.values()]
        self._run(
            "UPDATE holds h SET closed_at = rollout_instant()"
            "  FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[])) AS n (id, code)"
            " WHERE h.enrollment_id = n.id AND h.closed_at IS NULL AND h.code <> n.code"
            "   AND h.code <> 'operator'",
            ids=ids,
            codes=codes,
        )
        reasons = [hold.reason for hold in holds.values()]
        changed = self._run(HOLD, ids=ids, codes=codes, reasons=reasons).scalars().all()
        self._run(
            "UPDATE enrollments SET next_check_at = rollout_now() + :recheck"
            " WHERE enrollment_id = ANY(:ids)",
            ids=ids,
            recheck=recheck,
        )
        return {i: holds[i] for i in changed if holds[i].code != "operator"}

    def clear_holds(self, enrollment_ids: Sequence[int]) -> None:
        """Close what rules held, and people's holds that have ended."""
        self._run(
            "UPDATE holds SET closed_at = rollout_instant() WHERE closed_at IS NULL"
            " AND enrollment_id = ANY(:ids)",
            ids=list(enrollment_ids),
        )

    def wait(self, until: Mapping[int, datetime]) -> None:
        """Look at each enrollment again at its time."""
        self._run(
            "UPDATE enrollments e SET next_check_at = n.at"
            "  FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS timestamptz[])) AS n (id, at)"
            " WHERE e.enrollment_id = n.id",
            ids=list(until),
            ats=list(until.values()),
        )

    def look_again(self, enrollment_ids: Sequence[int]) -> None:
        """Judge these again at once: their evidence has changed."""
        self._run(
            "WITH held AS MATERIALIZED (SELECT enrollment_id FROM enrollments"
            " WHERE enrollment_id = ANY(:ids) AND state = 'scheduled' AND next_check_at > deadline"
            " ORDER BY enrollment_id FOR UPDATE)"
            " UPDATE enrollments e SET next_check_at = deadline FROM held"
            " WHERE e.enrollment_id = held.enrollment_id",
            ids=list(enrollment_ids),
        )

    def restore_keys(self, enrollment_id: int) -> Sequence[Restorable]:
        """Switch the keys that this enrollment's cutoff switched off on again, secret and all."""
        rows = self._run(
            "WITH off AS MATERIALIZED (SELECT k.key_id FROM cutoffs c JOIN keys k USING (key_id)"
            " WHERE c.enrollment_id = :id AND k.status = 'disabled'"
            " ORDER BY k.key_id FOR UPDATE OF k)"
            " UPDATE keys k SET status = 'active', disabled_at = NULL, version = k.version + 1,"
            " changed_at = rollout_instant() FROM off WHERE k.key_id = off.key_id"
            " RETURNING k.key_id, k.hint",
            id=enrollment_id,
        )
        return [Restorable(row.key_id, row.hint) for row in rows]

    def _run(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(text(statement), values)


def _kinds(deprecation: Deprecation) -> list[str]:
    return sorted(kind.value for kind in deprecation.kinds)
