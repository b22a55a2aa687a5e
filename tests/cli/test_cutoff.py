"""``rollout cutoff preview`` as an operator or a script runs it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.database import digests

AT = ("--at", "2027-02-16T16:00:00Z")


@pytest.fixture(autouse=True)
def _told(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    campaign.work(NOW + timedelta(hours=1))


def test_preview_gives_programs_each_key_with_its_verdict_and_changes_nothing(
    cli: CommandLine, campaign: Campaign
) -> None:
    cli("account", "hold", "beta", "--reason", "open ticket 4711")
    before = digests(campaign.engine)
    items = {item["key_id"]: item for item in cli("cutoff", "preview", *AT, "--json").items}

    assert set(items) == {"k-acme-1", "k-acme-2", "k-beta-1", "k-hermit-1"}
    assert items["k-acme-1"] == {
        "key_id": "k-acme-1",
        "account_id": "acme",
        "cohort": "everyone",
        "deadline": "2027-02-16T16:00:00Z",
        "verdict": "cut",
        "reason": None,
    }
    assert (items["k-beta-1"]["verdict"], items["k-beta-1"]["reason"]) == (
        "hold",
        "open ticket 4711",
    )
    assert "0 of 1 people have a delivered message" in items["k-hermit-1"]["reason"]
    assert digests(campaign.engine) == before


def test_preview_shows_people_a_table_without_foreign_control_characters(cli: CommandLine) -> None:
    cli("account", "hold", "beta", "--reason", "[red]\x1b[2Jgone")
    shown = cli("cutoff", "preview", *AT).stdout

    assert "[red]\\x1b[2Jgone" in shown
    assert "\x1b" not in shown


def test_before_the_deadline_nothing_is_due(cli: CommandLine) -> None:
    assert cli("cutoff", "preview", "--json").json == {"items": []}
    assert cli("cutoff", "preview", "--at", "2027-02-16", "--json").json == {"items": []}


def test_a_paused_cohort_is_said_to_be_held(cli: CommandLine) -> None:
    cli("cohort", "pause", "api-keys", "everyone", "--reason", "incident")
    items = cli("cutoff", "preview", *AT, "--json").items

    assert {item["verdict"] for item in items} == {"hold"}
    assert items[0]["reason"] == "the cohort is paused: incident"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview", "--at", "2027-02-16T16:00:00"), "names no zone"),
        (("preview", "--at", "tomorrow"), "is no time"),
        (("preview", "2027-02-16"), "unexpected extra argument"),
        (("now",), "No such command 'now'"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    cli: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = cli("cutoff", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.complaint
