"""Alarms by real processes: the clock alone says that no worker lives, and tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from tests.support.database import run
from tests.support.http_receiver import HttpReceiver
from tests.support.processes import Crew, wait_until
from workers.app import make_app


def test_what_opens_and_closes_is_logged(wired: Rollout) -> None:
    _, drains = make_app(wired)
    run(wired.engine, "INSERT INTO stops (reason, owner) VALUES ('the clock jumped', 'rollout')")
    with structlog.testing.capture_logs() as opened:
        assert drains["rollout.alarms.watch"]() == 1
    run(wired.engine, "UPDATE stops SET closed_at = now()")
    with structlog.testing.capture_logs() as closed:
        assert drains["rollout.alarms.watch"]() == 1

    assert [(e["event"], e["log_level"], e["about"]) for e in opened + closed] == [
        ("alarm.opened", "error", "clock:database"),
        ("alarm.closed", "warning", "clock:database"),
    ]


def test_what_cannot_be_told_is_logged_without_its_address(
    settings: dict[str, str], tmp_path: Path
) -> None:
    broken = settings | {"ROLLOUT_ALERT_URLS": "json://127.0.0.1:1/s3cret?cto=1"}
    with bootstrap(Settings.from_environment(broken)) as rollout:
        _, drains = make_app(rollout)
        run(rollout.engine, "INSERT INTO stops (reason, owner) VALUES ('it jumped', 'rollout')")
        drains["rollout.alarms.watch"]()
        with structlog.testing.capture_logs() as logs:
            assert drains["rollout.alarms.tell"]() == 1

    [entry] = [entry for entry in logs if entry["event"] == "alarm.untold"]
    assert entry["addresses"] == ("json (1st)",)
    assert "s3cret" not in repr(logs)


@pytest.mark.slow
def test_where_no_worker_lives_the_clock_watches_and_tells(
    wired: Rollout, settings: dict[str, str], tmp_path: Path
) -> None:
    run(wired.engine, "INSERT INTO stops (reason, owner) VALUES ('the clock jumped', 'rollout')")
    with HttpReceiver() as receiver, Crew(settings, tmp_path) as crew:
        urls = f"json://{receiver.address}/s3cret"
        crew.start("workers.clock", ROLLOUT_ALERT_URLS=urls)
        wait_until(lambda: receiver.posted)
        assert "s3cret" not in crew.said()

    [posted] = receiver.posted
    assert posted["title"] == "[Rollout development] cutting has stopped itself"
