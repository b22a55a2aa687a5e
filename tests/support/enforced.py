"""Keys, dates and secrets, written as the other stages write them, for tests of enforcement."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from rollout.domain.inventory import digest_secret, key_hint

PEPPER = b"a pepper for tests"
SECRET = "s3cret"
DEADLINE = datetime(2027, 2, 2, 16, tzinfo=UTC)

DEPRECATION = """
deprecation: api-keys
title: API keys
replacement: {title: access tokens, url: https://developers.example.com/access-tokens}
guide_url: https://developers.example.com/keys-to-tokens
scope: {kinds: [rest]}
announced: 2026-12-01
calendar: {timezone: UTC, cutoff_time: "16:00", weekdays: [mon, tue, wed, thu]}
reminders:
  - {step: announcement, before: 60d}
  - {step: final-warning, before: 3d, required: true}
guards: {min_notice: 14d}
cohorts:
  - {cohort: everyone, select: {}, date: 2027-02-02}
"""


class Cast:
    """Writes accounts, keys and dates into a test's own database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def key(
        self,
        key_id: str,
        *,
        account: str = "acme",
        kind: str = "rest",
        secret: str | None = SECRET,
        status: str = "active",
    ) -> None:
        self._run(
            "INSERT INTO accounts (account_id, name, timezone, locale, tier)"
            " VALUES (:account, :account, 'UTC', 'en', 'free') ON CONFLICT DO NOTHING",
            account=account,
        )
        self._run(
            "INSERT INTO keys (key_id, account_id, kind, status, label, hint, secret_digest)"
            " VALUES (:key_id, :account, :kind, :status, '', :hint, :digest)",
            key_id=key_id,
            account=account,
            kind=kind,
            status=status,
            hint=key_hint(key_id),
            digest=digest_secret(PEPPER, secret) if secret is not None else None,
        )

    def deprecation(self, name: str = "api-keys", kind: str = "rest") -> None:
        document = DEPRECATION.replace("api-keys", name).replace("[rest]", f"[{kind}]")
        self._run(
            "INSERT INTO deprecations (deprecation, document, applied_by)"
            " VALUES (:name, :document, 'test')",
            name=name,
            document=document,
        )
        self._run(
            "INSERT INTO cohorts (deprecation, cohort, position, digest)"
            " VALUES (:name, 'everyone', 1, '')",
            name=name,
        )

    def enroll(
        self, account: str = "acme", *, deprecation: str = "api-keys", deadline: datetime = DEADLINE
    ) -> None:
        self._run(
            "INSERT INTO enrollments"
            " (deprecation, account_id, cohort, deadline, wall, zone, planned_usage, next_check_at)"
            " VALUES (:deprecation, :account, 'everyone', :deadline, :wall, 'UTC', 'unused',"
            " :deadline)",
            deprecation=deprecation,
            account=account,
            deadline=deadline,
            wall=deadline.replace(tzinfo=None),
        )
        self._run(
            "UPDATE keys SET version = version + 1 WHERE account_id = :account", account=account
        )

    def cut(self, account: str = "acme", at: datetime = DEADLINE) -> None:
        self._run(
            "UPDATE keys SET status = 'disabled', disabled_at = :at, version = version + 1"
            " WHERE account_id = :account AND kind = 'rest'",
            account=account,
            at=at,
        )
        self._state(account, "cut")

    def restore(self, account: str = "acme") -> None:
        self._run(
            "UPDATE keys SET status = 'active', disabled_at = NULL, version = version + 1"
            " WHERE account_id = :account AND status = 'disabled'",
            account=account,
        )
        self._state(account, "scheduled")

    def exempt(self, account: str = "acme") -> None:
        self._run("UPDATE keys SET version = version + 1 WHERE account_id = :a", a=account)
        self._state(account, "exempt")

    def unenforced(self) -> int:
        with self._engine.connect() as connection:
            count: int = connection.execute(
                text("SELECT count(*) FROM keys WHERE enforced_version < version")
            ).scalar_one()
            return count

    def _state(self, account: str, state: str) -> None:
        self._run(
            "UPDATE enrollments SET state = :state WHERE account_id = :account",
            state=state,
            account=account,
        )

    def _run(self, statement: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(text(statement), values)
