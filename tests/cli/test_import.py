"""``rollout import`` as a person or a script runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from typer.testing import CliRunner

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.cli.main import app

SECRET = "sk_live_5up3r-secret"
GOOD = "account_id,name,timezone,locale,tier\nacme,Acme,Europe/Berlin,de-DE,gold\n"
BAD = GOOD + "zeta,Zeta,Europe/Berln,de,\n"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rollout(servers: EmbeddedServers, database_url: str, tmp_path: Path) -> Run:
    """Run ``rollout import …`` in an empty directory."""
    settings = {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "ROLLOUT_OPERATOR": "olga",
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROLLOUT_")}
    checkout = str(Path(__file__).parents[2])

    def run(*arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "rollout", "import", *arguments],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            cwd=tmp_path,
            env={**environment, **settings, "PYTHONPATH": checkout, "COLUMNS": "100"},
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


def accounts(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT account_id FROM accounts")).scalars())


def test_a_good_file_is_kept_and_counted(rollout: Run, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "accounts.csv").write_text(GOOD)
    first, again = (rollout("accounts", "accounts.csv") for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == "accounts.csv: 1 new, 0 changed, 0 unchanged, 0 bad\n"
    assert again.stdout == "accounts.csv: 0 new, 0 changed, 1 unchanged, 0 bad\n"
    assert accounts(engine) == ["acme"]


def test_a_dry_run_says_that_nothing_was_changed(
    rollout: Run, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "accounts.csv").write_text(GOOD)
    done = rollout("accounts", "accounts.csv", "--dry-run")
    assert done.returncode == 0
    assert "1 new, 0 changed, 0 unchanged, 0 bad (nothing was changed)" in done.stdout
    assert accounts(engine) == []


def test_bad_rows_are_named_and_the_exit_code_is_1(
    rollout: Run, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "accounts.csv").write_text(BAD)
    done = rollout("accounts", "accounts.csv")
    assert done.returncode == 1
    assert (
        "accounts.csv:3: timezone: 'Europe/Berln' is not a known time zone;"
        " did you mean Europe/Berlin?" in done.stderr
    )
    assert "--partial" in done.stderr
    assert accounts(engine) == []


def test_with_partial_the_good_rows_are_kept_and_the_exit_code_is_1_all_the_same(
    rollout: Run, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "accounts.csv").write_text(BAD)
    done = rollout("accounts", "accounts.csv", "--partial", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout) == {
        "file": "accounts.csv",
        "register": "accounts",
        "new": 1,
        "changed": 0,
        "unchanged": 0,
        "bad": 1,
        "kept": True,
        "problems": [
            {
                "line": 3,
                "field": "timezone",
                "reason": "'Europe/Berln' is not a known time zone; did you mean Europe/Berlin?",
            }
        ],
    }
    assert accounts(engine) == ["acme"]


def test_standard_input_is_read_in_the_given_format(rollout: Run, engine: Engine) -> None:
    row = {"account_id": "a", "name": "A", "timezone": "UTC", "locale": "en", "tier": ""}
    done = rollout("accounts", "-", "--format", "ndjson", stdin=json.dumps(row))
    assert (done.returncode, done.stdout) == (0, "stdin: 1 new, 0 changed, 0 unchanged, 0 bad\n")
    assert accounts(engine) == ["a"]


def test_contacts_and_keys_are_taken_in_and_the_secret_is_not_said(
    rollout: Run, tmp_path: Path
) -> None:
    (tmp_path / "accounts.csv").write_text(GOOD)
    (tmp_path / "contacts.csv").write_text("account_id,email,name,role\nacme,a@a.example,Ada,\n")
    keys = (
        f"key_id,account_id,kind,label,created_at,secret\nk1,acme,rest,,,{SECRET}\n"
        f"k2,nobody,rest,,,{SECRET}\nk3,acme,{SECRET},,{SECRET},\n"
    )
    (tmp_path / "keys.csv").write_text(keys)
    assert rollout("accounts", "accounts.csv").returncode == 0
    assert rollout("contacts", "contacts.csv").stdout.startswith("contacts.csv: 1 new")
    done = rollout("keys", "keys.csv", "--partial")
    assert done.stdout == "keys.csv: 1 new, 0 changed, 0 unchanged, 2 bad\n"
    assert "keys.csv:3: account_id: there is no account 'nobody'" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_file_that_cannot_be_used_is_named_without_a_traceback(
    rollout: Run, tmp_path: Path
) -> None:
    (tmp_path / "garbage.csv").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    for file, said in (
        ("garbage.csv", "garbage.csv:1:"),
        ("cut.csv.gz", "cut.csv.gz is a damaged gzip file"),
        ("none.csv", "cannot read none.csv: No such file or directory\nWay out: name a file that"),
        ("none.csv.gz", "cannot read none.csv.gz: No such file or directory\nWay out: name a"),
        ("empty.csv", "empty.csv is empty\nWay out: is it the right file"),
    ):
        done = rollout("accounts", file)
        assert done.returncode == 1
        assert f"Error: {said}" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_escape_sequence_in_a_file_does_not_reach_the_terminal(
    rollout: Run, tmp_path: Path
) -> None:
    (tmp_path / "accounts.csv").write_text(f"{GOOD}b,B,\u202e[red]zone[/],de,\n")
    done = rollout("accounts", "accounts.csv")
    assert "\\u202e[red]zone[/]" in done.stderr
    assert "\u202e" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts",),
        ("accounts", "-"),
        ("accounts", "accounts.txt"),
        ("accounts", "accounts.csv", "--format", "xml"),
        ("accounts", "accounts.csv", "--no-such-flag"),
        ("customers", "accounts.csv"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, ["import", *arguments])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


@pytest.mark.parametrize("register", ["accounts", "usage"])
def test_a_format_that_does_not_exist_is_told_in_our_words(register: str) -> None:
    done = CliRunner().invoke(app, ["import", register, "file", "--format", "xml"])
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "Invalid value for '--format': 'xml' is not one of '" in said


def test_a_name_that_does_not_tell_the_format_is_told_the_flag() -> None:
    done = CliRunner().invoke(app, ["import", "accounts", "accounts.txt"])
    assert "--format csv or ndjson" in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", ["accounts", "contacts", "keys"])
def test_each_help_has_an_example(command: str) -> None:
    done = CliRunner().invoke(app, ["import", command, "--help"])
    assert done.exit_code == 0
    assert f"rollout import {command} " in done.stdout
