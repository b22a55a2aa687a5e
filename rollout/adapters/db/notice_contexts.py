"""What a message may say, read for a batch of notices with one query per question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.histories import OF_KEY, history
from rollout.adapters.db.insiders import CUSTOMERS
from rollout.domain.account_calendar import CalendarLinks
from rollout.domain.notices import CALLERS_SEEN, Caller, NoticeContext, NoticeKey
from rollout.domain.plan import Deprecation
from rollout.domain.usage import Coverage, judge_usage, most_used

MAX_CALLERS = 10  # a message that lists more is not read

PEOPLE = """
SELECT n.notice_id, n.contact_id, n.required, n.deadline, n.schedule_version, e.enrollment_id,
       e.deprecation, e.state, a.account_id, a.name AS account_name, a.calendar_version,
       coalesce(c.name, '') AS recipient, coalesce(c.timezone, a.timezone) AS zone,
       coalesce(c.locale, a.locale) AS locale, s.reason, b.deadline AS previous_deadline,
       w.hint AS webhook, d.reason AS webhook_reason
  FROM notices n JOIN enrollments e USING (enrollment_id) JOIN accounts a USING (account_id)
  JOIN contacts c USING (contact_id)
  LEFT JOIN schedules s ON (s.enrollment_id, s.schedule_version)
        = (n.enrollment_id, n.schedule_version)
  LEFT JOIN schedules b ON (b.enrollment_id, b.schedule_version)
        = (n.enrollment_id, n.schedule_version - 1)
  LEFT JOIN webhook_deliveries d ON d.delivery_id = n.webhook
  LEFT JOIN webhook_endpoints w USING (endpoint_id)
 WHERE n.notice_id = ANY(:ids)
"""
# No person reads what a webhook is told: it is said as to the account.
DELIVERIES = """
SELECT d.delivery_id AS notice_id, 0 AS contact_id, false AS required, d.deadline,
       e.enrollment_id, e.deprecation, a.account_id, a.name AS account_name, a.calendar_version,
       '' AS recipient, a.timezone AS zone, a.locale, s.reason, b.deadline AS previous_deadline,
       NULL AS webhook, NULL AS webhook_reason
  FROM webhook_deliveries d JOIN enrollments e USING (enrollment_id)
  JOIN accounts a USING (account_id)
  LEFT JOIN schedules s ON (s.enrollment_id, s.schedule_version)
        = (d.enrollment_id, d.schedule_version)
  LEFT JOIN schedules b ON (b.enrollment_id, b.schedule_version)
        = (d.enrollment_id, d.schedule_version - 1)
 WHERE d.delivery_id = ANY(:ids)
"""
FORESEEN = f"""
SELECT c.contact_id AS notice_id, c.contact_id, false AS required,
       CAST(:now AS timestamptz) AS deadline, CAST(NULL AS bigint) AS enrollment_id,
       :deprecation AS deprecation, a.account_id, a.name AS account_name, a.calendar_version,
       coalesce(c.name, '') AS recipient, coalesce(c.timezone, a.timezone) AS zone,
       coalesce(c.locale, a.locale) AS locale, NULL AS reason,
       CAST(NULL AS timestamptz) AS previous_deadline, NULL AS webhook, NULL AS webhook_reason
  FROM accounts a JOIN contacts c USING (account_id)
 WHERE a.account_id = ANY(:accounts) AND c.{CUSTOMERS}
 ORDER BY a.account_id, c.contact_id
"""
KEYS = f"""
SELECT k.account_id, k.hint, k.label, {OF_KEY}
  FROM keys k LEFT JOIN key_usage u USING (key_id)
 WHERE k.account_id = ANY(:accounts) AND k.kind = 'rest' AND k.status <> 'revoked'
 ORDER BY u.last_seen DESC NULLS LAST, k.key_id
"""
CALLERS = """
SELECT account_id, name, network, networks, calls, last_seen FROM (
  SELECT k.account_id, coalesce(s.integration, s.user_agent) AS name, min(s.network) AS network,
         count(DISTINCT s.network) AS networks, sum(g.count) AS calls, max(g.last_at) AS last_seen,
         row_number() OVER (PARTITION BY k.account_id ORDER BY sum(g.count) DESC) AS place
    FROM keys k JOIN sightings g USING (key_id) JOIN named_sources s USING (source_id)
   WHERE k.account_id = ANY(:accounts) AND k.kind = 'rest'
     AND g.hour > rollout_now() - CAST(:seen AS interval) - interval '1 hour'
     AND g.last_at > rollout_now() - CAST(:seen AS interval)
   GROUP BY k.account_id, coalesce(s.integration, s.user_agent)) ranked
 WHERE place <= :most ORDER BY account_id, place
"""
REFUSED = """
SELECT c.enrollment_id, sum(s.refused) AS refused
  FROM cutoffs c JOIN enrollments e USING (enrollment_id, schedule_version)
  JOIN sightings s USING (key_id)
 WHERE c.enrollment_id = ANY(:enrollments) AND s.last_at > c.cut_at GROUP BY c.enrollment_id
"""


class NoticeContexts:
    """Reads contexts for notices of any deprecations."""

    def __init__(
        self,
        connection: Connection,
        documents: Mapping[str, Deprecation],
        calendar_links: CalendarLinks | None = None,
    ) -> None:
        self._connection = connection
        self._documents = documents
        self._calendar_links = calendar_links

    def read(self, notice_ids: Sequence[int], now: datetime) -> dict[int, NoticeContext]:
        """Return the context of each notice."""
        return self._contexts(self._rows(PEOPLE, ids=list(notice_ids)), now)

    def of_deliveries(self, delivery_ids: Sequence[int], now: datetime) -> dict[int, NoticeContext]:
        """Return, by delivery, what a webhook may be told."""
        return self._contexts(self._rows(DELIVERIES, ids=list(delivery_ids)), now)

    def foresee(
        self, deprecation: str, account_ids: Sequence[str], now: datetime
    ) -> dict[int, NoticeContext]:
        """Return, by contact, the context of a first notice whose deadline were now."""
        people = self._rows(FORESEEN, deprecation=deprecation, accounts=list(account_ids), now=now)
        return self._contexts(people, now)

    def _contexts(self, people: Sequence[Row[Any]], now: datetime) -> dict[int, NoticeContext]:
        accounts = list({person.account_id for person in people})
        coverage = read_coverage(self._connection)
        keys = _by(self._rows(KEYS, accounts=accounts), "account_id")
        seen = {"most": MAX_CALLERS, "seen": CALLERS_SEEN}
        callers = _by(self._rows(CALLERS, accounts=accounts, **seen), "account_id")
        enrollments = [person.enrollment_id for person in people]
        refused = _by(self._rows(REFUSED, enrollments=enrollments), "enrollment_id")
        contexts = {}
        for person in people:
            document = self._documents[person.deprecation]
            shown = tuple(_key(row, document, coverage, now) for row in keys[person.account_id])
            contexts[person.notice_id] = NoticeContext(
                recipient=person.recipient,
                contact_id=person.contact_id,
                required=person.required,
                account_id=person.account_id,
                account_name=person.account_name,
                keys=shown,
                usage=most_used(key.usage for key in shown),
                callers=tuple(
                    Caller(c.name, c.network, int(c.calls), c.last_seen.astimezone(UTC), c.networks)
                    for c in callers[person.account_id]
                ),
                deadline=person.deadline.astimezone(UTC),
                previous_deadline=person.previous_deadline,
                reason=person.reason,
                refused_since_cutoff=int(sum(r.refused for r in refused[person.enrollment_id])),
                now=now,
                zone=person.zone,
                locale=person.locale,
                title=document.title,
                replacement_title=document.replacement.title,
                replacement_url=document.replacement.url,
                guide_url=document.guide_url,
                calendar_url=self._calendar_url(person),
                webhook=person.webhook,
                webhook_reason=person.webhook_reason,
            )
        return contexts

    def _calendar_url(self, person: Row[Any]) -> str | None:
        links = self._calendar_links
        return links.url(person.account_id, person.calendar_version) if links else None

    def _rows(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        return self._connection.execute(text(statement), values).all()


def _by(rows: Sequence[Row[Any]], column: str) -> dict[Any, list[Row[Any]]]:
    grouped: dict[Any, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        grouped[getattr(row, column)].append(row)
    return grouped


def _key(row: Row[Any], document: Deprecation, coverage: Coverage, now: datetime) -> NoticeKey:
    guards = document.guards
    judged = judge_usage(
        history(row), coverage, now=now, window=guards.usage_window, fresh=guards.usage_fresh
    )
    return NoticeKey(row.hint, row.label, judged.usage, row.last_seen)
