"""The SQL of the notices stage: a row is the outbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from rollout.adapters.db import insiders
from rollout.adapters.db.cutoff import RUNNING
from rollout.adapters.db.histories import OF_KEYS, histories
from rollout.adapters.db.insiders import CUSTOMERS, TO_CUSTOMERS
from rollout.adapters.db.notice_contexts import NoticeContexts
from rollout.adapters.db.parsed import text
from rollout.adapters.db.plan import SqlPlan
from rollout.adapters.db.suppression import SKIPPED
from rollout.domain.notices import ADDRESS_DEAD, COMPLAINED_OF, UNSUBSCRIBED, NoticeContext
from rollout.domain.notices.delivery import Reach
from rollout.domain.notices.links import MessageLinks
from rollout.domain.plan import Step
from rollout.domain.usage import History
from rollout.services.ports.notices import DueEnrollment, NewNotice, Opening, Stand

# Cohort by cohort: what is due in a paused one, and be it a million, is not even read. Whoever
# escalates (an insert, with its foreign key) neither waits nor is waited for.
CLAIM_ENROLLMENTS = f"""
WITH running AS MATERIALIZED (
  SELECT c.deprecation, c.cohort FROM cohorts c WHERE {RUNNING})
SELECT due.enrollment_id FROM running c
 CROSS JOIN LATERAL (
       SELECT e.enrollment_id FROM enrollments e
        WHERE (e.deprecation, e.cohort) = (c.deprecation, c.cohort)
          AND e.next_notice_at <= rollout_now()
        ORDER BY e.next_notice_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED) due
 LIMIT :limit
"""

# A statement of its own, so that it sees what it has locked and not what was there when the claim
# began. `rest` is the only kind that can ever be in scope (M0): mobile keys are not even counted.
CLAIMED = """
SELECT e.enrollment_id, e.deprecation, k.keys, coalesce(c.refused, 0),
       e.state, e.deadline, e.zone, e.told_until, c.cut_at
  FROM enrollments e
  LEFT JOIN LATERAL (
       SELECT max(c.cut_at) AS cut_at, sum(s.refused) AS refused
         FROM cutoffs c LEFT JOIN sightings s ON s.key_id = c.key_id AND s.last_at > c.cut_at
        WHERE e.state = 'cut' AND c.enrollment_id = e.enrollment_id
          AND c.schedule_version = e.schedule_version) c ON true
  CROSS JOIN LATERAL (
       SELECT count(*) AS keys FROM keys
        WHERE keys.account_id = e.account_id AND keys.kind = 'rest'
          AND (keys.status = 'active' OR e.state = 'cut')) k
 WHERE e.enrollment_id = ANY(:ids) ORDER BY e.enrollment_id
"""

HISTORIES = f"""
SELECT e.enrollment_id, {OF_KEYS}
  FROM enrollments e JOIN keys USING (account_id) LEFT JOIN key_usage u USING (key_id)
 WHERE e.enrollment_id = ANY(:ids) AND keys.kind = 'rest'
   AND (keys.status = 'active' OR e.state = 'cut')
 GROUP BY e.enrollment_id
"""

# A warning never waits for somebody's morning so long that too little is left of its notice.
WHEN_OPEN = """greatest(rollout_now(),
       CASE WHEN open.at IS NOT NULL AND {deadline} > rollout_now()
            THEN least(open.at, {deadline} - CAST(:spacing AS interval)) ELSE open.at END)"""
OPEN = """LEFT JOIN unnest(CAST(:zones AS text[]), CAST(:opens AS timestamptz[])) AS open (zone, at)
         ON open.zone = coalesce(c.timezone, a.timezone)"""

# One random id for the batch: a million of them would cost more than the rows.
ADD = f"""
INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required, resend,
                     schedule_version, deadline, message_id, state, reason, due_at, attempt_at,
                     not_after, webhook)
SELECT n.enrollment_id, e.deprecation, c.contact_id, :step, :template, :required, :resend,
       e.schedule_version, e.deadline,
       '<' || batch.id || '.' || e.enrollment_id || '.' || c.contact_id || '@' || :domain || '>',
       CASE WHEN unwanted.reason IS NULL THEN 'pending' ELSE 'skipped' END, unwanted.reason,
       rollout_now(), {WHEN_OPEN.format(deadline="e.deadline")}, n.not_after, n.webhook
  FROM unnest(CAST(:enrollment_ids AS bigint[]), CAST(:skipped AS text[]),
              CAST(:not_after AS timestamptz[]), CAST(:webhooks AS bigint[]))
       AS n (enrollment_id, skipped, not_after, webhook)
 CROSS JOIN (SELECT gen_random_uuid() AS id OFFSET 0) batch
  JOIN enrollments e USING (enrollment_id)
  JOIN accounts a USING (account_id)
  JOIN contacts c ON c.account_id = e.account_id AND c.{CUSTOMERS}
       AND (CAST(:roles AS text[]) IS NULL OR c.role = ANY(:roles)
            OR NOT EXISTS (SELECT 1 FROM contacts r WHERE r.account_id = e.account_id
                            AND r.role = ANY(:roles) AND r.deliverability <> 'bounced'))
  {OPEN}
 CROSS JOIN LATERAL (
       SELECT coalesce(n.skipped,
                       CASE WHEN c.deliverability = 'bounced' THEN :address_dead
                            WHEN :required THEN NULL
                            WHEN c.deliverability = 'complained' THEN :complained_of
                            WHEN c.unsubscribed_at IS NOT NULL THEN :unsubscribed
                            END) AS reason) unwanted
ON CONFLICT (enrollment_id, contact_id, step, schedule_version) DO NOTHING
"""

TOLD = "('sending', 'sent', 'delivered', 'complained', 'uncertain')"

RETELL = f"""
INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required, resend,
                     schedule_version, deadline, message_id, due_at, attempt_at)
SELECT :id, (SELECT deprecation FROM enrollments WHERE enrollment_id = :id),
       c.contact_id, :template, :template, true, true, :version, :deadline,
       '<' || gen_random_uuid() || '@' || :domain || '>', rollout_now(),
       {WHEN_OPEN.format(deadline="CAST(:deadline AS timestamptz)")}
  FROM (SELECT contact_id FROM notices WHERE enrollment_id = :id AND state IN {TOLD}
        UNION SELECT unnest(CAST(:also AS bigint[]))) told
  JOIN contacts c ON c.contact_id = told.contact_id AND c.{CUSTOMERS}
  JOIN accounts a USING (account_id)
  {OPEN}
ON CONFLICT DO NOTHING
"""

# Two of one account may be refused at once: the later one sees that the earlier cannot be told.
ALONE = """
SELECT pg_advisory_xact_lock(hashtextextended('escalate', enrollment_id)) FROM notices
 WHERE notice_id = :id
"""
ESCALATE = f"""
WITH others AS (
  INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required, resend,
                       schedule_version, deadline, message_id, due_at, attempt_at, not_after,
                       webhook)
  SELECT n.enrollment_id, n.deprecation, c.contact_id, n.step, n.template, n.required, n.resend,
         n.schedule_version, n.deadline, '<' || gen_random_uuid() || '@' || :domain || '>',
         n.due_at, rollout_now(), n.not_after, n.webhook
    FROM notices n JOIN enrollments e USING (enrollment_id, schedule_version)
    JOIN contacts c ON c.account_id = e.account_id AND c.deliverability = 'ok' AND c.{CUSTOMERS}
         AND (n.required OR c.unsubscribed_at IS NULL)
   WHERE n.notice_id = :id AND n.state IN ('bounced', 'dead') AND e.state <> 'exempt'
     AND n.{TO_CUSTOMERS}
     AND NOT EXISTS (SELECT 1 FROM notices o
          WHERE (o.enrollment_id, o.step, o.schedule_version)
                = (n.enrollment_id, n.step, n.schedule_version)
            AND o.state NOT IN ('bounced', 'dead', 'skipped'))
  ON CONFLICT (enrollment_id, contact_id, step, schedule_version) DO NOTHING
  RETURNING contact_id)
SELECT c.email FROM others JOIN contacts c USING (contact_id) ORDER BY c.email
"""

WITH_INTEGRATION = """
SELECT DISTINCT e.enrollment_id
  FROM enrollments e JOIN keys k USING (account_id) JOIN key_sources x USING (key_id)
  JOIN named_sources s USING (source_id)
 WHERE e.enrollment_id = ANY(:ids) AND k.kind = 'rest' AND k.status = 'active'
   AND x.last_seen >= :since AND s.integration IS NOT NULL
"""

UNACKNOWLEDGED = f"""
SELECT e.enrollment_id, e.account_id FROM enrollments e
 WHERE e.enrollment_id = ANY(:ids) AND NOT EXISTS (
       SELECT 1 FROM notices n WHERE n.enrollment_id = e.enrollment_id
          AND n.schedule_version = e.schedule_version AND n.acknowledged_at IS NOT NULL
          AND n.{TO_CUSTOMERS})
"""

ZONES = """
SELECT DISTINCT coalesce(c.timezone, a.timezone)
  FROM enrollments e JOIN accounts a USING (account_id) JOIN contacts c USING (account_id)
 WHERE e.enrollment_id = ANY(:ids)
"""


class SqlNotices:
    """Implements ``services.ports.notices`` on one connection."""

    def __init__(
        self, connection: Connection, mail_domain: str, links: MessageLinks | None = None
    ) -> None:
        self._connection = connection
        self._mail_domain = mail_domain  # the right-hand side of every Message-ID
        self._links = links

    def claim_enrollments(self, limit: int) -> Sequence[DueEnrollment]:
        """Lock enrollments whose next step is due and whose cohort is not paused."""
        claimed = self._connection.execute(text(CLAIM_ENROLLMENTS), {"limit": limit}).scalars()
        rows = self._connection.execute(text(CLAIMED), {"ids": list(claimed)})
        return [_due(row) for row in rows]

    def histories(self, enrollment_ids: Sequence[int]) -> Mapping[int, Sequence[History]]:
        """Return what is known of the uses of their keys, of active ones if they are not cut."""
        rows = self._connection.execute(text(HISTORIES), {"ids": list(enrollment_ids)})
        return {
            row.enrollment_id: histories(row.last_seen, row.attested_at, row.days) for row in rows
        }

    def with_integration(self, enrollment_ids: Sequence[int], since: datetime) -> Collection[int]:
        """Return those whose keys an integration that is known by name has used since then."""
        rows = self._connection.execute(
            text(WITH_INTEGRATION), {"ids": list(enrollment_ids), "since": since}
        )
        return frozenset(rows.scalars())

    def zones(self, enrollment_ids: Sequence[int]) -> Collection[str]:
        """Return the time zones in which people of some enrollments live."""
        rows = self._connection.execute(text(ZONES), {"ids": list(enrollment_ids)})
        return frozenset(rows.scalars())

    def add(self, notices: Sequence[NewNotice], opening: Opening | None = None) -> int:
        """Write the rows: one per contact that the step is for. One that exists stays as it is."""
        by_step: dict[Step, list[NewNotice]] = defaultdict(list)
        for notice in notices:
            by_step[notice.step].append(notice)
        return sum(self._add(step, told, opening) for step, told in by_step.items())

    def _add(self, step: Step, notices: Sequence[NewNotice], opening: Opening | None) -> int:
        result = self._connection.execute(
            text(ADD),
            {
                "domain": self._mail_domain,
                "step": step.name,
                "template": step.template,
                "required": step.required,
                "resend": step.resend,
                "enrollment_ids": [n.enrollment_id for n in notices],
                "skipped": [n.skipped for n in notices],
                "not_after": [n.not_after for n in notices],
                "webhooks": [n.webhook for n in notices],
                "roles": list(step.to) or None,
                **_opening(opening),
                "address_dead": ADDRESS_DEAD,
                "complained_of": COMPLAINED_OF,
                "unsubscribed": UNSUBSCRIBED,
            },
        )
        return result.rowcount

    def unacknowledged(self, enrollment_ids: Sequence[int]) -> Mapping[int, str]:
        """Return those of whose present schedule nobody has acknowledged a message, and whose."""
        rows = self._connection.execute(text(UNACKNOWLEDGED), {"ids": list(enrollment_ids)})
        return {row.enrollment_id: row.account_id for row in rows}

    def advance(self, steps: Sequence[tuple[int, datetime | None]], told_until: datetime) -> None:
        """Note per enrollment when its next step is due, and that it is told until now."""
        self._connection.execute(
            text(
                "UPDATE enrollments e SET next_notice_at = n.at,"
                " told_until = greatest(e.told_until, :told_until)"
                "  FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS timestamptz[])) AS n (id, at)"
                " WHERE e.enrollment_id = n.id"
            ),
            {"ids": [s[0] for s in steps], "ats": [s[1] for s in steps], "told_until": told_until},
        )

    def anybody_told(self, enrollment_id: int) -> bool:
        """Say whether anybody was, or may have been, told a date of this enrollment."""
        told: bool = self._connection.execute(
            text(
                f"SELECT EXISTS (SELECT 1 FROM notices WHERE enrollment_id = :id"
                f" AND state IN {TOLD} AND {TO_CUSTOMERS})"
            ),
            {"id": enrollment_id},
        ).scalar_one()
        return told

    def supersede(
        self, enrollment_ids: Sequence[int], reason: str, *, steps: Sequence[str] | None = None
    ) -> frozenset[int]:
        """Skip what has not been sent yet, breaking leases; return the contacts it was for."""
        contacts = self._connection.execute(
            text(
                f"UPDATE notices SET state = {SKIPPED}, reason = :reason,"
                " lease = coalesce(lease, 0) + 1 WHERE enrollment_id = ANY(:ids)"
                " AND state IN ('pending', 'leased', 'retry') AND webhook IS NULL"
                " AND (CAST(:steps AS text[]) IS NULL OR step = ANY(:steps)) RETURNING contact_id"
            ),
            {
                "ids": list(enrollment_ids),
                "reason": reason,
                "steps": None if steps is None else list(steps),
            },
        )
        return frozenset(contacts.scalars())

    def retell(
        self,
        enrollment_id: int,
        *,
        template: str,
        version: int,
        deadline: datetime,
        also: Collection[int],
        opening: Opening | None,
    ) -> int:
        """Tell the new date to those who were, or may have been, told another, and to ``also``."""
        result = self._connection.execute(
            text(RETELL),
            {
                "id": enrollment_id,
                "template": template,
                "version": version,
                "deadline": deadline,
                "also": list(also),
                "domain": self._mail_domain,
                **_opening(opening),
            },
        )
        return result.rowcount

    def addresses(self, enrollment_id: int, step: str) -> Mapping[int, str]:
        """Return the notices of one step of an enrollment, and to whom they go."""
        rows = self._connection.execute(
            text(
                "SELECT notice_id, email FROM notices JOIN contacts USING (contact_id)"
                " WHERE enrollment_id = :id AND step = :step ORDER BY email"
            ),
            {"id": enrollment_id, "step": step},
        )
        return {row.notice_id: row.email for row in rows}

    def escalate(self, notice_id: int) -> Sequence[str]:
        """Tell the others of an account what one of them cannot be told, and nobody else was."""
        self._connection.execute(text(ALONE), {"id": notice_id})
        values = {"id": notice_id, "domain": self._mail_domain}
        return list(self._connection.execute(text(ESCALATE), values).scalars())

    def reaches(self, enrollment_ids: Collection[int]) -> Mapping[int, Reach]:
        """Return how far each scheduled enrollment is told, where somebody inside could be."""
        return insiders.reaches(self._connection, enrollment_ids)

    def tell_insiders(
        self, enrollment_ids: Collection[int]
    ) -> Sequence[tuple[int, str, Sequence[str]]]:
        """Write to the people inside, once per schedule; return enrollment, account, addresses."""
        return insiders.tell(self._connection, self._mail_domain, enrollment_ids)

    def contexts(self, notice_ids: Sequence[int], now: datetime) -> Mapping[int, NoticeContext]:
        """Return what the templates may say, for each notice."""
        plan = SqlPlan(self._connection)
        documents = {name: plan.deprecation(name) for name in plan.names()}
        contexts = NoticeContexts(self._connection, documents, self._links)
        return contexts.read(notice_ids, now)


def _opening(opening: Opening | None) -> dict[str, Any]:
    at = opening.at if opening else {}
    spacing = opening.spacing if opening else timedelta(0)
    return {"zones": list(at), "opens": list(at.values()), "spacing": spacing}


def _due(row: Sequence[Any]) -> DueEnrollment:
    enrollment_id, deprecation, keys, refused, state, deadline, zone, told_until, cut_at = row
    stand = Stand(state, deadline, zone, told_until, cut_at)
    return DueEnrollment(enrollment_id, deprecation, keys, refused, stand)
