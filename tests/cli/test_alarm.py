"""``rollout alarm`` as an operator or a script runs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine
from tests.support.http_receiver import HttpReceiver

FIELDS = [
    *("alarm_id", "kind", "subject", "reason", "fix"),
    *("seen_at", "opened_at", "last_told_at", "closed_at"),
]


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    with HttpReceiver() as running:
        yield running


@pytest.fixture
def stopped(campaign: Campaign) -> None:
    """All cutting has stopped, and an alarm of it is open."""
    campaign.begin()
    with campaign.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()
    campaign.alarms.watch()


def test_list_says_what_is_open_and_what_to_do(cli: CommandLine, stopped: None) -> None:
    shown = cli("alarm", "list")
    assert "cutting-stopped" in shown.stdout
    assert "nothing is cut any more: the clock jumped" in shown.stdout
    assert "What to do: look at the clock of the database, then `rollout clock --trust`" in (
        shown.complaint
    )

    [item] = cli("alarm", "list", "--json").items
    assert list(item) == FIELDS
    assert (item["kind"], item["subject"], item["opened_at"]) == (
        "cutting-stopped",
        "clock:database",
        "2027-01-01T12:00:00Z",
    )
    assert (item["last_told_at"], item["closed_at"]) == (None, None)


def test_what_is_over_is_listed_with_all(
    cli: CommandLine, campaign: Campaign, stopped: None
) -> None:
    cli("clock", "--trust")
    campaign.alarms.watch()

    assert cli("alarm", "list").stdout == "none\n"
    [item] = cli("alarm", "list", "--all", "--json").items
    assert item["closed_at"] == "2027-01-01T12:00:00Z"
    assert "What to do" not in cli("alarm", "list", "--all").stderr


def test_the_doctor_fails_while_an_alarm_is_open(cli: CommandLine, stopped: None) -> None:
    done = cli("doctor", "--json")
    [found] = [item for item in done.items if item["subject"] == "alarms"]

    assert done.code == 1
    assert (found["health"], found["detail"], found["fix"]) == (
        "failed",
        "open: cutting-stopped (clock:database)",
        "rollout alarm list",
    )


def test_a_test_is_sent_to_every_address(cli: CommandLine, receiver: HttpReceiver) -> None:
    done = cli("alarm", "test", "--as", "bob", alert_urls=f"json://{receiver.address}/s3cret")

    assert (done.code, done.stdout) == (0, "json (1st) took it\n")
    [posted] = receiver.posted
    assert posted["title"] == "[Rollout development] Test"
    [fact] = cli("audit", "list", "--action", "alarm.tested", "--json").items
    assert fact["actor"] == "bob"


def test_an_address_that_does_not_take_it_is_named_and_not_shown(
    cli: CommandLine, receiver: HttpReceiver
) -> None:
    receiver.status = 500
    done = cli("alarm", "test", alert_urls=f"json://{receiver.address}/s3cret")

    assert done.code == 1
    assert "1 of 1 addresses did not take it: json (1st)" in done.complaint
    assert "s3cret" not in done.stdout + done.stderr


def test_where_there_is_no_address_a_test_is_refused(cli: CommandLine) -> None:
    done = cli("alarm", "test")

    assert done.code == 1
    assert "Way out: set ROLLOUT_ALERT_URLS" in done.complaint


def test_a_wrong_url_is_an_error_of_every_command_and_is_not_repeated(cli: CommandLine) -> None:
    done = cli("alarm", "list", alert_urls="slack://s3cret")

    assert done.code == 1
    assert "ROLLOUT_ALERT_URLS: the 1st of 1 is no URL that Apprise knows" in done.complaint
    assert "s3cret" not in done.stdout + done.stderr
