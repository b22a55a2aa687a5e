"""Thousands of accounts with dates that are near, written by a handful of statements.

Each has a contact, a key in scope, a key of its iOS app, and a warning of its date that was
delivered a month before.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.inventory import digest_secret
from tests.support.database import rows

PEPPER = "a pepper for tests"
SECRET = "s3cret"
COHORTS = 4

PLAN = """
deprecation: api-keys
title: API keys
replacement: {title: access tokens, url: https://developers.example.com/access-tokens}
guide_url: https://developers.example.com/keys-to-tokens
scope: {kinds: [rest]}
announced: 2026-01-01
calendar: {timezone: UTC, weekdays: [mon, tue, wed, thu, fri, sat, sun]}
reminders:
  - {step: announcement, before: 60d}
  - {step: disabled, after: 0d}
guards: {min_notice: 14d, approvals: 0, max_keys_per_run: 1000000, max_accounts_per_hour: 1000000}
cohorts:
  - {cohort: c0, select: {tier: t0}, date: 2030-01-01}
  - {cohort: c1, select: {tier: t1}, date: 2030-01-01}
  - {cohort: c2, select: {tier: t2}, date: 2030-01-01}
  - {cohort: c3, select: {tier: t3}, date: 2030-01-01}
"""

STATEMENTS = (
    """
    INSERT INTO feeds (feed, first_event, newest_event, reported)
    VALUES ('gateway', now() - interval '90 days', now(),
            tstzmultirange(tstzrange(now() - interval '90 days', now())))
    """,
    """
    INSERT INTO accounts (account_id, name, timezone, locale, tier)
    SELECT 'a' || i, 'Account ' || i, 'UTC', 'en', 't' || i % :cohorts
      FROM generate_series(0, :accounts - 1) i
    """,
    """
    INSERT INTO contacts (account_id, email, name, role)
    SELECT account_id, 'ann@' || account_id || '.example', 'Ann', 'admin' FROM accounts
    """,
    """
    INSERT INTO keys (key_id, account_id, kind, label, hint, secret_digest)
    SELECT kind || '-' || account_id, account_id, kind, '', '…' || left(kind, 4), :digest
      FROM accounts, unnest('{rest,ios}'::text[]) kind
    """,
    """
    INSERT INTO enrollments (deprecation, account_id, cohort, deadline, wall, zone, planned_usage,
                             next_check_at, told_until)
    SELECT 'api-keys', 'a' || i, 'c' || i % :cohorts, d.at, d.at AT TIME ZONE 'UTC', 'UTC',
           'unused', d.at, now()
      FROM generate_series(0, :accounts - 1) i,
           LATERAL (SELECT now() + :first + :spread * i / :accounts AS at) d
    """,
    """
    INSERT INTO schedules (enrollment_id, schedule_version, deadline, cause)
    SELECT enrollment_id, 1, deadline, 'plan' FROM enrollments
    """,
    """
    INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required,
                         schedule_version, deadline, message_id, state, due_at, attempt_at, sent_at,
                         delivered_at)
    SELECT enrollment_id, deprecation, contact_id, 'announcement', 'announcement', false, 1,
           deadline,
           '<' || enrollment_id || '@rollout.localhost>', 'delivered', told, told, told, told
      FROM enrollments e JOIN contacts USING (account_id),
           LATERAL (SELECT e.deadline - interval '30 days' AS told) t
    """,
)


def cut_so_far(engine: Engine) -> int:
    """Count the keys that have been cut."""
    [[count]] = rows(engine, "SELECT count(*) FROM cutoffs")
    return int(count)


def gateways_know(engine: Engine) -> bool:
    """Whether every change of a key has reached the verdict store."""
    return not rows(engine, "SELECT 1 FROM keys WHERE enforced_version < version LIMIT 1")


def gather(
    engine: Engine,
    accounts: int,
    *,
    first: timedelta = timedelta(0),
    spread: timedelta = timedelta(0),
    plan: str = PLAN,
) -> None:
    """Write accounts ``a0`` …, the first due after ``first``, the others spread behind it."""
    deprecation = read_deprecation(plan, "plan.yaml", None)
    with SqlUnitOfWork(engine) as uow:
        uow.plan.save(deprecation, plan, "olga")
        uow.commit()
    values = {
        "accounts": accounts,
        "cohorts": COHORTS,
        "first": first,
        "spread": spread,
        "digest": digest_secret(PEPPER.encode(), SECRET),
    }
    with engine.begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
