"""``rollout usage`` as an operator or a script asks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.reading import Piece
from rollout.adapters.signatures import load_signatures
from rollout.services.usage import CallerNaming, UsageImport
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.credential_reports import ANSWERS, FOLDER, MADE
from tests.support.database import digests, run

CALLED = {"k-acme-1": "/v1/users/42", "k-acme-2": "/v1/users/7?token=s3cret", "k-nobody": "-"}
CALLS = (
    ("k-acme-1", "Zapier", "10.0.0.1", 1),
    ("k-acme-1", "Zapier", "10.0.0.2", 2),
    ("k-acme-2", "Zapier", "10.0.0.1", 40),
    ("k-acme-1", "billing-cron/2", "10.0.9.1", 3),
    ("k-beta-1", "Zapier", "10.0.0.1", 20),
    ("k-acme-ios", "Acme-App/3", "10.0.7.1", 1),
    ("k-nobody", "curl/8.5", "10.0.8.1", 1),
)


@pytest.fixture
def used(campaign: Campaign, start: Callable[[], SqlUnitOfWork]) -> Engine:
    """The cast, in the middle of their campaign, and their calls of the last weeks."""
    campaign.begin()
    run(campaign.engine, "DELETE FROM key_usage")
    lines = []
    for key, agent, address, days in CALLS:
        at = NOW - timedelta(days=days, hours=1)
        lines.append(
            f"{address} - {key} [{at:%d/%b/%Y:%H:%M:%S} +0000]"
            f' "GET {CALLED.get(key, "/")} HTTP/1.1" 200 5 "-" "{agent}"\n'
        )
    log = Piece("log", "".join(lines).encode())
    UsageImport(start).import_log(log, FEEDS[LogFormat.COMBINED], feed="web", operator="olga")
    CallerNaming(start, load_signatures).name_all()
    return campaign.engine


def ids(cli: CommandLine, *filters: str) -> list[str]:
    done = cli("usage", "keys", *filters, "--json")
    assert done.code == 0, done.stderr
    return [item["key_id"] for item in done.items]


# How many were used, and when


@pytest.mark.parametrize(
    ("report", "clock", "counts"),
    ANSWERS,
)
def test_a_credential_report_says_how_many_keys_were_used_as_of_any_clock(
    cli: CommandLine, shared_data: Path, report: str, clock: str, counts: tuple[int, ...]
) -> None:
    path = shared_data / FOLDER / report
    taken = ("--format", "aws-credential-report", "--as-of", MADE[report], "--discover")
    assert cli("import", "usage", *taken, path).code == 0

    total = cli("usage", "summary", "--at", clock, "--json").json["total"]

    assert tuple(total[name] for name in ("active", "used", "older", "never")) == counts
    assert total["in_use"] + total["unused"] + total["unknown"] == total["active"]
    assert total["in_use"] == counts[1]


@pytest.mark.parametrize(
    ("clock", "counts"),
    [("2024-08-31T00:00:00Z", (32, 20, 11, 1)), ("2024-12-01T00:00:00Z", (32, 1, 31, 0))],
)
def test_stratus_says_how_many_keys_were_used_as_of_a_clock_before_and_after_the_last_use(
    cli: CommandLine, shared_data: Path, clock: str, counts: tuple[int, ...]
) -> None:
    folder = shared_data / "cloudtrail-stratus"
    files = sorted(folder.glob("*.json"))
    assert cli("import", "usage", "--format", "cloudtrail", "--discover", *files).code == 0

    found = cli("usage", "summary", "--at", clock, "--prefix", "AKIA", "--json").json["total"]

    assert tuple(found[name] for name in ("active", "used", "older", "never")) == counts


def test_summary_counts_by_what_is_asked_for_and_shows_people_a_table(
    cli: CommandLine, used: Engine
) -> None:
    by_tier = cli("usage", "summary", "--by", "tier", "--json").json
    by_cohort = cli(
        "usage", "summary", "--by", "cohort", "--deprecation", "api-keys", "--json"
    ).json
    by_integration = cli("usage", "summary", "--by", "integration", "--json").items
    table = cli("usage", "summary", "--by", "kind").stdout

    assert by_tier["at"] == "2027-01-01T12:00:00Z"
    assert [(i["tier"], i["active"], i["used"], i["older"]) for i in by_tier["items"]] == [
        ("free", 3, 1, 0),
        ("gold", 3, 2, 1),
    ]
    assert by_tier["coverage"][0].startswith("feeds gateway and web, complete from 2026-")
    (everyone,) = by_cohort["items"]
    assert (everyone["cohort"], everyone["active"], everyone["used"]) == ("everyone", 4, 2)
    assert {i["integration"]: i["active"] for i in by_integration} == {"Zapier": 3, None: 3}
    assert "as of 2027-01-01 12:00:00 UTC; used: within 30 d" in table
    assert "android" in table
    assert "all" in table
    assert "coverage: feeds gateway and web" in table


def test_cohorts_are_those_of_a_deprecation(cli: CommandLine, used: Engine) -> None:
    done = cli("usage", "summary", "--by", "cohort")

    assert done.code == 2
    assert "needs --deprecation" in done.complaint


# Which keys


def test_keys_are_listed_by_cohort_tier_integration_usage_and_beginning(
    cli: CommandLine, used: Engine
) -> None:
    assert ids(cli, "--cohort", "api-keys/everyone") == [
        *("k-acme-1", "k-acme-2", "k-beta-1", "k-hermit-1"),
    ]
    assert ids(cli, "--deprecation", "api-keys", "--cohort", "everyone", "--tier", "gold") == [
        "k-acme-1",
        "k-acme-2",
    ]
    assert ids(cli, "--integration", "Zapier") == ["k-acme-1", "k-acme-2", "k-beta-1"]
    assert ids(cli, "--integration", "any", "--usage", "in_use") == ["k-acme-1", "k-beta-1"]
    assert ids(cli, "--usage", "unused") == ["k-acme-2", "k-hermit-1", "k-mobile-1"]
    assert ids(cli, "--usage", "unknown") == []
    assert ids(cli, "--prefix", "k-acme-i") == ["k-acme-ios"]


def test_keys_that_nobody_registered_and_keys_out_of_scope_are_found(
    cli: CommandLine, used: Engine
) -> None:
    assert ids(cli, "--unregistered") == ["k-nobody"]
    assert ids(cli, "--unregistered", "--integration", "Zapier") == []
    assert ids(cli, "--out-of-scope", "api-keys") == ["k-acme-ios"]
    assert ids(cli, "--out-of-scope", "api-keys", "--usage", "unused") == ["k-mobile-1"]


def test_keys_as_of_an_instant_know_nothing_of_later_uses(cli: CommandLine, used: Engine) -> None:
    at = ("--at", "2026-12-10T00:00:00Z")
    items = {item["key_id"]: item for item in cli("usage", "keys", *at, "--json").items}

    assert {k: (i["usage"], i["count"], i["integrations"]) for k, i in items.items()} == {
        "k-acme-1": ("unused", 0, []),
        "k-acme-2": ("in_use", 1, ["Zapier"]),
        "k-acme-ios": ("unused", 0, []),
        "k-beta-1": ("unused", 0, []),
        "k-hermit-1": ("unused", 0, []),
        "k-mobile-1": ("unused", 0, []),
    }
    assert items["k-acme-1"]["last_seen"] is None
    assert ids(cli, "--unregistered", *at) == []
    assert ids(cli, "--integration", "Zapier", *at) == ["k-acme-2"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("keys", "--cohort", "everyone"), 2, "Write DEPRECATION/everyone"),
        (("keys", "--cohort", "a/b", "--deprecation", "c"), 2, "no cohort of 'c'"),
        (("keys", "--unregistered", "--tier", "gold"), 2, "have no cohort, tier or kind"),
        (("keys", "--out-of-scope", "api-keys", "--deprecation", "api-keys"), 2, "leave one"),
        (("keys", "--usage", "idle"), 2, "'idle' is not one of"),
        (("keys", "--cohort", "api-keys/none", "--json"), 1, "(known: everyone)"),
        (("keys", "--out-of-scope", "nothing", "--json"), 1, "no deprecation 'nothing'"),
        (("keys", "--integration", "Zap", "--json"), 1, "no integration 'Zap' (known: Zapier)"),
        (("account", "nobody"), 1, "no account 'nobody'"),
        (("endpoints", "--account", "nobody"), 1, "no account 'nobody'"),
        (("endpoints", "--key", "nothing"), 1, "no key of this id is registered"),
        (("integrations", "Zap", "--json"), 1, "no integration 'Zap' (known: Zapier)"),
        (("integrations", "Zapier", "--candidates"), 2, "not both"),
        (("burn-down", "nothing"), 1, "no deprecation 'nothing'"),
        (("burn-down", "api-keys", "--on", "soon"), 2, "is no time"),
        (("summary", "--window", "30"), 2, "is no length of time"),
        (("sources", "--by", "address"), 2, "'address' is not one of 'program', 'network'"),
        (("sources", "--keys-at-least", "-1"), 2, "greater than or equal to 0"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_is_printed(
    cli: CommandLine, used: Engine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("usage", *arguments)

    assert (done.code, done.stdout) == (code, "")
    assert said in done.complaint


# Who calls


def test_an_account_is_told_what_exactly_breaks(cli: CommandLine, used: Engine) -> None:
    found = cli("usage", "account", "acme", "--json").json
    shown = cli("usage", "account", "acme").stdout

    assert [(k["key_id"], k["kind"], k["usage"]) for k in found["keys"]] == [
        ("k-acme-1", "rest", "in_use"),
        ("k-acme-2", "rest", "unused"),
        ("k-acme-ios", "ios", "in_use"),
    ]
    zapier, *programs = found["callers"]
    assert zapier | {"integration": "Zapier", "keys": ["k-acme-1", "k-acme-2"]} == zapier
    assert (zapier["networks"], zapier["count"], zapier["calls"]) == (2, 3, 2)
    assert (zapier["calls_before"], zapier["change"], zapier["calls_per_day"]) == (1, 1.0, 0.1)
    assert zapier["last_seen"] == "2026-12-31T11:00:00Z"
    assert {program["program"] for program in programs} == {"Acme-App", "billing-cron"}
    assert "+100 %" in shown
    assert "k-acme-1, k-acme-2" in shown
    users = {"endpoint": "GET /v1/users/{id}", "keys": 1, "accounts": 1, "count": 3}
    assert found["endpoints"] == [
        users | {"last_day": "2026-12-31"},
        {"endpoint": "GET /", "keys": 1, "accounts": 1, "count": 1, "last_day": "2026-12-31"},
    ]
    assert "GET /v1/users/{id}" in shown
    assert "last used 2026-12-31 11:00 UTC, within the last 30 d" in shown


def test_endpoints_are_listed_for_all_for_an_account_and_for_a_key(
    cli: CommandLine, used: Engine
) -> None:
    def listed(*filters: str) -> list[tuple[str, int, int, int]]:
        items = cli("usage", "endpoints", *filters, "--json").items
        return [(i["endpoint"], i["keys"], i["accounts"], i["count"]) for i in items]

    assert listed() == [("GET /v1/users/{id}", 1, 1, 3), ("GET /", 2, 2, 2)]
    assert listed("--account", "beta") == [("GET /", 1, 1, 1)]
    assert listed("--key", "k-acme-1") == [("GET /v1/users/{id}", 1, 1, 3)]
    assert listed("--account", "acme", "--key", "k-beta-1") == []
    assert listed("--key", "k-nobody") == []
    assert "GET /v1/users/{id}" in cli("usage", "endpoints").stdout


def test_integrations_are_listed_and_one_with_its_accounts(cli: CommandLine, used: Engine) -> None:
    (zapier,) = cli("usage", "integrations", "--json").items
    accounts = cli("usage", "integrations", "Zapier", "--json").items
    shown = cli("usage", "integrations", "Zapier").stdout

    assert set(zapier) == {
        *("integration", "kind", "confidence", "accounts", "keys", "networks", "count"),
        *("refused", "first_seen", "last_seen", "home_page", "migration_url", "reasons"),
    }
    assert (zapier["kind"], zapier["accounts"], zapier["keys"], zapier["count"]) == (
        *("signature", 2, 3, 4),
    )
    assert [(i["account_id"], i["state"], i["moved"], i["calls"]) for i in accounts] == [
        ("acme", "using", False, 2),
        ("beta", "moved", True, 0),
    ]
    assert "silent for 20 d; every use since 2026-" in accounts[1]["why"]
    assert "Zapier, https://zapier.com" in shown
    assert "moved" in shown


def test_confirm_takes_the_page_on_which_a_maker_says_how_to_move_and_takes_it_back(
    cli: CommandLine, used: Engine
) -> None:
    page = "https://zapier.example/oauth"
    for given, shown in ((page, page), ("none", "")):
        done = cli("usage", "confirm", "Zapier", "--migration-url", given)
        assert done.stdout == "Zapier: called Zapier from now on\n"
        (zapier,) = cli("usage", "integrations", "--json").items
        assert zapier["migration_url"] == shown
    refused = cli("usage", "confirm", "Zapier", "--migration-url", "http://zapier.example")
    assert refused.code == 1
    assert "give an https:// address" in refused.complaint


def test_what_may_be_an_integration_is_a_candidate(cli: CommandLine, used: Engine) -> None:
    assert cli("usage", "integrations", "--candidates", "--json").items == []
    run(
        used,
        "UPDATE callers SET candidate = 'Acme-App', how = 'fan_out', confidence = 0.5,"
        " reasons = '{a few accounts}' WHERE user_agent = 'Acme-App'",
    )
    run(
        used,
        "INSERT INTO integration_decisions (candidate, integration, owner)"
        " VALUES ('Acme-App', NULL, 'olga')",
    )

    (candidate,) = cli("usage", "integrations", "--candidates", "--json").items
    shown = cli("usage", "integrations", "--candidates").stdout

    assert (candidate["candidate"], candidate["kind"], candidate["confidence"]) == (
        *("Acme-App", "fan_out", 0.5),
    )
    assert (candidate["reasons"], candidate["rejected_by"]) == (["a few accounts"], "olga")
    assert "a few accounts" in shown


def test_sources_say_which_integration_they_are(cli: CommandLine, used: Engine) -> None:
    items = cli("usage", "sources", "--json").items

    assert {item["source"]: item["integration"] for item in items} == {
        "Zapier": "Zapier",
        "billing-cron": None,
        "Acme-App": None,
        "curl": None,
    }


def test_sources_are_listed_by_the_network_that_they_call_from_with_most_accounts_first(
    cli: CommandLine, used: Engine
) -> None:
    by_network = ("usage", "sources", "--by", "network")
    found = cli(*by_network, "--json").json
    shown = cli(*by_network).stdout

    assert [(i["network"], i["source"], i["accounts"], i["keys"]) for i in found["items"]] == [
        ("10.0.0.1", "Zapier", 2, 3),
        ("10.0.7.1", "Acme-App", 1, 1),
        ("10.0.0.2", "Zapier", 1, 1),
        ("10.0.9.1", "billing-cron", 1, 1),
        ("10.0.8.1", "curl", 0, 1),
    ]
    assert (found["sources"], found["fan_out"][0]) == (5, {"accounts": 10, "sources": 0})
    assert "5 sources: 0 use keys of 10 accounts or more, 0 of 50, 0 of 100" in shown
    assert len(cli(*by_network, "--accounts-at-least", "2", "--json").items) == 1
    assert len(cli(*by_network, "--keys-at-least", "4", "--json").items) == 0
    assert "network" not in cli("usage", "sources", "--json").items[0]


def test_calls_of_one_program_that_their_client_names_are_a_source_of_their_own(
    cli: CommandLine, used: Engine
) -> None:
    run(used, "UPDATE sources SET integration = 'Make' WHERE network = '10.0.0.2'")

    items = cli("usage", "sources", "--json").items

    assert [(i["integration"], i["keys"]) for i in items if i["source"] == "Zapier"] == [
        ("Zapier", 3),
        ("Make", 1),
    ]


def test_no_output_lets_a_caller_write_to_the_terminal(
    cli: CommandLine, used: Engine, start: Callable[[], SqlUnitOfWork]
) -> None:
    run(used, "UPDATE callers SET integration = E'[red]\\x1b[2Jgone' WHERE integration = 'Zapier'")
    run(used, "UPDATE integrations SET integration = E'[red]\\x1b[2Jgone'")

    for command in (
        *(("account", "acme"), ("integrations",), ("integrations", "[red]\x1b[2Jgone")),
        *(("sources",), ("burn-down", "api-keys"), ("summary", "--by", "integration")),
    ):
        done = cli("usage", *command)
        assert done.code == 0, done.stderr
        assert "\x1b" not in done.stdout
        assert "[red]\\x1b[2Jgone" in done.stdout


# What is left


def test_burn_down_says_how_many_are_left_and_what_explains_them(
    cli: CommandLine, used: Engine
) -> None:
    found = cli("usage", "burn-down", "api-keys", "--on", "2027-01-20", "--json").json
    shown = cli("usage", "burn-down", "api-keys", "--on", "2027-01-20").stdout

    counts = {item["day"]: item["keys"] for item in found["items"]}
    assert len(counts) == 56
    assert (counts["2026-11-21"], counts["2026-11-22"], counts["2026-11-28"]) == (0, 1, 1)
    assert (counts["2026-11-29"], counts["2026-12-12"], counts["2026-12-19"]) == (0, 1, 0)
    assert counts["2026-12-31"] == 1
    assert found["on"] == "2027-01-20"
    assert set(found["forecast"]) == {"left", "per_day", "zero_on", "points"}
    assert found["explained"] == {
        "integrations": ["Zapier"],
        "accounts": 2,
        "of_accounts": 2,
        "covered": 1.0,
    }
    assert "left on 20 January 2027" in shown
    assert "This integration explains 100 % of the 2 accounts still using keys: Zapier" in shown
    assert json.loads(cli("usage", "burn-down", "api-keys", "--json").stdout)["on"] == "2027-02-16"


def test_what_nobody_listened_to_is_blank_not_none(cli: CommandLine, used: Engine) -> None:
    run(used, "UPDATE feeds SET complete = false")

    zapier = cli("usage", "account", "acme", "--json").json["callers"][0]
    moved = cli("usage", "integrations", "Zapier", "--json").items[1]
    for table in ("key_usage", "key_sources"):
        run(used, f"UPDATE {table} SET last_seen = last_seen - interval '90 days'")
    burnt = cli("usage", "burn-down", "api-keys", "--json").json
    shown = cli("usage", "burn-down", "api-keys").stdout

    unknown = {"calls_per_day": None, "change": None, "trend": ""}
    assert zapier | unknown | {"calls": 2, "calls_before": 1} == zapier
    assert moved | unknown | {"calls": None, "calls_before": None} == moved
    assert (burnt["items"], burnt["forecast"], burnt["explained"]) == ([], None, None)
    assert "Of no day is it known how many keys were in use." in shown
    assert "Which accounts still use keys is not known." in shown


# Uses ahead of their time


def test_uses_whose_time_had_not_come_are_shown(
    cli: CommandLine, start: Callable[[], SqlUnitOfWork]
) -> None:
    at = datetime(2099, 1, 1, tzinfo=UTC)
    line = f'10.0.0.1 - k1 [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8.5"\n'
    log = Piece("log", line.encode())
    UsageImport(start).import_log(log, FEEDS[LogFormat.COMBINED], feed="web", operator="olga")

    (use,) = cli("usage", "ahead", "--json").items

    assert (use["key_id"], use["at"], use["feed"]) == ("k1", "2099-01-01T00:00:00Z", "web")
    assert "2099-01-01T00:00:00Z" in cli("usage", "ahead").stdout


def test_no_question_changes_anything(cli: CommandLine, used: Engine) -> None:
    before = digests(used)
    for command in (
        *(("keys",), ("sources",), ("ahead",), ("summary", "--by", "tier"), ("integrations",)),
        *(("integrations", "Zapier"), ("account", "acme"), ("burn-down", "api-keys")),
    ):
        assert cli("usage", *command, "--json").code == 0
    assert digests(used) == before
