"""The invariants of DESIGN section 4, each read off the database by one query.

A query returns the rows that break its invariant; none is a clean bill. ``rollout doctor
--invariants`` runs them, and so does every fault test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Engine, text

from rollout.adapters.db.engine import connect
from rollout.adapters.db.insiders import TO_CUSTOMERS

LATE = "interval '60 seconds'"  # a worker, or two, may have to come back first


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise, and the query that finds where it is broken."""

    code: str
    promise: str
    query: str


@dataclass(frozen=True, slots=True)
class Breach:
    """One row that breaks an invariant."""

    code: str
    promise: str
    subject: str


INVARIANTS = (
    Invariant(
        "E0",
        "no key is refused before its deadline",
        """
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ', its deadline was '
               || s.deadline
          FROM cutoffs c JOIN schedules s USING (enrollment_id, schedule_version)
         WHERE c.cut_at < s.deadline OR c.deadline <> s.deadline
        UNION ALL
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ' though its date had moved to '
               || s.deadline || ' at ' || s.set_at
          FROM cutoffs c JOIN schedules s ON s.enrollment_id = c.enrollment_id
           AND s.schedule_version > c.schedule_version AND s.set_at <= c.cut_at
        UNION ALL
        SELECT 'key ' || k.key_id || ' is disabled without a cutoff'
          FROM keys k WHERE k.status = 'disabled'
           AND NOT EXISTS (SELECT 1 FROM cutoffs c
                            WHERE (c.key_id, c.cut_at) = (k.key_id, k.disabled_at))
        """,
    ),
    Invariant(
        "P0",
        "no key is cut while its enrollment or cohort is paused, held, exempt or unapproved",
        """
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ' while its cohort was paused'
          FROM cutoffs c JOIN enrollments e USING (enrollment_id)
          JOIN pauses p ON (p.deprecation, p.cohort) = (e.deprecation, e.cohort)
           AND p.opened_at <= c.cut_at AND coalesce(p.closed_at, 'infinity') > c.cut_at
        UNION ALL
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ' while held: ' || h.reason
          FROM cutoffs c JOIN holds h USING (enrollment_id)
         WHERE h.code = 'operator' AND h.opened_at <= c.cut_at
           AND least(coalesce(h.closed_at, 'infinity'), coalesce(h.ends_at, 'infinity')) > c.cut_at
        UNION ALL
        SELECT 'key ' || c.key_id || ' was cut though account ' || e.account_id || ' is exempt'
          FROM cutoffs c JOIN enrollments e USING (enrollment_id) WHERE e.state = 'exempt'
           AND e.schedule_version = c.schedule_version
        UNION ALL
        SELECT 'key ' || c.key_id || ' was cut while all cutting was stopped: ' || s.reason
          FROM cutoffs c JOIN stops s ON s.opened_at <= c.cut_at
           AND coalesce(s.closed_at, 'infinity') > c.cut_at
        UNION ALL
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ' with too few approvals'
          FROM cutoffs c JOIN enrollments e USING (enrollment_id)
         WHERE (c.evidence ->> 'approvals_needed')::int > (
               SELECT count(DISTINCT a.operator) FROM approvals a
                WHERE (a.deprecation, a.cohort) = (e.deprecation, e.cohort) AND a.at <= c.cut_at)
        """,
    ),
    Invariant(
        "M0",
        "a key outside the scope (iOS, Android) is never touched",
        """
        SELECT 'key ' || key_id || ' (' || kind || ') is disabled' FROM keys
         WHERE kind <> 'rest' AND status = 'disabled'
        UNION ALL
        SELECT 'key ' || key_id || ' (' || kind || ') was cut' FROM cutoffs JOIN keys USING (key_id)
         WHERE kind <> 'rest'
        """,
    ),
    Invariant(
        "T0",
        "no key is cut without a delivered notice of that deadline, min_notice before",
        f"""
        SELECT 'key ' || c.key_id || ' was cut at ' || c.cut_at || ' without a delivered warning'
          FROM cutoffs c
         WHERE NOT EXISTS (
               SELECT 1 FROM notices n WHERE n.enrollment_id = c.enrollment_id
                AND n.schedule_version = c.schedule_version
                AND n.deadline = c.deadline AND n.delivered_at <= c.cut_at AND n.{TO_CUSTOMERS}
                AND (n.bounced_at IS NULL OR n.bounced_at > c.cut_at))
            OR NOT EXISTS (
               SELECT 1 FROM notices n WHERE n.enrollment_id = c.enrollment_id
                AND (n.bounced_at IS NULL OR n.bounced_at > c.cut_at)
                AND n.{TO_CUSTOMERS} AND n.deadline <= c.deadline AND n.delivered_at <= c.deadline
                    - make_interval(secs => (c.evidence ->> 'min_notice')::double precision))
        """,
    ),
    Invariant(
        "U0",
        "unknown usage is never treated as unused",
        """
        SELECT 'key ' || key_id || ' was cut though nobody knew whether it is used' FROM cutoffs
         WHERE (evidence ->> 'unknown_keys')::int > 0 AND evidence ->> 'unknown_usage' = 'hold'
        """,
    ),
    Invariant(
        "D0",
        "a key is cut once per schedule version, a notice exists once",
        """
        SELECT 'facts say ' || count(*) || ' times that ' || subject || ' was cut under version '
               || (data ->> 'schedule_version')
          FROM facts WHERE action = 'key.cut'
         GROUP BY subject, data ->> 'deprecation', data ->> 'schedule_version'
        HAVING count(*) > 1
        """,
    ),
    Invariant(
        "L0",
        "every due key is off, or has an open hold that a person can read",
        f"""
        SELECT 'account ' || e.account_id || ' was due at ' || e.deadline || ' and is neither cut'
               || ' nor held'
          FROM enrollments e
         WHERE e.state = 'scheduled' AND e.deadline < rollout_now() - {LATE}
           AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.enrollment_id = e.enrollment_id
                            AND h.closed_at IS NULL
                            AND (h.ends_at IS NULL OR h.ends_at > rollout_now() - {LATE}))
           AND NOT EXISTS (SELECT 1 FROM pauses p WHERE p.closed_at IS NULL
                            AND (p.deprecation, p.cohort) = (e.deprecation, e.cohort))
           AND NOT EXISTS (SELECT 1 FROM stops s WHERE s.closed_at IS NULL)
        UNION ALL
        SELECT 'key ' || k.key_id || ' is on though account ' || e.account_id || ' was cut'
          FROM enrollments e JOIN keys k USING (account_id)
         WHERE e.state = 'cut' AND k.status = 'active' AND k.kind = 'rest'
        """,
    ),
    Invariant(
        "N0",
        "off is off: what was cut has reached the verdict store",
        f"""
        SELECT 'key ' || key_id || ' changed at ' || changed_at || ', the gateways do not know'
          FROM keys WHERE enforced_version < version AND secret_digest IS NOT NULL
           AND changed_at < rollout_now() - {LATE}
        """,
    ),
    Invariant(
        "C0",
        "a run over its cap is refused as a whole",
        """
        SELECT 'run ' || run_id || ' has cut ' || count(*) || ' keys, its cap was ' || cap
          FROM runs JOIN cutoffs USING (run_id) GROUP BY run_id
        HAVING count(*) > CASE WHEN refused IS NULL THEN cap ELSE 0 END
        """,
    ),
    Invariant(
        "S0",
        "state changes and their facts commit together",
        """
        SELECT 'the cutoff of key ' || c.key_id || ' has no fact' FROM cutoffs c
         WHERE NOT EXISTS (
               SELECT 1 FROM facts f WHERE f.subject = 'key:' || c.key_id AND f.action = 'key.cut'
                AND (f.data ->> 'schedule_version')::int = c.schedule_version)
        UNION ALL
        SELECT 'fact ' || f.seq || ' says that ' || f.subject || ' was cut, which is not so'
          FROM facts f WHERE f.action = 'key.cut'
           AND NOT EXISTS (
               SELECT 1 FROM cutoffs c WHERE c.key_id = substr(f.subject, 5)
                AND c.schedule_version = (f.data ->> 'schedule_version')::int)
        """,
    ),
    Invariant(
        "K0",
        "no secret is stored: a digest and a hint only",
        """
        SELECT 'key ' || key_id || ' has a hint that shows too much' FROM keys
         WHERE length(hint) > 5
        UNION ALL
        SELECT 'webhook ' || endpoint_id || ' has a hint that shows too much'
          FROM webhook_endpoints WHERE hint !~ '^https?://[^/]+/….{0,4}$'
        """,
    ),
)


def breaches(engine: Engine) -> Iterator[Breach]:
    """Yield every row that breaks an invariant. All are read in one snapshot."""
    with connect(engine).execution_options(isolation_level="REPEATABLE READ") as connection:
        for invariant in INVARIANTS:
            for subject in connection.execute(text(invariant.query)).scalars():
                yield Breach(invariant.code, invariant.promise, subject)
