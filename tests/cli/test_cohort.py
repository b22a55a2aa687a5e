"""``rollout cohort`` as an operator or a script runs it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.campaign import Campaign
from tests.support.cast import PLAN
from tests.support.command_line import CommandLine
from tests.support.database import digests

APPROVED = PLAN.replace("approvals: 0", "approvals: 2").replace(
    "cohorts:\n", "cohorts:\n  - {cohort: gold, select: {tier: gold}, date: 2027-02-09}\n"
)


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin(APPROVED)


def test_list_gives_programs_every_field_in_the_order_of_the_file(cli: CommandLine) -> None:
    cli("cohort", "approve", "api-keys", "gold", "--as", "alice")
    cli("cohort", "pause", "api-keys", "everyone", "--reason", "incident")

    assert cli("cohort", "list", "api-keys", "--json").json == {
        "items": [
            {
                "deprecation": "api-keys",
                "cohort": "gold",
                "paused": None,
                "paused_by": None,
                "approvals": ["alice"],
                "scheduled": 1,
                "held": 0,
                "cut": 0,
                "exempt": 0,
                "next_deadline": "2027-02-09T15:00:00Z",
            },
            {
                "deprecation": "api-keys",
                "cohort": "everyone",
                "paused": "incident",
                "paused_by": "olga",
                "approvals": [],
                "scheduled": 2,
                "held": 0,
                "cut": 0,
                "exempt": 0,
                "next_deadline": "2027-02-16T16:00:00Z",
            },
        ]
    }


def test_list_counts_the_accounts_that_are_held(cli: CommandLine, campaign: Campaign) -> None:
    def held() -> list[int]:
        return [item["held"] for item in cli("cohort", "list", "--json").items]

    cli("account", "hold", "acme", "--reason", "ticket")
    cli("account", "hold", "beta", "--reason", "audit", "--until", "2027-01-05")
    campaign.run(  # the second reason for the same account
        "INSERT INTO holds (enrollment_id, code, reason, owner)"
        " SELECT enrollment_id, 'not-told', '', 'rollout' FROM enrollments"
        " WHERE account_id IN ('acme', 'hermit')"
    )
    assert held() == [1, 2]
    assert "held" in cli("cohort", "list").stdout.splitlines()[0]

    campaign.at(datetime(2027, 1, 5, tzinfo=UTC))  # the end of one
    cli("account", "release", "acme", "--reason", "closed")
    cli("account", "exempt", "hermit", "--reason", "contract")
    assert held() == [1, 0]


def test_a_table_shows_who_approved_and_why_it_is_paused_harmlessly(cli: CommandLine) -> None:
    for who in ("alice", "bob"):
        cli("cohort", "approve", "api-keys", "gold", "--as", who)
    cli("cohort", "pause", "api-keys", "gold", "--reason", "[red]\x1b[2Jgone")
    shown = cli("cohort", "list").stdout

    assert "alice, bob" in shown
    assert "[red]\\x1b[2Jgone" in shown
    assert "\x1b" not in shown


def test_approvals_by_different_people_are_counted(cli: CommandLine) -> None:
    first = cli("cohort", "approve", "api-keys", "gold", "everyone", "--as", "alice")
    second = cli("cohort", "approve", "api-keys", "gold", "--as", "bob")

    assert first.stdout == "api-keys/gold: 1 of 2 approvals\napi-keys/everyone: 1 of 2 approvals\n"
    assert second.stdout == "api-keys/gold: 2 of 2 approvals\n"


def test_the_same_person_does_not_count_twice(cli: CommandLine) -> None:
    cli("cohort", "approve", "api-keys", "gold")
    again = cli("cohort", "approve", "api-keys", "gold")

    assert again.code == 1
    assert "olga has approved api-keys/gold as it is now" in again.stderr
    assert "an approval by somebody else counts" in again.stderr


def test_an_edit_of_the_plan_takes_approvals_back(cli: CommandLine, campaign: Campaign) -> None:
    cli("cohort", "approve", "api-keys", "gold")
    campaign.plan.apply(APPROVED.replace("min_notice: 14d", "min_notice: 15d"), "p.yaml", "olga")

    assert cli("cohort", "list", "--json").items[0]["approvals"] == []


def test_a_cohort_is_paused_and_goes_on_once(cli: CommandLine) -> None:
    paused = cli("cohort", "pause", "api-keys", "gold", "--reason", "incident")
    again = cli("cohort", "pause", "api-keys", "gold", "--reason", "incident")
    on = cli("cohort", "resume", "api-keys", "gold", "--reason", "over", "--as", "bob")
    on_again = cli("cohort", "resume", "api-keys", "gold", "--reason", "over")

    assert (paused.code, paused.stdout) == (0, "api-keys/gold is paused\n")
    assert (again.code, "api-keys/gold is paused already" in again.stderr) == (1, True)
    assert (on.code, on.stdout) == (0, "api-keys/gold goes on\n")
    assert (on_again.code, "api-keys/gold is not paused" in on_again.stderr) == (1, True)
    facts = cli("audit", "list", "--subject", "cohort:api-keys/gold", "--json").items
    assert [(f["action"], f["actor"], f["reason"]) for f in facts] == [
        ("cohort.resumed", "bob", "over"),
        ("cohort.paused", "olga", "incident"),
    ]


@pytest.mark.parametrize("verb", ["approve", "pause", "resume"])
def test_what_does_not_exist_is_named_with_what_does(
    cli: CommandLine, campaign: Campaign, verb: str
) -> None:
    reason = () if verb == "approve" else ("--reason", "why")
    if verb == "resume":
        cli("cohort", "pause", "api-keys", "gold", *reason)
    before = digests(campaign.engine)
    cohort = cli("cohort", verb, "api-keys", "glod", *reason)
    deprecation = cli("cohort", verb, "api-kyes", "gold", *reason)
    second = cli("cohort", verb, "api-keys", "gold", "evryone", *reason)

    assert (cohort.code, deprecation.code, second.code) == (1, 1, 1)
    assert "api-keys has no cohort 'glod' (known: gold, everyone)" in cohort.stderr
    assert "there is no deprecation 'api-kyes' (known: api-keys)" in deprecation.stderr
    assert "api-keys has no cohort 'evryone' (known: gold, everyone)" in second.stderr
    assert digests(campaign.engine) == before


def test_list_names_the_deprecations_that_there_are(cli: CommandLine) -> None:
    done = cli("cohort", "list", "api-kyes")

    assert done.code == 1
    assert "there is no deprecation 'api-kyes' (known: api-keys)" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "api-keys", "gold"), "Missing option '--reason'"),
        (("pause", "api-keys", "gold", "--reason", " "), "say why"),
        (("resume", "api-keys", "--reason", "why"), "Missing argument 'NAME"),
        (("approve", "api-keys", "gold", "--by", "bob"), "No such option: --by"),
        (("list", "api-keys", "gold"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    cli: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = cli("cohort", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.complaint
