"""The SQL of the plan stage: deprecations, their members, and who has which date."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.coverage import read_coverage
from rollout.adapters.db.histories import OF_KEYS, histories
from rollout.adapters.db.insiders import CUSTOMERS, TO_CUSTOMERS
from rollout.adapters.db.locks import stop_cutting
from rollout.adapters.db.notice_contexts import NoticeContexts
from rollout.adapters.db.parsed import text
from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.errors import NotFound
from rollout.domain.inventory import KeyKind
from rollout.domain.notices import NoticeContext
from rollout.domain.notices.timetable import warnings
from rollout.domain.plan import Candidate, Deprecation, cohort_digest
from rollout.domain.plan_draft import Change, Enrolled, Member
from rollout.domain.usage import Usage, judge_usage, most_used
from rollout.services.ports.plan import Enrollment, Reschedule

ENROLLMENT = (
    "enrollment_id, deprecation, account_id, cohort, state, deadline, zone, schedule_version"
)
MEMBERS = f"""
SELECT a.account_id, a.timezone, a.tier, k.keys, k.last_seen, k.attested_at, k.days,
       (SELECT count(*) FROM contacts c WHERE c.account_id = a.account_id AND c.{CUSTOMERS})
       AS contacts,
       e.enrollment_id, e.cohort, e.deadline, e.state, e.schedule_version, s.cause,
       coalesce(i.integrations, array[]::text[]) AS integrations,
       EXISTS (SELECT 1 FROM notices n WHERE n.enrollment_id = e.enrollment_id
                AND n.{TO_CUSTOMERS}
                AND (n.state IN ('sending', 'sent', 'delivered', 'complained', 'uncertain')
                     OR n.resent_at IS NOT NULL AND n.state <> 'bounced')) AS told
  FROM (SELECT account_id, count(*) AS keys, {OF_KEYS}
          FROM keys LEFT JOIN key_usage u USING (key_id)
         WHERE kind = ANY(:kinds) AND status = 'active' GROUP BY account_id) k
  JOIN accounts a USING (account_id)
  LEFT JOIN ({{integrations}}) i ON i.account_id = a.account_id
  LEFT JOIN enrollments e ON e.account_id = a.account_id AND e.deprecation = :deprecation
  LEFT JOIN schedules s USING (enrollment_id, schedule_version)
 ORDER BY a.account_id
"""
# Looked for only where a cohort asks for them.
INTEGRATIONS = """
SELECT k.account_id, array_agg(DISTINCT n.integration) AS integrations
  FROM keys k JOIN key_sources x USING (key_id) JOIN named_sources n USING (source_id)
 WHERE n.integration IS NOT NULL AND x.last_seen >= :used_since
   AND k.kind = ANY(:kinds) AND k.status = 'active'
 GROUP BY k.account_id
"""
NO_INTEGRATIONS = """
SELECT NULL::text AS account_id, NULL::text[] AS integrations
 WHERE CAST(:used_since AS timestamptz) IS NULL
"""

# Keys are locked in the order of their ids, here as everywhere: whoever locks many of them would
# else wait crosswise for somebody who locks the same ones.
TELL_GATEWAYS = """
WITH theirs AS MATERIALIZED (
  SELECT key_id FROM keys WHERE account_id = ANY(:accounts) AND status <> 'revoked'
   ORDER BY key_id FOR UPDATE)
UPDATE keys SET version = version + 1, changed_at = rollout_instant()
  FROM theirs WHERE keys.key_id = theirs.key_id
"""


class SqlPlan:
    """Implements ``services.ports.plan`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def names(self) -> list[str]:
        """Return the names of all deprecations."""
        rows = self._connection.execute(
            text("SELECT deprecation FROM deprecations ORDER BY deprecation")
        )
        return list(rows.scalars())

    def document(self, name: str) -> str | None:
        """Return the YAML text that was applied, or None."""
        document: str | None = self._connection.execute(
            text("SELECT document FROM deprecations WHERE deprecation = :name"), {"name": name}
        ).scalar()
        return document

    def deprecation(self, name: str) -> Deprecation:
        """Return the deprecation as it was applied; raise ``NotFound`` where there is none."""
        document = self.document(name)
        if document is None:
            known = ", ".join(self.names()) or "none has been applied yet"
            raise NotFound(f"there is no deprecation {name!r} (known: {known})")
        return parsed(document, name)

    def lock(self, name: str) -> None:
        """Make other applications of this deprecation wait for this one."""
        self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('deprecation:' || :name, 0))"),
            {"name": name},
        )

    def save(self, deprecation: Deprecation, document: str, operator: str) -> None:
        """Write the deprecation and its cohorts. Nothing of it is cut meanwhile."""
        stop_cutting(self._connection, deprecation.name)
        self._connection.execute(
            text(
                "INSERT INTO deprecations (deprecation, document, applied_by)"
                " VALUES (:name, :document, :operator) ON CONFLICT (deprecation) DO UPDATE"
                " SET document = excluded.document, applied_by = excluded.applied_by,"
                " applied_at = excluded.applied_at"
            ),
            {"name": deprecation.name, "document": document, "operator": operator},
        )
        for position, cohort in enumerate(deprecation.cohorts, start=1):
            self._connection.execute(
                text(
                    "INSERT INTO cohorts (deprecation, cohort, position, digest)"
                    " VALUES (:name, :cohort, :position, :digest)"
                    " ON CONFLICT (deprecation, cohort) DO UPDATE"
                    " SET position = excluded.position, digest = excluded.digest"
                ),
                {
                    "name": deprecation.name,
                    "cohort": cohort.name,
                    "position": position,
                    "digest": cohort_digest(deprecation, cohort),
                },
            )

    def members(self, deprecation: Deprecation, now: datetime) -> Iterator[Member]:
        """Stream every account that has active keys of the deprecation's kinds."""
        coverage = read_coverage(self._connection)
        guards = deprecation.guards
        asked_for = any(cohort.select.integration for cohort in deprecation.cohorts)
        query = MEMBERS.format(integrations=INTEGRATIONS if asked_for else NO_INTEGRATIONS)
        rows = self._connection.execute(
            text(query),
            {
                "deprecation": deprecation.name,
                "kinds": _names(deprecation.kinds),
                "used_since": now - guards.usage_window,
            },
            execution_options={"stream_results": True, "yield_per": 5000},
        )
        for row in rows:
            usage = most_used(
                judge_usage(
                    of_key,
                    coverage,
                    now=now,
                    window=guards.usage_window,
                    fresh=guards.usage_fresh,
                ).usage
                for of_key in histories(row.last_seen, row.attested_at, row.days)
            )
            candidate = _candidate(row, usage)
            yield Member(candidate, row.keys, row.contacts, _enrolled(row))

    def readers(
        self, deprecation: Deprecation, account_ids: Sequence[str], now: datetime
    ) -> Collection[NoticeContext]:
        """Return what a first message could say to each contact of accounts, as of now."""
        contexts = NoticeContexts(self._connection, {deprecation.name: deprecation})
        return contexts.foresee(deprecation.name, account_ids, now).values()

    def enroll(self, deprecation: Deprecation, changes: Sequence[Change]) -> None:
        """Give accounts their first date. A reminder whose time has passed is due at once."""
        ids = self._new_ids(len(changes))
        copy_rows(
            self._connection,
            "enrollments",
            (
                *("enrollment_id", "deprecation", "account_id", "cohort", "deadline", "wall"),
                *("zone", "planned_usage", "next_check_at", "next_notice_at"),
            ),
            (
                (
                    enrollment_id,
                    deprecation.name,
                    change.member.candidate.account_id,
                    change.cohort,
                    change.deadline.instant,
                    change.deadline.wall,
                    change.deadline.zone,
                    change.member.candidate.usage.value,
                    change.deadline.instant,
                    warnings(deprecation, change.deadline.instant, change.deadline.zone).next(),
                )
                for enrollment_id, change in zip(ids, changes, strict=True)
            ),
        )
        copy_rows(
            self._connection,
            "schedules",
            ("enrollment_id", "schedule_version", "deadline", "cause"),
            (
                (enrollment_id, 1, change.deadline.instant, "plan")
                for enrollment_id, change in zip(ids, changes, strict=True)
            ),
        )
        self._tell_gateways([change.member.candidate.account_id for change in changes])

    def lock_enrollments(self, account_id: str, deprecation: str | None) -> list[Enrollment]:
        """Lock and return the enrollments of an account, or those in one deprecation."""
        rows = self._connection.execute(
            text(
                f"SELECT {ENROLLMENT} FROM enrollments WHERE account_id = :account_id"
                " AND (CAST(:deprecation AS text) IS NULL OR deprecation = :deprecation)"
                " ORDER BY enrollment_id FOR NO KEY UPDATE"  # whoever escalates need not wait
            ),
            {"account_id": account_id, "deprecation": deprecation},
        )
        return [Enrollment(**row) for row in rows.mappings()]

    def lock_enrollment(self, enrollment_id: int) -> Enrollment:
        """Lock and return one enrollment."""
        row = (
            self._connection.execute(
                text(
                    f"SELECT {ENROLLMENT} FROM enrollments WHERE enrollment_id = :id"
                    " FOR NO KEY UPDATE"
                ),
                {"id": enrollment_id},
            )
            .mappings()
            .one()
        )
        return Enrollment(**row)

    def reschedule(self, change: Reschedule) -> int:
        """Give an enrollment a new date; return the new schedule version."""
        enrollment, deadline = change.enrollment, change.deadline
        version = enrollment.schedule_version + 1
        self._connection.execute(
            text(
                "INSERT INTO schedules (enrollment_id, schedule_version, deadline, cause, reason)"
                " VALUES (:id, :version, :deadline, :cause, :reason)"
            ),
            {
                "id": enrollment.enrollment_id,
                "version": version,
                "deadline": deadline.instant,
                "cause": change.cause,
                "reason": change.reason,
            },
        )
        self._connection.execute(
            text(
                "UPDATE enrollments SET state = 'scheduled', cohort = :cohort,"
                " deadline = :deadline, wall = :wall, zone = :zone, schedule_version = :version,"
                " next_check_at = :deadline, next_notice_at = :next_notice_at,"
                " told_until = :told_until WHERE enrollment_id = :id"
            ),
            {
                "id": enrollment.enrollment_id,
                "cohort": change.cohort,
                "deadline": deadline.instant,
                "wall": deadline.wall,
                "zone": deadline.zone,
                "version": version,
                "next_notice_at": change.next_notice_at,
                "told_until": change.told_until,
            },
        )
        self._tell_gateways([enrollment.account_id])
        return version

    def remind_anew(self, name: str) -> None:
        """Look again which step is due to whom: the reminders have changed."""
        self._connection.execute(
            text(
                "UPDATE enrollments SET next_notice_at = rollout_now()"
                " WHERE deprecation = :name AND state <> 'exempt'"
            ),
            {"name": name},
        )

    def word_anew(self, name: str) -> None:
        """Let gateways know what they are to say: the words of the deprecation have changed."""
        self._connection.execute(
            text(
                "UPDATE keys k SET version = version + 1, changed_at = rollout_instant()"
                "  FROM enrollments e WHERE e.deprecation = :name"
                "   AND e.account_id = k.account_id AND k.status <> 'revoked'"
            ),
            {"name": name},
        )

    def reassign(self, enrollment: Enrollment, cohort: str) -> None:
        """Put an enrollment into another cohort; its date stays."""
        self._connection.execute(
            text("UPDATE enrollments SET cohort = :cohort WHERE enrollment_id = :id"),
            {"id": enrollment.enrollment_id, "cohort": cohort},
        )

    def exempt(self, enrollment: Enrollment) -> None:
        """Take an account out for good: nothing is due any more."""
        self._connection.execute(
            text(
                "UPDATE enrollments SET state = 'exempt', next_check_at = NULL,"
                " next_notice_at = NULL WHERE enrollment_id = :id"
            ),
            {"id": enrollment.enrollment_id},
        )
        self._tell_gateways([enrollment.account_id])

    def reopen(self) -> Sequence[tuple[str, str]]:
        """Make due what was cut and has live keys since; return deprecations and accounts."""
        rows = self._connection.execute(
            text(
                "UPDATE enrollments e SET state = 'scheduled', next_check_at = rollout_now()"
                " WHERE e.state = 'cut' AND EXISTS (SELECT 1 FROM keys k"
                "   WHERE k.account_id = e.account_id AND k.kind = 'rest' AND k.status = 'active')"
                " RETURNING e.deprecation, e.account_id"
            )
        )
        return [(row.deprecation, row.account_id) for row in rows]

    def look_again(self, enrollment: Enrollment) -> None:
        """Make the cutoff judge the enrollment anew: something about it has changed."""
        self._connection.execute(
            text(
                "UPDATE enrollments SET next_check_at = deadline"
                " WHERE enrollment_id = :id AND state = 'scheduled'"
            ),
            {"id": enrollment.enrollment_id},
        )

    def _new_ids(self, count: int) -> list[int]:
        rows = self._connection.execute(
            text(
                "SELECT nextval(pg_get_serial_sequence('enrollments', 'enrollment_id'))"
                " FROM generate_series(1, :count)"
            ),
            {"count": count},
        )
        return list(rows.scalars())

    def _tell_gateways(self, account_ids: Sequence[str]) -> None:
        """Queue these accounts' keys for the relay: what a gateway says of them has changed."""
        self._connection.execute(text(TELL_GATEWAYS), {"accounts": list(account_ids)})


@lru_cache(maxsize=64)
def parsed(document: str, name: str) -> Deprecation:
    """Return the deprecation that a document describes, which was checked when it was applied."""
    return read_deprecation(document, f"deprecation {name}", None)


def _names(kinds: frozenset[KeyKind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _candidate(row: Row[Any], usage: Usage) -> Candidate:
    return Candidate(row.account_id, row.timezone, row.tier, usage, frozenset(row.integrations))


def _enrolled(row: Row[Any]) -> Enrolled | None:
    if row.enrollment_id is None:
        return None
    return Enrolled(
        row.enrollment_id,
        row.cohort,
        row.deadline.astimezone(UTC),
        row.state,
        row.schedule_version,
        row.cause,
        row.told,
    )
