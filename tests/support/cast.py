"""A small cast of accounts, each with a role that its name tells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

NOW = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)

ACCOUNTS = """
INSERT INTO accounts (account_id, name, timezone, locale, tier) VALUES
  ('acme', 'Acme Inc', 'Europe/Berlin', 'en', 'gold'),
  ('beta', 'Beta LLC', 'America/New_York', 'en', 'free'),
  ('hermit', 'Nobody Answers', 'UTC', 'en', 'free'),
  ('mobile', 'Apps Only', 'UTC', 'en', 'free')
"""
CONTACTS = """
INSERT INTO contacts (account_id, email, name, role) VALUES
  ('acme', 'ann@acme.example', 'Ann', 'admin'),
  ('acme', 'art@acme.example', 'Art', 'developer'),
  ('beta', 'bob@beta.example', 'Bob', 'admin'),
  ('mobile', 'mia@mobile.example', 'Mia', 'admin')
"""
KEYS = """
INSERT INTO keys (key_id, account_id, kind, label, hint, imported_at) VALUES
  ('k-acme-1', 'acme', 'rest', 'billing', '…me-1', :now),
  ('k-acme-2', 'acme', 'rest', 'reports', '…me-2', :now),
  ('k-acme-ios', 'acme', 'ios', 'app', '…-ios', :now),
  ('k-beta-1', 'beta', 'rest', 'sync', '…ta-1', :now),
  ('k-hermit-1', 'hermit', 'rest', 'cron', '…it-1', :now),
  ('k-mobile-1', 'mobile', 'android', 'app', '…le-1', :now)
"""


def bring_on(engine: Engine, now: datetime = NOW) -> None:
    """Write the cast; a feed has just reported, and acme's first key is in use."""
    with engine.begin() as connection:
        connection.execute(text(ACCOUNTS))
        connection.execute(text(CONTACTS))
        connection.execute(text(KEYS), {"now": now})
        connection.execute(
            text(
                "INSERT INTO feeds (feed, first_event, newest_event, reported)"
                " VALUES ('gateway', :since, :now, tstzmultirange(tstzrange(:since, :now)))"
            ),
            {"since": now - timedelta(days=90), "now": now},
        )
        connection.execute(
            text(
                "INSERT INTO key_usage (key_id, count, refused, first_seen, last_seen)"
                " VALUES ('k-acme-1', 7, 0, :now, :now)"
            ),
            {"now": now},
        )


PLAN = """
deprecation: api-keys
title: API keys
replacement: {title: access tokens, url: https://developers.example.com/access-tokens}
guide_url: https://developers.example.com/keys-to-tokens
scope: {kinds: [rest]}
announced: 2026-12-01
reminders:
  - {step: announcement, before: 60d}
  - {step: reminder, before: 30d}
  - {step: final-warning, before: 3d, required: true}
  - {step: disabled, after: 0d}
  - {step: still-calling, after: 1d, only: refused_since_cutoff}
guards: {min_notice: 14d, approvals: 0}
cohorts:
  - {cohort: everyone, select: {}, date: 2027-02-16T16:00:00Z}
"""
