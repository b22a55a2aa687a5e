"""Who calls: from logs alone, with the known answers; and what people say about it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from rollout.adapters.embedded.servers import EmbeddedServers
from tests.support.command_line import CommandLine
from tests.support.database import rows
from tests.support.feed_readers import FEED_READERS
from tests.support.processes import environment, wait_until

LINE = '10.0.0.1 - k{} [17/May/2015:10:05:{:02} +0000] "GET / HTTP/1.1" 200 5 "-" "Zapier"\n'


@pytest.fixture
def settings(servers: EmbeddedServers, database_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "ROLLOUT_OPERATOR": "olga",
    }


@pytest.fixture
def cli(settings: dict[str, str]) -> CommandLine:
    return CommandLine(settings)


@pytest.fixture
def truth(shared_data: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads((shared_data / "truth.json").read_text())
    return answers


def test_one_program_is_behind_the_34_accounts_of_the_stratus_log(
    cli: CommandLine, shared_data: Path
) -> None:
    logs = sorted((shared_data / "cloudtrail-stratus").glob("*.json"))

    (found,) = cli("usage", "survey", "--format", "cloudtrail", "--named", "--json", *logs).items

    assert (found["name"], found["kind"]) == ("stratus-red-team", "fan_out")
    assert (found["accounts"], found["keys"], found["requests"]) == (34, 38, 308)
    assert found["first_seen"] == "2024-07-30T21:31:10Z"
    assert found["last_seen"] == "2024-11-26T15:35:23Z"


def test_the_feed_readers_of_the_elastic_log_are_named_with_their_requests_and_addresses(
    cli: CommandLine, shared_data: Path
) -> None:
    log = shared_data / "access-elastic" / "access.log.gz"

    found = cli("usage", "survey", "--format", "combined", "--json", log).items

    assert sum(caller["requests"] for caller in found) == 10_000
    named = {caller["name"]: caller for caller in found if caller["kind"]}
    assert sum(named[name]["requests"] for name in FEED_READERS) == 903
    for name, counts in FEED_READERS.items():
        assert (named[name]["requests"], named[name]["networks"]) == counts, name


def test_bots_that_pose_as_browsers_are_no_integration(cli: CommandLine, shared_data: Path) -> None:
    log = shared_data / "access-hackers" / "access.log.gz"

    found = cli("usage", "survey", "--format", "combined", "--json", log).items

    assert sum(caller["requests"] for caller in found) == 3_456
    assert [caller["name"] for caller in found if caller["kind"]] == []


def test_a_survey_names_what_it_cannot_read_and_passes_over_what_is_no_log(
    cli: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "LICENSE").write_text("Free\nfor all\n")
    (tmp_path / "access.log").write_text(LINE.format(1, 1) + "nonsense\n")

    done = cli("usage", "survey", "--format", "combined", "--json", tmp_path)

    assert [(caller["name"], caller["requests"]) for caller in done.items] == [("Zapier", 1)]
    assert f"passed over, no such log: {tmp_path}/LICENSE" in done.stderr
    assert (
        f"1 of 2 records cannot be read, such as {tmp_path}/access.log, line 2: not an access log"
        in done.stderr
    )


def test_what_a_person_says_of_a_name_is_what_everybody_reads(
    cli: CommandLine, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_text(LINE.format(1, 1))
    cli("import", "usage", "--format", "combined", log)

    said = cli("usage", "rename", "Zapier", "Zapier Inc", "--as", "otto")
    unknown = cli("usage", "reject", "Zap")

    assert said.code == 0
    assert "Zapier: called Zapier Inc from now on" in said.stdout
    (integration,) = cli("usage", "integrations", "--json").items
    assert (integration["integration"], integration["kind"]) == ("Zapier Inc", "confirmed")
    (fact,) = cli("audit", "list", "--action", "integration.renamed", "--json").items
    assert fact["actor"] == "otto"
    assert unknown.code == 1
    assert "there is no integration 'Zap' (known: Zapier, Zapier Inc)" in unknown.complaint
    assert cli("usage", "confirm", "Zapier").code == 0
    assert cli("usage", "merge", "Zapier", "Nobody").code == 1


def counted(engine: Engine, uses: int) -> bool:
    return rows(engine, "SELECT coalesce(sum(count), 0) FROM key_usage") == [(uses,)]


@pytest.mark.slow
def test_a_log_is_followed_through_rotation_and_from_where_it_was_after_a_restart(
    settings: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    log.write_text(LINE.format(1, 1))
    command = [sys.executable, "-m", "rollout", "import", "usage", "--format", "combined"]
    start = partial(
        subprocess.Popen,
        [*command, "--follow", str(log)],
        env=environment(settings),
        stderr=subprocess.DEVNULL,
    )

    with start() as child:
        wait_until(partial(counted, engine, 1), 60)
        with log.open("a") as file:
            file.write(LINE.format(1, 2))
        log.rename(tmp_path / "access.log.1")
        log.write_text(LINE.format(2, 3))
        wait_until(partial(counted, engine, 3), 60)
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0

    with log.open("a") as file:
        file.write(LINE.format(2, 4))
    with start() as child:
        wait_until(partial(counted, engine, 4), 60)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0
