"""A database with any number of enrollments, written by a handful of statements."""

from __future__ import annotations

from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation

# The caps are raised: it is the whole of them that falls due at one instant.
PLAN = """
deprecation: api-keys
title: API keys
replacement: {title: access tokens, url: https://developers.example.com/access-tokens}
guide_url: https://developers.example.com/keys-to-tokens
scope: {kinds: [rest]}
announced: 2026-12-01
reminders:
  - {step: announcement, before: 60d}
  - {step: final-warning, before: 3d, required: true}
  - {step: disabled, after: 0d}
  - {step: still-calling, after: 1d, only: refused_since_cutoff}
guards: {approvals: 0, max_keys_per_run: 1000000000, max_accounts_per_hour: 1000000000}
cohorts:
  - {cohort: everyone, select: {}, date: 2027-02-16T16:00:00Z}
"""

# An account is a person, a REST key, one enrollment, and two delivered notices; every second key
# is in use. Foreign keys are not checked row by row here: what is written is whole by making.
SEED = """
SET LOCAL session_replication_role = replica;
INSERT INTO accounts (account_id, name, timezone, locale, tier)
  SELECT 'acc-' || n, 'Company ' || n, 'UTC', 'en', 'pro' FROM generate_series(1, {count}) n;
INSERT INTO contacts (account_id, email, name, role)
  SELECT 'acc-' || n, 'owner@company' || n || '.example', 'Person ' || n, 'owner'
    FROM generate_series(1, {count}) n;
INSERT INTO keys (key_id, account_id, kind, label, hint, secret_digest, enforced_version)
  SELECT 'key-' || n, 'acc-' || n, 'rest', 'sync', '…' || n, sha256(n::text::bytea), 1
    FROM generate_series(1, {count}) n;
INSERT INTO key_usage (key_id, count, refused, first_seen, last_seen)
  SELECT 'key-' || n, 100, 0, now() - interval '40 days', now() - interval '1 hour'
    FROM generate_series(1, {count}, 2) n;
INSERT INTO feeds (feed, first_event, newest_event, reported)
VALUES ('gateway', now() - interval '90 days', now(),
        tstzmultirange(tstzrange(now() - interval '90 days', now())));
INSERT INTO enrollments (deprecation, account_id, cohort, deadline, wall, zone, planned_usage,
                         next_check_at, next_notice_at, told_until)
  SELECT 'api-keys', 'acc-' || n, 'everyone', due.at, due.at, 'UTC', 'unused', due.at,
         due.at + interval '{next_notice}', now()
    FROM generate_series(1, {count}) n, (SELECT now() + interval '{due}' AS at) due;
INSERT INTO schedules (enrollment_id, schedule_version, deadline, cause)
  SELECT enrollment_id, 1, deadline, 'plan' FROM enrollments;
INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required,
                     schedule_version, deadline, message_id, state, due_at, attempt_at, sent_at,
                     delivered_at)
  SELECT e.enrollment_id, e.deprecation, c.contact_id, s.step, s.step, true, 1, e.deadline,
         '<' || gen_random_uuid() || '@bench.example>', 'delivered', t.at, t.at, t.at, t.at
    FROM enrollments e JOIN contacts c USING (account_id)
   CROSS JOIN (VALUES ('announcement', 60), ('final-warning', 3)) s (step, days),
         LATERAL (SELECT now() - s.days * interval '1 day' AS at) t;
"""


def seed(
    engine: Engine, count: int, *, due: str, next_notice: str = "1 day", plan: str = PLAN
) -> None:
    """Enroll so many accounts, all warned, all due at one instant.

    ``due`` says when, counted from now; ``next_notice`` when their next step is, counted from
    there. Both are PostgreSQL intervals.
    """
    document = read_deprecation(plan, "the plan of the bench", None)
    with SqlUnitOfWork(engine) as uow:
        uow.plan.save(document, plan, "bench")
        uow.commit()
    with engine.begin() as connection:
        statements = SEED.format(count=count, due=due, next_notice=next_notice)
        for statement in statements.split(";\n"):
            if statement.strip():
                connection.execute(text(statement.replace(":", "\\:")))
    settle(engine)


def settle(engine: Engine) -> None:
    """Let the planner know the tables; leave no vacuum or checkpoint for the measurement."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
        connection.execute(text("CHECKPOINT"))
