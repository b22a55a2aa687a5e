"""``rollout demo``: it ends by itself with its report, and leaves a mailbox and nothing else."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from tests.support.processes import environment, rollout, wait_until

NONSENSE = {
    "ROLLOUT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "ROLLOUT_REDIS_URL": "redis://127.0.0.1:1/0",
    "ROLLOUT_SMTP_URL": "smtp://127.0.0.1:1",
    "ROLLOUT_ENVIRONMENT": "production",
}
EXTENDED, HELD, UNREACHABLE = "app-007", "app-011", "app-013"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for temporary files, outside of pytest's own, which is closed to servers."""
    with TemporaryDirectory(prefix="rollout-test-") as place:
        yield Path(place)


def demo(place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        rollout("demo"),
        env=environment(NONSENSE) | {"TMPDIR": str(place)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_running(place: Path) -> list[str]:
    """The processes that work below a directory, or were told to keep their data there."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd(), *process.environ().values()]
        except psutil.Error:
            continue  # gone, or none of ours
        if any(str(place) in word for word in words):
            found.append(process.name())
    return found


def letters(place: Path) -> dict[str, EmailMessage]:
    files = sorted(place.glob("rollout-demo-*/mailbox/*.eml"))
    parsed = {file.name: message_from_bytes(file.read_bytes(), policy=default) for file in files}
    return {name: letter for name, letter in parsed.items() if isinstance(letter, EmailMessage)}


def line(report: str, name: str) -> str:
    """The rest of the report's line of that name."""
    (found,) = [each for each in report.splitlines() if each.startswith(f"{name} ")]
    return found.removeprefix(name).strip()


@pytest.mark.slow
def test_the_demo_ends_in_its_report_and_leaves_a_mailbox_and_nothing_else(place: Path) -> None:
    playing = demo(place)
    report, _ = playing.communicate(timeout=280)

    assert playing.returncode == 0, report
    assert " people, " in line(report, "reminded")
    assert " of " in line(report, "cut")
    _, extended = [each for each in report.splitlines() if each.startswith("extended ")]
    assert f"{EXTENDED}: migration under way; 8 s more, until " in extended
    held = [each.split()[1] for each in report.splitlines() if each.startswith("held ")]
    assert [account.strip(":") for account in held] == [HELD, UNREACHABLE]
    for promise in (
        *("0 early", "0 mobile", "every 401 explained"),
        *("chain verified", "invariants hold"),
    ):
        assert line(report, promise).startswith("yes"), report
    assert "0 of " in line(report, "0 early")
    assert "0 keys touched, 0 of " in line(report, "0 mobile")

    found = letters(place)
    (folder,) = place.iterdir()
    assert len(found) > 600  # announcement, final warning and the end, for 300 accounts
    assert not any(f"@{UNREACHABLE}.example" in name for name in found)
    assert all(letter["Subject"] and letter["To"] and letter["Date"] for letter in found.values())
    texts = [letter.get_body(("plain",)) for letter in found.values()]
    assert all(text is not None and "app-" in text.get_content() for text in texts)
    assert str(folder / "mailbox") in report
    assert not (folder / "data").exists()
    assert left_running(place) == []


@pytest.mark.slow
def test_a_demo_that_is_ended_early_stops_all_that_it_started(place: Path) -> None:
    playing = demo(place)
    try:
        wait_until(lambda: letters(place), 120)
        busy = left_running(place)
        playing.send_signal(signal.SIGTERM)
        said, _ = playing.communicate(timeout=60)
    finally:
        playing.kill()

    assert {"postgres", "valkey-server"} <= set(busy)
    assert playing.returncode != 0
    assert "Traceback" not in said
    assert left_running(place) == []
