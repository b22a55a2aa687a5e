"""What a message may say, read for a batch of notices with one query per question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.histories import OF_KEY, history
from rollout.adapters.db.insiders import CUSTOMERS
from rollout.adapters.db.parsed import text
from rollout.domain.notices import (
    CALLERS_SEEN,
    TREND_OF,
    Called,
    Caller,
    NoticeContext,
    NoticeKey,
)
from rollout.domain.notices.links import MessageLinks
from rollout.domain.plan import Deprecation
from rollout.domain.usage import Coverage, judge_usage, most_used
from rollout.domain.usage.endpoints import OTHER

MAX_CALLERS = 10  # a message that lists more is not read
MAX_ENDPOINTS = 5

PEOPLE = """
SELECT n.notice_id, n.notice_id AS linked, n.contact_id, n.required, n.deadline,
       n.schedule_version, e.enrollment_id, e.deprecation, e.state, a.account_id,
       a.name AS account_name, a.calendar_version, a.brief_version,
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
SELECT d.delivery_id AS notice_id, 0 AS linked, 0 AS contact_id, false AS required, d.deadline,
       e.enrollment_id, e.deprecation, a.account_id, a.name AS account_name, a.calendar_version,
       a.brief_version, '' AS recipient, a.timezone AS zone, a.locale, s.reason,
       b.deadline AS previous_deadline,
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
SELECT c.contact_id AS notice_id, 0 AS linked, c.contact_id, false AS required,
       CAST(:now AS timestamptz) AS deadline, CAST(NULL AS bigint) AS enrollment_id,
       :deprecation AS deprecation, a.account_id, a.name AS account_name, a.calendar_version,
       a.brief_version, coalesce(c.name, '') AS recipient, coalesce(c.timezone, a.timezone) AS zone,
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
# By source first, of which there are few: an account's sightings are counted by the hour.
CALLERS = """
WITH calls AS MATERIALIZED (
  SELECT k.account_id, g.source_id, sum(g.count) AS calls, max(g.last_at) AS last_seen,
         sum(g.count) FILTER (WHERE g.hour > :recent) AS recent,
         sum(g.count) FILTER (WHERE g.hour > :before AND g.hour <= :recent) AS before
    FROM keys k JOIN sightings g USING (key_id)
   WHERE k.account_id = ANY(:accounts) AND k.kind = 'rest'
     AND g.hour > CAST(:since AS timestamptz) - interval '1 hour' AND g.last_at > :since
   GROUP BY k.account_id, g.source_id
), ranked AS (
  SELECT c.account_id, coalesce(s.integration, s.user_agent) AS name, s.integration,
         min(s.network) AS network, count(DISTINCT s.network) AS networks, sum(c.calls) AS calls,
         max(c.last_seen) AS last_seen, coalesce(sum(c.recent), 0) AS recent,
         coalesce(sum(c.before), 0) AS before,
         row_number() OVER (PARTITION BY c.account_id ORDER BY sum(c.calls) DESC) AS place
    FROM calls c JOIN named_sources s USING (source_id)
   GROUP BY c.account_id, coalesce(s.integration, s.user_agent), s.integration)
SELECT ranked.*, coalesce(i.migration_url, '') AS migration_url
  FROM ranked LEFT JOIN integrations i USING (integration)
 WHERE place <= :most ORDER BY account_id, place
"""
# Whole days of UTC, and none that began before the callers are looked for.
ENDPOINTS = """
SELECT account_id, endpoint, calls FROM (
  SELECT k.account_id, e.endpoint, sum(e.count) AS calls,
         row_number() OVER (PARTITION BY k.account_id ORDER BY sum(e.count) DESC, e.endpoint)
           AS place
    FROM keys k JOIN key_endpoints e USING (key_id)
   WHERE k.account_id = ANY(:accounts) AND k.kind = 'rest' AND e.endpoint <> :other
     AND e.day > CAST((rollout_now() - CAST(:seen AS interval)) AT TIME ZONE 'UTC' AS date)
   GROUP BY k.account_id, e.endpoint) ranked
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
        links: MessageLinks | None = None,
    ) -> None:
        self._connection = connection
        self._documents = documents
        self._links = links

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
        listening = {
            name: _listening(coverage, self._documents[name].guards.usage_fresh, now)
            for name in {person.deprecation for person in people}
        }
        keys = _by(self._rows(KEYS, accounts=accounts), "account_id")
        callers = _by(self._rows(CALLERS, accounts=accounts, **_spans(now)), "account_id")
        endpoints = self._endpoints(accounts)
        refused = self._refused([person.enrollment_id for person in people])
        contexts = {}
        for person in people:
            document = self._documents[person.deprecation]
            shown = tuple(_key(row, document, coverage, now) for row in keys[person.account_id])
            heard = listening[person.deprecation]
            contexts[person.notice_id] = NoticeContext(
                recipient=person.recipient,
                contact_id=person.contact_id,
                required=person.required,
                account_id=person.account_id,
                account_name=person.account_name,
                keys=shown,
                usage=most_used(key.usage for key in shown),
                callers=tuple(_caller(row, heard) for row in callers[person.account_id]),
                endpoints=endpoints[person.account_id],
                deadline=person.deadline.astimezone(UTC),
                previous_deadline=person.previous_deadline,
                reason=person.reason,
                refused_since_cutoff=refused.get(person.enrollment_id, 0),
                now=now,
                zone=person.zone,
                locale=person.locale,
                **_said_by(document),
                webhook=person.webhook,
                webhook_reason=person.webhook_reason,
                calendar_url=self._calendar_url(person),
                brief_url=self._brief_url(person),
            )
        return contexts

    def _refused(self, enrollments: Sequence[int]) -> Mapping[int, int]:
        rows = self._rows(REFUSED, enrollments=enrollments)
        return {row.enrollment_id: int(row.refused) for row in rows}

    def _endpoints(self, accounts: Sequence[str]) -> Mapping[str, tuple[Called, ...]]:
        values = {"most": MAX_ENDPOINTS, "seen": CALLERS_SEEN, "other": OTHER}
        found = _by(self._rows(ENDPOINTS, accounts=accounts, **values), "account_id")
        return {
            account_id: tuple(Called(row.endpoint, int(row.calls)) for row in found[account_id])
            for account_id in accounts
        }

    def _calendar_url(self, person: Row[Any]) -> str | None:
        links = self._links and self._links.calendar
        return links.url(person.account_id, person.calendar_version) if links else None

    def _brief_url(self, person: Row[Any]) -> str | None:
        """Return the link of a notice; None of what no person reads."""
        links = self._links and self._links.brief
        return links.url(person.linked, person.brief_version) if links and person.linked else None

    def _rows(self, statement: str, **values: Any) -> Sequence[Row[Any]]:
        return self._connection.execute(text(statement), values).all()


def _by(rows: Sequence[Row[Any]], column: str) -> dict[Any, list[Row[Any]]]:
    grouped: dict[Any, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        grouped[getattr(row, column)].append(row)
    return grouped


def _said_by(document: Deprecation) -> dict[str, str]:
    return {
        "title": document.title,
        "replacement_title": document.replacement.title,
        "replacement_url": document.replacement.url,
        "guide_url": document.guide_url,
    }


def _spans(now: datetime) -> dict[str, Any]:
    """Return from when on calls count, by what for."""
    recent = now - TREND_OF
    since = now - CALLERS_SEEN
    return {"recent": recent, "before": recent - TREND_OF, "since": since, "most": MAX_CALLERS}


@dataclass(frozen=True, slots=True)
class _Listening:
    """What the feeds have heard: how much of the time of callers, and whether all of a trend's."""

    heard: timedelta
    throughout: bool


def _listening(coverage: Coverage, fresh: timedelta, now: datetime) -> _Listening:
    return _Listening(
        coverage.heard(now - CALLERS_SEEN, now, fresh),
        coverage.spans(now - 2 * TREND_OF, now, fresh),
    )


def _caller(row: Row[Any], listening: _Listening) -> Caller:
    return Caller(
        row.name,
        row.network,
        int(row.calls),
        row.last_seen.astimezone(UTC),
        row.networks,
        is_integration=row.integration is not None,
        migration_url=row.migration_url,
        listened=listening.heard,
        recent=int(row.recent) if listening.throughout else None,
        before=int(row.before) if listening.throughout else None,
    )


def _key(row: Row[Any], document: Deprecation, coverage: Coverage, now: datetime) -> NoticeKey:
    guards = document.guards
    judged = judge_usage(
        history(row), coverage, now=now, window=guards.usage_window, fresh=guards.usage_fresh
    )
    return NoticeKey(row.hint, row.label, judged.usage, row.last_seen)
