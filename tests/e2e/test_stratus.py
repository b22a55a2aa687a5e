"""The main job on a real log: import, plan, remind, cut, audit, by real processes.

The log is AWS CloudTrail of 35 accounts, with known answers; everything is asked through the
command line, as a person would.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from rollout.adapters.embedded.servers import EmbeddedServers
from tests.support.command_line import CommandLine
from tests.support.database import digests, rows
from tests.support.processes import Crew, wait_until
from tests.support.smtp_server import SmtpServer

AHEAD = timedelta(seconds=30)  # from the application of the plan to its deadline
PLAN = """
deprecation: aws-keys
title: AWS access keys
replacement: {{title: roles, url: https://developers.example.com/roles}}
guide_url: https://developers.example.com/keys-to-roles
scope: {{kinds: [rest]}}
announced: 2024-12-01
reminders:
  - {{step: announcement, before: 1h}}
  - {{step: final-warning, before: 9s, required: true}}
  - {{step: disabled, after: 0d}}
guards: {{min_notice: 10s, unknown_usage: as_in_use, approvals: 1}}
cohorts:
  - {{cohort: everyone, select: {{}}, date: {deadline:%Y-%m-%dT%H:%M:%SZ}}}
"""


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def settings(
    servers: EmbeddedServers,
    database_url: str,
    valkey: redis.Redis,
    smtp: SmtpServer,
    tmp_path: Path,
) -> dict[str, str]:
    return {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "ROLLOUT_SMTP_URL": smtp.url,
        "ROLLOUT_DELIVERY_GRACE": "1",
        "ROLLOUT_RECHECK": "1",
        "ROLLOUT_OPERATOR": "olga",
    }


@pytest.fixture
def truth(shared_data: Path) -> dict[str, Any]:
    """What the log is known to hold of each key."""
    text = (shared_data / "truth.json").read_text(encoding="utf-8")
    keys: dict[str, Any] = json.loads(text)["cloudtrail-stratus"]["keys"]
    return keys


def found(cli: CommandLine) -> dict[str, dict[str, Any]]:
    """What `usage keys` says, in the words of the known answers."""
    return {
        item["key_id"]: {
            "account": item["account_id"],
            "events": item["count"],
            "errors": item["refused"],
            "first": item["first_seen"],
            "last": item["last_seen"],
        }
        for item in cli("usage", "keys", "--json").items
    }


def expected(truth: dict[str, Any]) -> dict[str, dict[str, Any]]:
    fields = ("account", "events", "errors", "first", "last")
    return {key_id: {name: key[name] for name in fields} for key_id, key in truth.items()}


def alive(engine: Engine) -> set[str]:
    return {kind for (kind,) in rows(engine, "SELECT kind FROM heartbeats")}


@pytest.mark.slow
def test_the_keys_of_a_real_log_are_found_reminded_cut_and_audited(
    settings: dict[str, str],
    engine: Engine,
    smtp: SmtpServer,
    shared_data: Path,
    truth: dict[str, Any],
    tmp_path: Path,
) -> None:
    cli = CommandLine(settings)
    take_in = ("import", "usage", "--format", "cloudtrail", "--discover", "--json")
    logs = sorted((shared_data / "cloudtrail-stratus").glob("*.json*"))
    assert cli(*take_in, *logs).json["discovered_keys"] == len(truth) == 40
    assert found(cli) == expected(truth)

    accounts = sorted({key["account"] for key in truth.values()})
    contacts = tmp_path / "contacts.csv"
    people = "".join(f"{account},ops@{account}.example,Ops,admin,en,UTC\n" for account in accounts)
    contacts.write_text(f"account_id,email,name,role,locale,timezone\n{people}")
    assert cli("import", "contacts", contacts, "--json").json["new"] == len(accounts)

    with Crew(settings, tmp_path) as crew:
        crew.start("workers.worker")
        crew.start("workers.clock")
        wait_until(lambda: alive(engine) == {"worker", "clock"}, 60)
        plan = tmp_path / "plan.yaml"
        plan.write_text(PLAN.format(deadline=datetime.now(UTC) + AHEAD))
        (cohort,) = cli("deprecation", "apply", plan, "--json").items
        assert (cohort["accounts"], cohort["keys"]) == (len(accounts), len(truth))
        assert cli("cohort", "approve", "aws-keys", "everyone").code == 0

        received = smtp.wait_for(3 * len(accounts), timeout=120)
        wait_until(lambda: cli("audit", "verify", "--json").json["waiting"] == 0)
        assert cli("doctor", "--json").code == 0

    # Everybody was told three times: announcement, final warning, and that it is done.
    assert Counter(message.recipient for message in received) == {
        f"ops@{account}.example": 3 for account in accounts
    }
    notices = cli("notice", "list", "--json").items
    assert Counter(notice["step"] for notice in notices) == dict.fromkeys(
        ("announcement", "final-warning", "disabled"), len(accounts)
    )
    assert {notice["state"] for notice in notices} <= {"sent", "delivered"}

    # Every key is off, each with its fact, and nothing that must hold is broken.
    items = cli("usage", "keys", "--json").items
    assert {item["status"] for item in items} == {"disabled"}
    cut = cli("audit", "list", "--action", "key.cut", "--json").items
    assert sorted(fact["subject"] for fact in cut) == sorted(f"key:{key_id}" for key_id in truth)
    assert cli("audit", "verify").code == 0
    assert cli("doctor", "--invariants").code == 0

    # The same log once more changes nothing.
    before = digests(engine)
    again = cli(*take_in, *logs).json
    assert (again["already_imported"], again["discovered_keys"]) == (len(logs), 0)
    assert digests(engine) == before
    assert found(cli) == expected(truth)
