"""The SQL of what alarms rest on: the first entry of an index each, never all accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from rollout.adapters.db.clock import SqlClock
from rollout.adapters.db.cutoff import RUNNING
from rollout.adapters.db.insiders import TO_CUSTOMERS
from rollout.adapters.db.sending import PAUSED
from rollout.domain.alarms import Lost, Paused, Seen
from rollout.domain.audit import ROLLOUT
from rollout.services.ports.mail import PEACE

# A server that takes nothing is left in peace, and asked again within twice that.
SOON = f"interval '{2 * PEACE.total_seconds():.0f} s'"
MOST_LOST = 100  # notices of a deprecation that are read
UNPAUSED = f"NOT {PAUSED.format(of='d')}"
RUNNING_COHORTS = f"SELECT c.deprecation, c.cohort FROM cohorts c WHERE {RUNNING}"

# What a sender has is waiting too: a server that hangs answers none of it.
MAIL = f"""
SELECT coalesce(bool_or(n.attempt_at <= rollout_now() + {SOON}), false) AS due,
       count(n.attempt_at) > 0 AS waiting,
       EXISTS (SELECT 1 FROM notices d
                WHERE d.state IN ('leased', 'sending') AND {UNPAUSED}) AS under_way,
       (array_agg(n.reason ORDER BY n.attempt_at) FILTER (WHERE n.state = 'retry'))[1] AS reply
  FROM deprecations d
 CROSS JOIN LATERAL (
       SELECT attempt_at, state, reason FROM notices
        WHERE deprecation = d.deprecation AND state IN ('pending', 'retry')
        ORDER BY attempt_at LIMIT 1) n
 WHERE {UNPAUSED}
"""
# Of the deprecations whose sending goes on. A minute counts as a whole: its end is what is known.
TAKEN = f"""
WITH minutes AS MATERIALIZED (
  SELECT minute, sum(accepted) AS accepted, sum(put_off) AS put_off
    FROM sending_minutes d WHERE {UNPAUSED} GROUP BY minute),
taken AS (SELECT max(minute) AS minute FROM minutes WHERE accepted > 0)
SELECT taken.minute + interval '1 minute' AS last_accepted,
       (SELECT coalesce(sum(put_off), 0) FROM minutes
         WHERE taken.minute IS NULL OR minutes.minute > taken.minute) AS put_off
  FROM taken
"""
OLDEST = """
SELECT (SELECT min(e.at) FROM running c CROSS JOIN LATERAL (
          SELECT next_notice_at AS at FROM enrollments
           WHERE (deprecation, cohort) = (c.deprecation, c.cohort) AND next_notice_at IS NOT NULL
           ORDER BY next_notice_at LIMIT 1) e) AS reminder_due,
       (SELECT min(e.at) FROM running c CROSS JOIN LATERAL (
          SELECT next_check_at AS at FROM enrollments
           WHERE (deprecation, cohort) = (c.deprecation, c.cohort) AND state = 'scheduled'
             AND next_check_at IS NOT NULL
           ORDER BY next_check_at LIMIT 1) e
         WHERE NOT EXISTS (SELECT 1 FROM stops WHERE closed_at IS NULL)) AS cutoff_due,
       (SELECT changed_at FROM keys WHERE enforced_version < version
         ORDER BY changed_at LIMIT 1) AS unenforced,
       (SELECT at FROM facts WHERE seq = (SELECT min(seq) FROM facts_unsealed)) AS unsealed,
       (SELECT reason FROM stops WHERE closed_at IS NULL LIMIT 1) AS stopped
"""
NEXT_CUTOFFS = """
SELECT c.deprecation, min(e.at) AS at FROM running c
 CROSS JOIN LATERAL (
       SELECT next_check_at AS at FROM enrollments
        WHERE (deprecation, cohort) = (c.deprecation, c.cohort) AND state = 'scheduled'
          AND next_check_at IS NOT NULL
        ORDER BY next_check_at LIMIT 1) e
 GROUP BY c.deprecation ORDER BY c.deprecation
"""
LOST = f"""
SELECT g.deprecation, count(DISTINCT l.enrollment_id) AS accounts,
       min(l.deadline) AS first_deadline, count(*) = :most AS more
  FROM unnest(CAST(:deprecations AS text[]), CAST(:horizons AS interval[]))
       AS g (deprecation, horizon)
 CROSS JOIN LATERAL (
       SELECT e.enrollment_id, n.deadline
         FROM notices n JOIN enrollments e USING (enrollment_id, schedule_version)
        WHERE n.deprecation = g.deprecation AND n.required AND n.{TO_CUSTOMERS}
          AND n.state IN ('bounced', 'dead', 'uncertain')
          AND n.deadline > rollout_now() AND n.deadline < rollout_now() + g.horizon
          AND e.state = 'scheduled'
          AND NOT EXISTS (
              SELECT 1 FROM notices o
               WHERE (o.enrollment_id, o.step, o.schedule_version)
                     = (n.enrollment_id, n.step, n.schedule_version)
                 AND o.state NOT IN ('bounced', 'dead', 'uncertain', 'skipped'))
        ORDER BY n.deadline LIMIT :most) l
 GROUP BY g.deprecation ORDER BY g.deprecation
"""


def observe(connection: Connection) -> Seen:
    """Look at everything that costs the same however many accounts there are."""
    mail = connection.execute(text(MAIL)).one()
    taken = connection.execute(text(TAKEN)).one()
    oldest = connection.execute(text(_running(OLDEST))).one()
    return Seen(
        due=mail.due or mail.under_way,
        waiting=mail.waiting or mail.under_way,
        put_off=int(taken.put_off),
        last_accepted=_utc(taken.last_accepted),
        last_reply=mail.reply,
        sending_paused=_paused(
            connection,
            "SELECT 'deprecation:' || deprecation AS subject, reason FROM sending_pauses",
        ),
        reminder_due=_utc(oldest.reminder_due),
        cutoff_due=_utc(oldest.cutoff_due),
        unenforced=_utc(oldest.unenforced),
        unsealed=_utc(oldest.unsealed),
        stopped=oldest.stopped,
        cohorts_paused=_paused(
            connection,
            "SELECT 'cohort:' || deprecation || '/' || cohort AS subject, reason FROM pauses",
        ),
        heartbeats={kind: at.astimezone(UTC) for kind, at in SqlClock(connection).beats().items()},
    )


def next_cutoffs(connection: Connection) -> Mapping[str, datetime]:
    """Return of each deprecation when the first account is judged that is scheduled."""
    rows = connection.execute(text(_running(NEXT_CUTOFFS)))
    return {row.deprecation: row.at.astimezone(UTC) for row in rows}


def lost(connection: Connection, horizons: Mapping[str, timedelta]) -> Sequence[Lost]:
    """Find accounts due within the horizon of their deprecation whose people are not told."""
    values = {
        "deprecations": list(horizons),
        "horizons": list(horizons.values()),
        "most": MOST_LOST,
    }
    return [
        Lost(row.deprecation, row.accounts, row.first_deadline.astimezone(UTC), row.more)
        for row in connection.execute(text(LOST), values)
    ]


def _running(query: str) -> str:
    return f"WITH running AS MATERIALIZED ({RUNNING_COHORTS}) {query}"


def _paused(connection: Connection, query: str) -> Sequence[Paused]:
    rows = connection.execute(
        text(f"{query} WHERE closed_at IS NULL AND owner = :owner ORDER BY 1"), {"owner": ROLLOUT}
    )
    return [Paused(row.subject, row.reason) for row in rows]


def _utc(value: datetime | None) -> datetime | None:
    return value and value.astimezone(UTC)
