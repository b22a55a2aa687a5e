"""``rollout notice pause|resume`` as an operator runs them."""

from __future__ import annotations

import pytest

from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine

WHY = ("--reason", "a wrong link")


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin()


def test_a_pause_is_shown_by_the_summary_until_it_is_resumed(
    cli: CommandLine, campaign: Campaign
) -> None:
    paused = cli("notice", "pause", "api-keys", *WHY)
    assert (paused.code, paused.stdout) == (0, "the sending of api-keys is paused\n")

    shown = cli("notice", "summary")
    assert "sending is paused since 2027-01-01T12:00:00Z by olga: a wrong link" in shown.stdout
    assert {item["sending_paused"] for item in cli("notice", "summary", "--json").items} == {
        "a wrong link"
    }
    campaign.remind()
    assert campaign.rows("SELECT DISTINCT state FROM notices") == [("pending",)]

    resumed = cli("notice", "resume", "api-keys", "--reason", "mended", "--as", "bob")
    assert (resumed.code, resumed.stdout) == (0, "the sending of api-keys goes on\n")
    assert "paused" not in cli("notice", "summary").stdout
    (fact,) = cli("audit", "list", "--action", "sending.resumed", "--json").items
    assert (fact["actor"], fact["subject"], fact["reason"]) == (
        "bob",
        "deprecation:api-keys",
        "mended",
    )


def test_a_wrong_name_and_a_second_pause_are_refused(cli: CommandLine) -> None:
    wrong = cli("notice", "pause", "api-kees", *WHY)
    assert wrong.code == 1
    assert "known: api-keys" in wrong.complaint

    cli("notice", "pause", "api-keys", *WHY)
    again = cli("notice", "pause", "api-keys", *WHY)
    assert (again.code, "is paused already" in again.complaint) == (1, True)


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_nobody_pauses_or_resumes_without_a_reason(cli: CommandLine, command: str) -> None:
    assert cli("notice", command, "api-keys").code == 2
    assert cli("notice", command, "api-keys", "--reason", " ").code == 2
