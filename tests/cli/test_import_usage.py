"""``rollout import usage`` and ``rollout usage`` as a person or a script runs them."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from rollout.adapters.embedded.servers import EmbeddedServers

LINE = '10.0.0.1 - {} [17/May/2015:10:05:14 +0200] "GET / HTTP/1.1" {} 5 "-" "curl/8.1"\n'

# What `usage keys` owes to whoever reads its JSON; it may say more.
CONTRACT = (
    *("key_id", "account_id", "kind", "status", "usage", "count", "refused", "first_seen"),
    "last_seen",
)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def rollout(servers: EmbeddedServers, database_url: str, tmp_path: Path) -> Run:
    """Run ``rollout …`` in an empty directory."""
    settings = {
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        "ROLLOUT_OPERATOR": "olga",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "COLUMNS": "200",
    }
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ROLLOUT_")}

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "rollout", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env=environment | settings,
        )

    return run


def answer(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """Return the JSON that a command printed."""
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_the_stratus_log_is_imported_discovered_and_listed_exactly(
    rollout: Run, shared_data: Path
) -> None:
    truth = json.loads((shared_data / "truth.json").read_text())["cloudtrail-stratus"]["keys"]
    files = sorted((shared_data / "cloudtrail-stratus").glob("*.json"))
    import_stratus = ("import", "usage", "--format", "cloudtrail", "--discover", "--json", *files)

    first = answer(rollout(*import_stratus))
    keys = answer(rollout("usage", "keys", "--json"))["items"]
    sources = answer(rollout("usage", "sources", "--json"))["items"]
    second = answer(rollout(*import_stratus))

    assert {name: first[name] for name in ("files", "records", "sightings", "keyless")} == {
        "files": 35,
        "records": 310,
        "sightings": 309,
        "keyless": 1,
    }
    assert (first["discovered_keys"], first["discovered_accounts"]) == (40, 34)
    assert first["unknown_keys"] == 0
    assert [{name: key[name] for name in CONTRACT} for key in keys] == [
        {
            "key_id": key_id,
            "account_id": key["account"],
            "kind": "rest",
            "status": "active",
            "usage": "unknown",  # the newest event is years old
            "count": key["events"],
            "refused": key["errors"],
            "first_seen": key["first"],
            "last_seen": key["last"],
        }
        for key_id, key in sorted(truth.items())
    ]
    named = Counter(tuple(key["integrations"]) for key in keys)
    assert named == {("stratus-red-team",): 38, (): 2}
    assert sources[0]["source"] == "stratus-red-team"
    assert list(sources[0]) == [
        "source",
        "user_agent",
        "networks",
        "accounts",
        "keys",
        "count",
        "first_seen",
        "last_seen",
        "integration",
    ]
    assert (second["already_imported"], second["records"], second["discovered_keys"]) == (35, 0, 0)
    assert answer(rollout("usage", "keys", "--json"))["items"] == keys


def test_all_lines_of_the_elastic_log_are_accounted_for(rollout: Run, shared_data: Path) -> None:
    log = shared_data / "access-elastic" / "access.log.gz"

    report = answer(rollout("import", "usage", "--format", "combined", "--json", log))

    assert report == {
        "feed": "combined",
        "files": 1,
        "already_imported": 0,
        "passed_over": [],
        "failed": [],
        "records": 10_000,
        "sightings": 0,
        "repeated": 0,
        "last_uses": 0,
        "ahead": 0,
        "keyless": 10_000,
        "unreadable": 0,
        "unreadable_examples": [],
        "addresses": 1753,
        "user_agents": 559,
        "first": "2015-05-17T10:05:00Z",
        "last": "2015-05-20T21:05:59Z",
        "discovered_accounts": 0,
        "discovered_keys": 0,
        "unknown_keys": 0,
        "unknown_examples": [],
    }


def test_a_damaged_file_is_named_and_the_others_are_taken_in(rollout: Run, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    (logs / "deep").mkdir(parents=True)
    (logs / "1.gz").write_bytes(gzip.compress((LINE.format("k1", 200) * 9).encode())[:-9])
    (logs / "deep" / "2.log").write_text(LINE.format("k2", 401) + "hello \x1b[31m\n")

    done = rollout("import", "usage", "--format", "combined", "--feed", "edge", "--json", logs)
    report = answer(done, code=1)

    assert (report["files"], report["sightings"], report["unreadable"]) == (2, 1, 1)
    assert [Path(failed["file"]).name for failed in report["failed"]] == ["1.gz"]
    assert "1.gz: the gzip data is cut off; nothing of it was kept" in done.stderr
    assert report["unreadable_examples"][0].endswith(
        r"2.log: line 2: not an access log line: xxxxx \x1b[99x"
    )
    assert (report["unknown_keys"], report["unknown_examples"]) == (1, ["k2"])
    assert answer(rollout("usage", "keys", "--json")) == {"items": []}
    (key,) = answer(rollout("usage", "keys", "--unregistered", "--json"))["items"]
    assert (key["key_id"], key["account_id"], key["count"], key["refused"]) == ("k2", None, 1, 1)


def test_a_person_is_told_the_same_in_words(rollout: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(LINE.format("[red]k1", 200) + "\x1b]0;boo\x07\n")

    told = rollout("import", "usage", "--format", "combined", "a.log").stdout
    keys = rollout("usage", "keys", "--unregistered").stdout
    sources = rollout("usage", "sources").stdout

    assert "files: 1 taken in, 0 taken in before, 0 failed" in told
    assert "records: 2 (uses of keys: 1, repeated: 0, without a key: 0, unreadable: 1)" in told
    assert r"unreadable: a.log: line 2: not an access log line: \x1b]9;xxx\x07" in told
    assert "keys in use that nobody registered: 1, such as [red]k1" in told
    assert "[red]k1" in keys
    assert "curl" in sources
    assert "\x1b]" not in told + keys + sources


def test_only_the_first_hundred_keys_are_shown_to_a_person(rollout: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(LINE.format(f"k{n:03}", 200) for n in range(101)))
    rollout("import", "usage", "--format", "combined", "a.log")

    done = rollout("usage", "keys", "--unregistered")

    assert "k099" in done.stdout
    assert "k100" not in done.stdout
    assert "These are the first 100; --json lists all." in done.stderr
    assert len(answer(rollout("usage", "keys", "--unregistered", "--json"))["items"]) == 101


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--format", "combined", "nothing.log"), 1, "nothing.log: it cannot be opened"),
        (("--format", "clf", "a.log"), 2, "'clf' is not one of"),
        (("--format", "combined"), 2, "Missing argument"),
        (("a.log",), 2, "say how the logs are written"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_file_that_is_not_there_with_1(
    rollout: Run, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = rollout("import", "usage", *arguments)

    assert done.returncode == code
    assert told in done.stderr


@pytest.mark.parametrize("command", ["import usage", "usage keys", "usage sources"])
def test_each_command_helps_with_an_example(rollout: Run, command: str) -> None:
    assert f"Example: rollout {command}" in rollout(*command.split(), "--help").stdout


# Which logs, and how they are written


def test_standard_input_patterns_and_zstandard_are_taken(rollout: Run, tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.log").write_text(LINE.format(f"k{number}", 200))
    (tmp_path / "2.zst").write_bytes(zstandard.compress(LINE.format("k2", 200).encode()))
    combined = ("import", "usage", "--format", "combined", "--json")

    globbed = answer(rollout(*combined, str(tmp_path / "*.log"), str(tmp_path / "2.zst")))
    piped = answer(rollout(*combined, "-", stdin=LINE.format("k3", 200)))

    assert (globbed["files"], globbed["sightings"]) == (3, 3)
    assert (piped["files"], piped["sightings"], piped["unknown_keys"]) == (1, 1, 4)


def test_what_is_no_log_is_passed_over_in_a_folder_and_refused_by_name(
    rollout: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "access.log").write_text(LINE.format("k1", 200))
    licence = folder / "LICENSE"
    licence.write_text("Permission is hereby granted\n")
    combined = ("import", "usage", "--format", "combined", "--json")

    of_folder = rollout(*combined, str(folder))
    by_name = rollout(*combined, str(licence))

    assert of_folder.returncode == 0
    assert answer(of_folder)["passed_over"] == [str(licence)]
    assert by_name.returncode == 1
    assert "none of its 1 records can be read as combined" in by_name.stderr


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "say how the logs are written"),
        (["--format", "combined", "--map", "x.yaml"], "say how the logs are written"),
        (["--format", "combined", "--as-of", "2024-01-01"], "--as-of is for --format aws-cred"),
        (["--format", "combined", "no-such-*.log"], "matches no file"),
        (["--format", "cloudtrail", "--follow"], "--follow reads logs of lines"),
        (["--format", "combined", "--follow", "x"], "--follow reads one file"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(
    rollout: Run, options: list[str], complaint: str
) -> None:
    done = rollout("import", "usage", "y.log", *options)

    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.replace("│", " ").split())


def test_no_secret_is_shown_of_a_file_that_is_no_log(rollout: Run, tmp_path: Path) -> None:
    keys = tmp_path / "keys.csv"
    keys.write_text("key_id,account_id,kind,secret\nk1,acme,rest,s3cret-value-1\n")

    for form in ("combined", "cloudtrail", "ndjson", "alb", "nginx-json", "kong", "envoy"):
        done = rollout("import", "usage", "--format", form, str(keys))

        assert done.returncode == 1
        assert "s3cret" not in done.stdout + done.stderr
