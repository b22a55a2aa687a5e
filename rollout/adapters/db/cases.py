"""Loads everything that a verdict rests on, for a batch of enrollments: one query per question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.histories import OF_KEY, history
from rollout.adapters.db.insiders import TO_CUSTOMERS
from rollout.domain.cutoff import Case, DueKey, LastWarning, Promise
from rollout.domain.plan import Deprecation
from rollout.domain.usage import Coverage, judge_usage

ENROLLMENTS = """
SELECT e.enrollment_id, e.account_id, e.cohort, e.deadline, e.zone, e.schedule_version,
       h.reason AS operator_hold,
       CASE WHEN e.next_notice_at <= rollout_now() AND e.next_notice_at < e.deadline
            THEN e.next_notice_at END AS warning_due_at
  FROM enrollments e
  LEFT JOIN holds h ON h.enrollment_id = e.enrollment_id AND h.code = 'operator'
        AND h.closed_at IS NULL AND (h.ends_at IS NULL OR h.ends_at > rollout_now())
 WHERE e.enrollment_id = ANY(:ids) ORDER BY e.deadline, e.enrollment_id
"""
KEYS = f"""
SELECT k.account_id, k.key_id, {OF_KEY}
  FROM keys k LEFT JOIN key_usage u USING (key_id)
 WHERE k.account_id = ANY(:accounts) AND k.kind = ANY(:kinds) AND k.status = 'active'
 ORDER BY k.key_id
"""
# What people inside the company are told is no promise to the customer (T0).
PROMISES = f"""
SELECT n.enrollment_id, n.deadline, min(n.delivered_at) AS first_delivered_at,
       count(DISTINCT n.contact_id)
         FILTER (WHERE n.schedule_version = e.schedule_version) AS contacts
  FROM notices n JOIN enrollments e USING (enrollment_id)
 WHERE n.enrollment_id = ANY(:ids) AND n.state IN ('delivered', 'complained')
   AND n.{TO_CUSTOMERS}
 GROUP BY n.enrollment_id, n.deadline
"""
LAST_WARNING = """
SELECT n.enrollment_id, min(n.delivered_at) AS first_delivered_at,
       count(*) FILTER (WHERE n.state IN ('pending', 'leased', 'sending', 'retry', 'sent'))
       AS waiting
  FROM notices n JOIN enrollments e USING (enrollment_id, schedule_version)
 WHERE n.enrollment_id = ANY(:ids) AND n.step = :step AND n.state <> 'skipped'
 GROUP BY n.enrollment_id
"""
APPROVALS = """
SELECT c.cohort, (SELECT count(*) FROM approvals a
                   WHERE (a.deprecation, a.cohort, a.digest) = (c.deprecation, c.cohort, c.digest))
       AS approvals
  FROM cohorts c WHERE c.deprecation = :deprecation
"""


def load_cases(
    connection: Connection, deprecation: Deprecation, enrollment_ids: Sequence[int], *, lock: bool
) -> Sequence[Case]:
    """Return the case of each enrollment, earliest deadline first; lock its keys if asked to."""
    if not enrollment_ids:
        return []

    def rows(statement: str, **values: Any) -> Sequence[Row[Any]]:
        return connection.execute(text(statement), values).all()

    enrollments = rows(ENROLLMENTS, ids=list(enrollment_ids))
    now = connection.execute(text("SELECT rollout_now()")).scalar_one()
    coverage = read_coverage(connection)
    approvals = {r.cohort: r.approvals for r in rows(APPROVALS, deprecation=deprecation.name)}
    kinds = sorted(kind.value for kind in deprecation.kinds)
    keys = defaultdict(list)
    locking = KEYS + "FOR UPDATE OF k" if lock else KEYS
    for row in rows(locking, accounts=[e.account_id for e in enrollments], kinds=kinds):
        keys[row.account_id].append(_key(row, deprecation, coverage, now))
    promises = defaultdict(list)
    for row in rows(PROMISES, ids=list(enrollment_ids)):
        promises[row.enrollment_id].append(_promise(row))
    last_warnings = _last_warnings(
        rows(LAST_WARNING, ids=list(enrollment_ids), step=_last_step(deprecation)), deprecation
    )
    return [
        Case(
            **_utc_fields(enrollment),
            deprecation=deprecation.name,
            keys=tuple(keys[enrollment.account_id]),
            approvals=approvals[enrollment.cohort],
            promises=tuple(promises[enrollment.enrollment_id]),
            last_warning=last_warnings.get(enrollment.enrollment_id),
        )
        for enrollment in enrollments
    ]


def _utc_fields(row: Row[Any]) -> dict[str, Any]:
    columns = row._mapping  # noqa: SLF001 - SQLAlchemy's public way to a row's columns
    return {
        name: _utc(value) if isinstance(value, datetime) else value
        for name, value in columns.items()
    }


def _promise(row: Row[Any]) -> Promise:
    return Promise(_utc(row.deadline), _utc(row.first_delivered_at), row.contacts)


def _last_warnings(rows: Sequence[Row[Any]], deprecation: Deprecation) -> dict[int, LastWarning]:
    found = {}
    for row in rows:
        first = row.first_delivered_at
        found[row.enrollment_id] = LastWarning(
            row.waiting, _utc(first) if first else None, deprecation.spacing
        )
    return found


def _last_step(deprecation: Deprecation) -> str | None:
    return deprecation.last_warning.name if deprecation.last_warning else None


def _key(row: Row[Any], deprecation: Deprecation, coverage: Coverage, now: datetime) -> DueKey:
    guards = deprecation.guards
    judged = judge_usage(
        history(row), coverage, now=now, window=guards.usage_window, fresh=guards.usage_fresh
    )
    return DueKey(row.key_id, row.last_seen, judged.usage, judged.why)


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)
