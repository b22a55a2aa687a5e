"""The SQL of what people ask about notices. Long answers are streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.insiders import CUSTOMERS, TO_CUSTOMERS
from rollout.adapters.db.streaming import stream
from rollout.domain.notices.delivery import Reach
from rollout.domain.notices.untold import Telling
from rollout.services.ports import notice_views
from rollout.services.ports.notice_views import (
    Counted,
    Near,
    NearEnrollment,
    NoticeFilter,
    SameDates,
)

NOTICES = """
SELECT n.notice_id, e.account_id, c.email AS contact, n.step, n.state, n.due_at, n.sent_at,
       CASE WHEN n.bounced_at IS NULL THEN n.delivered_at END AS delivered_at, n.resent_at,
       n.acknowledged_at, n.reason
  FROM notices n JOIN enrollments e USING (enrollment_id) JOIN contacts c USING (contact_id)
 WHERE {conditions} ORDER BY n.notice_id DESC LIMIT :limit
"""
CONDITIONS = {
    "account_id": "e.account_id = :account_id",
    "deprecation": "e.deprecation = :deprecation",
    "cohort": "e.cohort = :cohort",
    # An array, so that these few are looked up first, and not every notice is asked whose it is.
    "address": "n.contact_id = ANY(ARRAY(SELECT contact_id FROM contacts"
    " WHERE lower(email) = lower(:address)))",
    "step": "n.step = :step",
    "states": "n.state = ANY(:states)",
    "since": "n.due_at >= :since",
    "until": "n.due_at < :until",
}
OF_COHORT = "(CAST(:cohort AS text) IS NULL OR e.cohort = :cohort)"

# What tells of a webhook that is off has a step of its own for each; they are counted together.
COUNT = f"""
SELECT CASE WHEN n.webhook IS NULL THEN n.step ELSE n.template END AS step, n.state,
       CASE WHEN n.state = 'skipped' THEN n.reason END AS reason, count(*) AS notices
  FROM notices n JOIN enrollments e USING (enrollment_id)
 WHERE e.deprecation = :deprecation AND {OF_COHORT}
 GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3
"""

# As scheduling does it: only accounts with keys are written to. `rest` is the only kind (M0). Where
# no step is due, everybody is told up to now, which leaves few groups of a million accounts.
AHEAD = f"""
SELECT e.deadline, e.zone, c.cut_at,
       CASE WHEN e.next_notice_at <= rollout_now() THEN e.told_until
            ELSE greatest(e.told_until, rollout_now()) END AS told_until,
       sum(p.people) AS people, sum(p.willing) AS willing
  FROM enrollments e
  JOIN (SELECT account_id, count(*) FILTER (WHERE deliverability <> 'bounced') AS people,
               count(*) FILTER (WHERE deliverability = 'ok' AND unsubscribed_at IS NULL)
                 AS willing
          FROM contacts WHERE {CUSTOMERS} GROUP BY account_id) p USING (account_id)
  LEFT JOIN LATERAL (
       SELECT max(cut_at) AS cut_at FROM cutoffs WHERE e.state = 'cut'
          AND (enrollment_id, schedule_version) = (e.enrollment_id, e.schedule_version)) c ON true
 WHERE e.deprecation = :deprecation AND {OF_COHORT}
   AND (e.state = 'scheduled' OR e.state = 'cut' AND e.next_notice_at IS NOT NULL)
   AND EXISTS (SELECT 1 FROM keys k WHERE k.account_id = e.account_id AND k.kind = 'rest'
                AND (k.status = 'active' OR e.state = 'cut'))
 GROUP BY 1, 2, 3, 4
"""

# What counts as told, and by when, is what `cases.PROMISES` loads for the cutoff. That alone is
# asked of everybody who is near; the rest only of the few who are not told in time.
NEAR = f"""
SELECT e.deprecation, e.account_id, e.cohort, e.deadline, t.*, n.*, c.*, p.reason AS paused,
       s.reason AS sending_paused
  FROM unnest(CAST(:deprecations AS text[]), CAST(:min_notices AS interval[]),
              CAST(:min_delivered AS int[])) AS g (deprecation, min_notice, min_delivered)
  JOIN enrollments e ON e.deprecation = g.deprecation AND e.state = 'scheduled'
        AND e.deadline < rollout_now() + g.min_notice
 CROSS JOIN LATERAL (
       SELECT count(DISTINCT contact_id) FILTER (WHERE deadline = e.deadline
                AND schedule_version = e.schedule_version) AS told,
              min(delivered_at) FILTER (WHERE deadline <= e.deadline) AS warned_at
         FROM notices
        WHERE enrollment_id = e.enrollment_id AND state IN ('delivered', 'complained')
          AND {TO_CUSTOMERS}) t
 CROSS JOIN LATERAL (
       SELECT count(*) FILTER (WHERE state IN ('bounced', 'dead')) AS failed,
              count(*) FILTER (WHERE state IN ('pending', 'leased', 'sending', 'sent', 'retry'))
              AS open,
              count(*) FILTER (WHERE state = 'sent') AS sent,
              count(*) FILTER (WHERE state = 'uncertain') AS uncertain,
              (array_agg(reason ORDER BY notice_id DESC)
                 FILTER (WHERE state IN ('bounced', 'dead')))[1] AS last_failure,
              (array_agg(reason ORDER BY notice_id DESC)
                 FILTER (WHERE state = 'retry'))[1] AS last_try,
              (array_agg(reason ORDER BY notice_id DESC)
                 FILTER (WHERE state = 'skipped'))[1] AS skipped
         FROM notices WHERE enrollment_id = e.enrollment_id AND deadline = e.deadline
          AND schedule_version = e.schedule_version AND {TO_CUSTOMERS}) n
 CROSS JOIN LATERAL (
       SELECT count(*) AS contacts, count(*) FILTER (WHERE deliverability = 'bounced') AS dead
         FROM contacts WHERE contacts.account_id = e.account_id AND {CUSTOMERS}) c
  LEFT JOIN pauses p ON (p.deprecation, p.cohort) = (e.deprecation, e.cohort)
        AND p.closed_at IS NULL
  LEFT JOIN sending_pauses s ON s.deprecation = e.deprecation AND s.closed_at IS NULL
 WHERE {OF_COHORT}
   AND (t.told < g.min_delivered OR t.warned_at > e.deadline - g.min_notice)
   AND EXISTS (SELECT 1 FROM keys k WHERE k.account_id = e.account_id AND k.kind = 'rest'
                AND k.status = 'active')
 ORDER BY e.deadline, e.enrollment_id LIMIT :limit
"""


class SqlNoticeViews:
    """Implements ``services.ports.notice_views`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def notices(self, which: NoticeFilter, limit: int | None) -> Iterator[notice_views.Row]:
        """Yield notices, the newest first: all that fit, or ``limit`` of them."""
        values: dict[str, Any] = {name: getattr(which, name) for name in CONDITIONS}
        values["states"] = [state.value for state in which.states]
        given = {name: value for name, value in values.items() if value not in (None, [])}
        conditions = " AND ".join(["true", *(CONDITIONS[name] for name in given)])
        query = NOTICES.format(conditions=conditions)
        for row in stream(self._connection, query, {**given, "limit": limit}):
            yield row._asdict()

    def count(self, deprecation: str, cohort: str | None) -> Sequence[Counted]:
        """Count the notices of a deprecation, or of one of its cohorts."""
        which = {"deprecation": deprecation, "cohort": cohort}
        return [Counted(*row) for row in self._connection.execute(text(COUNT), which)]

    def ahead(self, deprecation: str, cohort: str | None) -> Iterator[SameDates]:
        """Yield those for whom steps may still come: accounts with keys that are not told all."""
        which = {"deprecation": deprecation, "cohort": cohort}
        for row in stream(self._connection, AHEAD, which):
            yield SameDates(
                deadline=_utc(row.deadline),
                zone=row.zone,
                cut_at=row.cut_at and _utc(row.cut_at),
                told_until=row.told_until,
                people=int(row.people),
                willing=int(row.willing),
            )

    def near(
        self, guards: Sequence[Near], cohort: str | None, limit: int | None
    ) -> Iterator[NearEnrollment]:
        """Yield enrollments that are scheduled, near and not promised, the earliest first."""
        which = {
            "deprecations": [guard.deprecation for guard in guards],
            "min_notices": [guard.min_notice for guard in guards],
            "min_delivered": [guard.min_delivered for guard in guards],
            "cohort": cohort,
            "limit": limit,
        }
        for row in stream(self._connection, NEAR, which):
            yield NearEnrollment(row.deprecation, row.account_id, row.cohort, _telling(row))


def _telling(row: Row[Any]) -> Telling:
    return Telling(
        deadline=_utc(row.deadline),
        reach=Reach(
            contacts=row.contacts,
            dead=row.dead,
            told=row.told,
            failed=row.failed,
            open=row.open,
            last_failure=row.last_failure,
        ),
        warned_at=row.warned_at and _utc(row.warned_at),
        sent=row.sent,
        uncertain=row.uncertain,
        last_try=row.last_try,
        skipped=row.skipped,
        paused=row.paused,
        sending_paused=row.sending_paused,
    )


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC)
