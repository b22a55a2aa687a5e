"""``rollout doctor``: what it finds well, what it finds wrong, and what it says to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import make_url

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.services.audit import Audit
from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine, Done
from tests.support.database import set_clock

SUBJECTS = [
    *("mail", "valkey", "database", "clock skew", "decision clock", "clock", "worker"),
    *("cutting", "alarms", "templates"),
]
INVARIANTS = ["E0", "P0", "M0", "T0", "U0", "D0", "L0", "N0", "C0", "S0", "K0", "chain"]
NOWHERE = "postgresql://nobody:s3cret@127.0.0.1:1/nothing"


def finding(done: Done, subject: str) -> dict[str, str]:
    (found,) = (item for item in done.items if item["subject"] == subject)
    return found


def beat(campaign: Campaign, kind: str, ago: timedelta = timedelta(0)) -> None:
    campaign.run(
        "INSERT INTO heartbeats VALUES (:kind, :kind, clock_timestamp() - CAST(:ago AS interval))",
        kind=kind,
        ago=ago,
    )


def test_everything_is_examined_and_a_warning_is_no_failure(cli: CommandLine) -> None:
    done = cli("doctor", "--json")

    assert done.code == 0
    assert [item["subject"] for item in done.items] == SUBJECTS
    assert [list(item) for item in done.items] == [["subject", "health", "detail", "fix"]] * 10
    warned = {item["subject"]: item["fix"] for item in done.items if item["health"] == "warning"}
    assert warned == {
        "mail": "set ROLLOUT_SMTP_URL",
        "clock": "start one: rollout clock, or rollout up",
        "worker": "start one: rollout worker, or rollout up",
    }
    assert all(item["health"] in {"ok", "warning"} for item in done.items)


def test_a_person_reads_the_same_in_words(cli: CommandLine) -> None:
    done = cli("doctor")

    assert "ok" in done.stdout
    assert "templates: all render" in done.stdout
    assert "set ROLLOUT_SMTP_URL" in done.stdout


def test_processes_that_tick_are_well_and_silent_ones_are_not(
    cli: CommandLine, campaign: Campaign
) -> None:
    beat(campaign, "clock")
    beat(campaign, "worker", ago=timedelta(minutes=5))
    done = cli("doctor", "--json", smtp_url="smtp://127.0.0.1:25")

    assert done.code == 1
    assert finding(done, "clock")["health"] == "ok"
    worker = finding(done, "worker")
    assert (worker["health"], worker["detail"]) == ("failed", "silent for 5 min")
    assert worker["fix"] == "start one: rollout worker, or rollout up"
    assert finding(done, "mail")["health"] == "ok"


def test_a_database_that_is_down_is_a_finding_not_a_crash(cli: CommandLine) -> None:
    done = cli("doctor", "--json", database_url=NOWHERE)

    assert (done.code, done.stderr) == (1, "")
    database = finding(done, "database")
    assert database["health"] == "failed"
    assert "the database does not answer" in database["detail"]
    assert database["fix"] == "is it running, and is ROLLOUT_DATABASE_URL right?"
    assert finding(done, "valkey")["health"] == "ok"
    assert "s3cret" not in done.stdout


def test_without_a_database_no_invariant_can_be_checked(cli: CommandLine) -> None:
    done = cli("doctor", "--invariants", database_url=NOWHERE)

    assert (done.code, done.stdout) == (1, "")
    assert "the database does not answer" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_database_without_our_tables_wants_to_be_migrated(
    cli: CommandLine, servers: EmbeddedServers
) -> None:
    url = make_url(servers.database_url).set(database="template1")
    done = cli("doctor", "--json", database_url=url.render_as_string(hide_password=False))

    database = finding(done, "database")
    assert (done.code, database["health"]) == (1, "failed")
    assert "is at revision none, this version needs" in database["detail"]
    assert database["fix"] == "run `rollout migrate`"


def test_a_valkey_that_is_down_is_named(cli: CommandLine) -> None:
    done = cli("doctor", "--json", redis_url="redis://127.0.0.1:1/0")

    valkey = finding(done, "valkey")
    assert (done.code, valkey["health"]) == (1, "failed")
    assert valkey["fix"] == "is it running, and is ROLLOUT_REDIS_URL right?"
    assert finding(done, "database")["health"] == "ok"


def test_a_stop_of_all_cutting_is_found_and_its_end(cli: CommandLine, campaign: Campaign) -> None:
    with campaign.start() as uow:
        uow.clock.stop("the database's clock jumped", "rollout")
        uow.commit()
    done = cli("doctor", "--json")

    cutting = finding(done, "cutting")
    assert (done.code, cutting["health"]) == (1, "failed")
    assert cutting["detail"] == "is stopped: the database's clock jumped"
    assert cutting["fix"] == "rollout clock --trust"


def test_a_shifted_clock_is_a_warning_and_in_production_a_failure(
    cli: CommandLine, campaign: Campaign
) -> None:
    set_clock(campaign.engine, datetime(2027, 1, 1, tzinfo=UTC))
    rehearsal = cli("doctor", "--json")
    production = cli(
        "doctor",
        "--json",
        environment="production",
        smtp_url="smtp://127.0.0.1:25",
        pepper="a pepper for tests",
    )

    assert finding(rehearsal, "decision clock")["health"] == "warning"
    assert (production.code, finding(production, "decision clock")["health"]) == (1, "failed")


def test_invariants_that_hold_are_listed_with_what_they_promise(cli: CommandLine) -> None:
    done = cli("doctor", "--invariants", "--json")

    assert done.code == 0
    assert [item["subject"] for item in done.items] == INVARIANTS
    assert {item["health"] for item in done.items} == {"ok"}


def test_a_broken_invariant_names_the_rows_that_break_it(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.run("UPDATE keys SET status = 'disabled' WHERE kind = 'ios' OR account_id = 'beta'")
    done = cli("doctor", "--invariants")

    assert done.code == 1
    assert "key k-acme-ios (ios) is disabled" in done.stdout
    assert "key k-beta-1 is disabled without a cutoff" in done.stdout


def test_of_many_breaches_the_first_are_shown_and_the_rest_are_counted(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint, status)"
        " SELECT 'k' || n, 'acme', 'ios', '', '', 'disabled' FROM generate_series(1, 7) AS n"
    )

    detail = finding(cli("doctor", "--invariants", "--json"), "M0")["detail"]
    assert detail.count("is disabled") == 5
    assert detail.endswith("; and 2 more")


def test_a_chain_that_does_not_verify_is_found(cli: CommandLine, campaign: Campaign) -> None:
    campaign.begin()
    Audit(campaign.start).seal()
    campaign.run("ALTER TABLE facts DISABLE TRIGGER USER")
    campaign.run("UPDATE facts SET actor = 'mallory'")
    done = cli("doctor", "--invariants", "--json")

    chain = finding(done, "chain")
    assert (done.code, chain["health"]) == (1, "failed")
    assert chain["fix"] == "`rollout audit verify` names the facts"


@pytest.mark.parametrize("arguments", [("--invariant",), ("invariants",)])
def test_wrong_usage_exits_with_2(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    done = cli("doctor", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr
