"""The checker names each invariant that is broken: one that cannot fail proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.invariants import INVARIANTS, breaches
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.services.cutoff.sweep import CutoffSweep
from tests.support.crowd import gather
from tests.support.database import run

# What must be out of the way before such things can be written at all.
GUARDS = """
ALTER TABLE cutoffs DISABLE TRIGGER USER;
ALTER TABLE facts DISABLE TRIGGER append_only;
ALTER TABLE cutoffs DROP CONSTRAINT ck_cutoffs_never_early;
"""

# Each is one thing that a fault, or a fault of ours, might leave behind an orderly cutoff of two
# accounts: the invariant, what has happened, and the statement that makes it so.
PLANTED = [
    (
        "E0",
        "a key was cut a moment early",
        "UPDATE cutoffs SET cut_at = deadline - '1 ms'::interval",
    ),
    (
        "E0",
        "it was cut by another date",
        "UPDATE cutoffs SET deadline = deadline - '1 day'::interval",
    ),
    (
        "E0",
        "it is off, but by no cutoff",
        "UPDATE keys SET disabled_at = now() WHERE kind = 'rest'",
    ),
    (
        "E0",
        "its date had moved already",
        """
        INSERT INTO schedules (enrollment_id, schedule_version, deadline, cause, set_at)
        SELECT enrollment_id, 2, cut_at + interval '1 day', 'extend', cut_at FROM cutoffs
        """,
    ),
    (
        "P0",
        "its cohort was paused",
        """
        INSERT INTO pauses (deprecation, cohort, reason, owner, opened_at, closed_at)
        SELECT 'api-keys', 'c0', 'incident', 'olga', cut_at, cut_at + interval '1 ms'
          FROM cutoffs WHERE key_id = 'rest-a0'
        """,
    ),
    (
        "P0",
        "somebody held it",
        """
        INSERT INTO holds (enrollment_id, code, reason, owner, opened_at)
        SELECT enrollment_id, 'operator', 'ticket', 'olga', cut_at FROM cutoffs
        """,
    ),
    ("P0", "its account was exempt", "UPDATE enrollments SET state = 'exempt'"),
    (
        "P0",
        "all cutting was stopped",
        """
        INSERT INTO stops (reason, owner, opened_at)
        SELECT 'the clock jumped', 'rollout', min(cut_at) FROM cutoffs
        """,
    ),
    (
        "P0",
        "nobody had approved it",
        """UPDATE cutoffs SET evidence = evidence || '{"approvals_needed": 1}'""",
    ),
    ("M0", "a mobile key was cut", "UPDATE keys SET kind = 'ios' WHERE key_id = 'rest-a0'"),
    ("M0", "a mobile key is off", "UPDATE keys SET status = 'disabled' WHERE key_id = 'ios-a0'"),
    ("T0", "nobody was told", "DELETE FROM notices"),
    ("T0", "they were told late", "UPDATE notices SET delivered_at = deadline - '13 d'::interval"),
    ("T0", "of another date", "UPDATE notices SET deadline = deadline - '1 day'::interval"),
    (
        "T0",
        "what they were told had bounced",
        "UPDATE notices SET state = 'bounced', bounced_at = deadline - '1 hour'::interval",
    ),
    (
        "U0",
        "nobody knew whether it is used",
        """
        UPDATE cutoffs SET evidence = evidence || '{"unknown_keys": 1, "unknown_usage": "hold"}'
        """,
    ),
    (
        "D0",
        "it was cut twice",
        """
        INSERT INTO facts (actor, action, subject, reason, data)
        SELECT actor, action, subject, reason, data FROM facts WHERE action = 'key.cut'
        """,
    ),
    ("L0", "it is on again", "UPDATE keys SET status = 'active' WHERE key_id = 'rest-a0'"),
    (
        "L0",
        "an account was forgotten",
        """
        UPDATE enrollments SET state = 'scheduled', deadline = now() - interval '61 s'
         WHERE account_id = 'a0'
        """,
    ),
    ("N0", "gateways do not know", "UPDATE keys SET changed_at = now() - interval '61 s'"),
    ("C0", "a run went over its cap", "UPDATE runs SET cap = 1"),
    ("C0", "a refused run cut", "UPDATE runs SET refused = 'too many'"),
    ("S0", "a cutoff without a fact", "DELETE FROM facts WHERE subject = 'key:rest-a0'"),
    (
        "S0",
        "a fact without a cutoff",
        """
        INSERT INTO facts (actor, action, subject, data)
        VALUES ('rollout', 'key.cut', 'key:ios-a0', '{"schedule_version": 1}')
        """,
    ),
    ("K0", "a secret is shown", "UPDATE keys SET hint = 'the whole secret' WHERE kind = 'rest'"),
    (
        "K0",
        "the address of a webhook is shown",
        """
        INSERT INTO webhook_endpoints (account_id, kind, sealed, digest, hint, added_by)
        SELECT account_id, 'slack', '', '', 'https://hooks.slack.com/services/T0/B0/XyZ', 'olga'
          FROM accounts LIMIT 1
        """,
    ),
]


def broken(engine: Engine) -> set[str]:
    return {breach.code for breach in breaches(engine)}


@pytest.mark.parametrize(
    ("code", "planted"),
    [pytest.param(code, sql, id=f"{code}: {what}") for code, what, sql in PLANTED],
)
def test_a_broken_invariant_is_named(
    engine: Engine, start: Callable[[], SqlUnitOfWork], code: str, planted: str
) -> None:
    gather(engine, 2)
    assert (
        CutoffSweep(start, recheck=timedelta(seconds=30), holidays=holiday_finder).sweep().cut == 2
    )
    assert broken(engine) == set()

    run(engine, GUARDS)
    run(engine, planted)
    assert code in broken(engine)


def test_each_invariant_has_been_seen_broken() -> None:
    assert {code for code, _, _ in PLANTED} == {invariant.code for invariant in INVARIANTS}
