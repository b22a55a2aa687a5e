"""``rollout audit`` as an operator or a nightly job runs it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner, Result

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.cli.main import app
from rollout.domain.audit import GENESIS, Fact
from rollout.domain.errors import Unavailable
from rollout.services.audit import Audit
from tests.support.database import set_clock

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]
NOON = datetime(2027, 2, 2, 12, tzinfo=UTC)


@pytest.fixture
def environment(database_url: str, servers: EmbeddedServers, tmp_path: Path) -> dict[str, str]:
    """The test's own database, and room for wide tables."""
    return {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "COLUMNS": "200",
    }


@pytest.fixture
def rollout(environment: dict[str, str]) -> Run:
    """Run ``rollout audit …`` inside this process, which is faster."""
    return lambda *arguments: CliRunner().invoke(app, ["audit", *arguments], env=environment)


@pytest.fixture
def process(environment: dict[str, str]) -> Process:
    """Run ``rollout audit …`` as a process of its own."""
    return lambda *arguments: subprocess.run(
        [sys.executable, "-m", "rollout", "audit", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def trail(engine: Engine, start: Callable[[], SqlUnitOfWork]) -> Audit:
    """Three facts by two actors at noon, sealed; the second one is hostile."""
    set_clock(engine, NOON)
    with start() as uow:
        uow.audit.append(
            [
                Fact("amy", "account.held", "account:acme", "they asked", {"days": 7}),
                Fact("rollout", "key.cut", "key:k1", "[bold]\x1b[2Jgone", {"n": 1}),
                Fact("rollout", "key.cut", "key:k2"),
            ]
        )
        uow.commit()
    audit = Audit(start)
    audit.seal()
    return audit


def break_it(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE facts DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE facts SET actor = 'mallory' WHERE seq <= :n"), {"n": count})
        connection.execute(text("ALTER TABLE facts ENABLE TRIGGER USER"))


def test_list_gives_programs_every_field_newest_first(trail: Audit, rollout: Run) -> None:
    listed = rollout("list", "--json")
    assert listed.exit_code == 0
    items = json.loads(listed.stdout)["items"]
    assert [item["seq"] for item in items] == [3, 2, 1]
    assert items[2] == {
        "seq": 1,
        "at": "2027-02-02T12:00:00Z",
        "actor": "amy",
        "action": "account.held",
        "subject": "account:acme",
        "reason": "they asked",
        "data": {"days": 7},
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--subject", "key:k2"], [3]),
        (["--actor", "amy"], [1]),
        (["--action", "key.cut", "--limit", "1"], [3]),
        (["--since", "2027-02-02T13:00:00+01:00", "--until", "2027-02-03"], [3, 2, 1]),
        (["--until", "2027-02-02"], []),
    ],
)
def test_list_shows_what_was_asked_for(
    trail: Audit, rollout: Run, options: list[str], expected: list[int]
) -> None:
    items = json.loads(rollout("list", "--json", *options).stdout)["items"]
    assert [item["seq"] for item in items] == expected


def test_a_table_shows_hostile_text_harmlessly_and_says_when_there_is_more(
    start: Callable[[], SqlUnitOfWork], trail: Audit, process: Process
) -> None:
    shown = process("list")
    assert "[bold]\\x1b[2Jgone" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert shown.stderr == ""
    with start() as uow:
        uow.audit.append([Fact("rollout", "key.cut", f"key:many{n}") for n in range(100)])
        uow.commit()
    shown = process("list")
    assert "account:acme" not in shown.stdout
    assert "newest 100" in shown.stderr
    assert "account:acme" in process("list", "--limit", "200").stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["list", "--since", "yesterday"], "no time"),
        (["list", "--since", "2027-02-02T16:00:00"], "names no zone"),
        (["list", "--limit", "0"], "--limit"),
        (["verify", "--head", "abc"], "64 hexadecimal"),
        (["export"], "Missing argument"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    rollout: Run, arguments: list[str], complaint: str
) -> None:
    refused = rollout(*arguments)
    assert refused.exit_code == 2
    assert complaint in refused.stderr


def test_verify_says_intact_how_many_wait_and_the_head(
    start: Callable[[], SqlUnitOfWork], trail: Audit, rollout: Run
) -> None:
    with start() as uow:
        uow.audit.append([Fact("amy", "account.held", "account:new")])
        uow.commit()
    head = trail.verify().head.digest.hex()
    verified = rollout("verify")
    assert verified.exit_code == 0
    assert verified.stdout.startswith("intact: 3 facts sealed, 1 not sealed yet")
    assert head in verified.stdout
    report = json.loads(rollout("verify", "--json", "--head", head).stdout)
    assert report == {
        "intact": True,
        "sealed": 3,
        "waiting": 1,
        "head": head,
        "noted_at": 3,
        "broken": 0,
        "findings": [],
    }


def test_verify_names_what_is_broken_and_exits_with_1(
    engine: Engine, trail: Audit, rollout: Run
) -> None:
    break_it(engine, 1)
    verified = rollout("verify")
    assert verified.exit_code == 1
    assert "1 broken" in verified.stdout
    assert "changed: fact 1 at position 1" in verified.stdout
    report = json.loads(rollout("verify", "--json").stdout)
    assert not report["intact"]
    (finding,) = report["findings"]
    assert (finding["kind"], finding["seq"], finding["position"]) == ("changed", 1, 1)


def test_verify_shows_twenty_breaks_and_counts_the_rest(
    engine: Engine, start: Callable[[], SqlUnitOfWork], trail: Audit, rollout: Run
) -> None:
    with start() as uow:
        uow.audit.append([Fact("rollout", "key.cut", f"key:many{n}") for n in range(30)])
        uow.commit()
    trail.seal()
    break_it(engine, 25)
    shown = rollout("verify").stdout
    assert shown.count("changed: fact") == 20
    assert "… and 5 more" in shown
    assert len(json.loads(rollout("verify", "--json").stdout)["findings"]) == 25


def test_verify_fails_for_a_head_that_the_chain_does_not_have(trail: Audit, rollout: Run) -> None:
    verified = rollout("verify", "--head", "ab" * 32)
    assert verified.exit_code == 1
    assert "rewritten" in verified.stdout
    assert rollout("verify", "--head", GENESIS.digest.hex()).exit_code == 0


def test_export_writes_a_new_file_with_the_head_in_its_last_line(
    trail: Audit, rollout: Run, tmp_path: Path
) -> None:
    file = tmp_path / "audit.ndjson"
    head = trail.verify().head.digest.hex()
    exported = rollout("export", str(file))
    assert exported.exit_code == 0
    assert head in exported.stderr
    *records, last = [json.loads(line) for line in file.read_text().splitlines()]
    assert last == {"count": 3, "head": head, "waiting": 0}
    assert [(r["position"], r["fact"]["subject"]) for r in records] == [
        (1, "account:acme"),
        (2, "key:k1"),
        (3, "key:k2"),
    ]
    assert records[-1]["digest"] == head
    assert [path.name for path in tmp_path.glob("audit*")] == ["audit.ndjson"]
    assert rollout("export", "-").stdout == file.read_text()


def test_export_never_overwrites_a_file(trail: Audit, process: Process, tmp_path: Path) -> None:
    kept = tmp_path / "kept.ndjson"
    kept.write_text("evidence")
    refused = process("export", str(kept))
    assert refused.returncode == 1
    assert "exists already" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert kept.read_text() == "evidence"


def test_an_export_that_finds_no_room_says_so_and_leaves_no_half_of_a_file(
    trail: Audit, rollout: Run, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        failed = rollout("export", str(tmp_path / "audit.ndjson"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert isinstance(failed.exception, Unavailable)
    assert "audit.ndjson: File too large" in failed.exception.message
    assert "with room, and in which you may write" in str(failed.exception.fix)
    assert list(tmp_path.glob("audit*")) == []
