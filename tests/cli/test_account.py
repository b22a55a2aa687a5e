"""``rollout account`` as an operator or a script runs it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.campaign import Campaign
from tests.support.cast import PLAN
from tests.support.command_line import CommandLine
from tests.support.database import digests

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
WHY = ("--reason", "migration under way")


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin()


def cut_everybody(campaign: Campaign) -> None:
    campaign.live(DEADLINE)


def test_show_tells_people_keys_dates_and_holds(cli: CommandLine) -> None:
    cli("account", "hold", "acme", "--until", "2027-03-01", "--reason", "open ticket 4711")
    cli("cohort", "pause", "api-keys", "everyone", "--reason", "incident")
    shown = cli("account", "show", "acme").stdout

    for words in (
        "Acme Inc, Europe/Berlin, gold",
        "ann@acme.example",
        "k-acme-ios",
        "everyone: scheduled, deadline 2027-02-16 17:00:00 Europe/Berlin (2027-02-16 16:00:00 UTC)",
        "paused: incident",
        "held until 2027-03-01 00:00:00 UTC (operator, by olga): open ticket 4711",
    ):
        assert words in shown, words


def test_show_gives_programs_every_field(cli: CommandLine) -> None:
    cli("account", "hold", "beta", "--reason", "open ticket 4711")
    shown = cli("account", "show", "beta", "--json").json

    assert list(shown) == [
        *("account_id", "name", "timezone", "locale", "tier", "discovered", "created_at"),
        *("contacts", "keys", "enrollments", "dates", "webhooks"),
    ]
    assert shown["contacts"] == [
        {
            "email": "bob@beta.example",
            "name": "Bob",
            "role": "admin",
            "deliverability": "ok",
            "unsubscribed_at": None,
            "acknowledged_at": None,
        }
    ]
    assert shown["keys"] == [
        {
            "key_id": "k-beta-1",
            "kind": "rest",
            "status": "active",
            "label": "sync",
            "count": None,
            "last_seen": None,
        }
    ]
    hold = {
        "deprecation": "api-keys",
        "code": "operator",
        "reason": "open ticket 4711",
        "owner": "olga",
        "since": "2027-01-01T12:00:00Z",
        "until": None,
    }
    assert shown["enrollments"] == [
        {
            "deprecation": "api-keys",
            "cohort": "everyone",
            "state": "scheduled",
            "deadline": "2027-02-16T16:00:00Z",
            "zone": "America/New_York",
            "schedule_version": 1,
            "cohort_paused": None,
            "people_told": 0,
            "people_answered": 0,
            "unreachable": None,
            "holds": [hold],
        }
    ]
    assert [(d["deadline"], d["cause"]) for d in shown["dates"]] == [
        ("2027-02-16T16:00:00Z", "plan")
    ]


def test_foreign_words_are_shown_harmlessly(cli: CommandLine, campaign: Campaign) -> None:
    evil = "[red]\x1b[2Jgone"
    campaign.run("UPDATE accounts SET name = :evil, tier = :evil", evil=evil)
    campaign.run("UPDATE contacts SET name = :evil", evil=evil)
    campaign.run("UPDATE keys SET label = :evil", evil=evil)
    cli("account", "hold", "acme", "--reason", evil, "--as", evil)
    shown = cli("account", "show", "acme").stdout

    assert shown.count("[red]\\x1b[2Jgone") >= 7
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("options", "date"),
    [
        (("--by", "14d"), "2027-03-02 16:00:00"),
        (("--by", "1d12h"), "2027-02-18 04:00:00"),
        (("--to", "2027-03-01T12:00:00+02:00"), "2027-03-01 10:00:00"),
        (("--to", "2027-03-02"), "2027-03-02 15:00:00"),
    ],
)
def test_extend_gives_more_time_by_a_length_or_to_a_date(
    cli: CommandLine, options: tuple[str, ...], date: str
) -> None:
    done = cli("account", "extend", "acme", *options, *WHY)

    assert (done.code, done.stdout) == (0, f"api-keys: 2027-02-16 16:00:00 UTC → {date} UTC\n")


def test_extend_says_why_the_calendar_gives_another_day(cli: CommandLine) -> None:
    done = cli("account", "extend", "acme", "--to", "2027-03-05", *WHY)

    assert "→ 2027-03-08 15:00:00 UTC" in done.stdout
    assert "2027-03-05 is a Friday" in done.stdout


def test_extend_to_an_earlier_date_is_refused_with_the_way_out(
    cli: CommandLine, campaign: Campaign
) -> None:
    before = digests(campaign.engine)
    for options in (("--to", "2027-02-01"), ("--by", "0d")):
        done = cli("account", "extend", "acme", *options, *WHY)
        assert done.code == 1
        assert "is not later than its deadline, 2027-02-16 16:00:00 UTC" in done.stderr
        assert "a promised date only ever moves back" in done.stderr
    assert digests(campaign.engine) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("extend", "acme", *WHY), "give either --to or --by"),
        (("extend", "acme", *WHY, "--to", "2027-03-01", "--by", "3d"), "give either --to or --by"),
        (("extend", "acme", *WHY, "--to", "2027-03-01T16:00:00"), "names no zone; write"),
        (("extend", "acme", *WHY, "--to", "next week"), "is no time; write 2027-02-02T16:00:00Z"),
        (("extend", "acme", *WHY, "--to", "9999-12-31T23:00:00-01:00"), "outside the years"),
        (("extend", "acme", *WHY, "--by", "two weeks"), "is no length of time; write 14d"),
        (("extend", "acme", *WHY, "--by", "-3d"), "is no length of time"),
        (("extend", "acme", *WHY, "--by", ""), "is no length of time"),
        (("extend", "acme", *WHY, "--by", "999999999d"), "is longer than 3650d"),
        (("extend", "acme", "--by", "3d"), "Missing option '--reason'"),
        (("extend", "acme", "--by", "3d", "--reason", ""), "say why"),
        (("extend", *WHY, "--by", "3d"), "Missing argument 'ACCOUNT'"),
        (("hold", "acme", "--until", "2027-03-01T16:00", *WHY), "names no zone"),
        (("hold", "acme", "--for", "3d", *WHY), "No such option: --for"),
        (("restore", "acme", *WHY), "Missing option '--until'"),
        (("show", "acme", "beta"), "unexpected extra argument"),
        (("exemt", "acme", *WHY), "No such command 'exemt'"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    cli: CommandLine, campaign: Campaign, arguments: tuple[str, ...], said: str
) -> None:
    before = digests(campaign.engine)
    done = cli("account", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.complaint
    assert digests(campaign.engine) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("extend", "--by", "3d"),
        ("exempt",),
        ("hold",),
        ("release",),
        ("restore", "--until", "2027-03-01"),
    ],
)
def test_an_account_that_is_not_there_is_named(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    verb, *options = arguments
    done = cli("account", verb, "acne", *options, *WHY)

    assert done.code == 1
    assert "account 'acne' is not enrolled in any deprecation" in done.stderr
    assert "rollout account show" in done.stderr


def test_show_names_an_account_that_is_not_there(cli: CommandLine) -> None:
    done = cli("account", "show", "acne\x1b[2J")

    assert done.code == 1
    assert "there is no account" in done.stderr
    assert "rollout import accounts" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("extend", "--by", "3d"), ("exempt",), ("restore", "--until", "2027-03-01")]
)
def test_a_deprecation_that_is_not_there_is_named_with_those_that_are(
    cli: CommandLine, arguments: tuple[str, ...]
) -> None:
    verb, *options = arguments
    done = cli("account", verb, "acme", *options, *WHY, "--deprecation", "api-kyes")

    assert done.code == 1
    assert "there is no deprecation 'api-kyes' (known: api-keys)" in done.stderr


def test_an_exempt_account_has_no_date_to_change(cli: CommandLine) -> None:
    done = cli("account", "exempt", "acme", "--reason", "contract until 2028")

    assert (done.code, done.stdout) == (0, "acme is exempt from api-keys\n")
    for arguments in (("exempt",), ("extend", "--by", "3d"), ("hold",)):
        verb, *options = arguments
        again = cli("account", verb, "acme", *options, *WHY)
        assert again.code == 1
        assert "account acme is exempt: nothing of it will be cut" in again.stderr


def test_a_hold_is_taken_once_and_given_back_once(cli: CommandLine) -> None:
    held = cli("account", "hold", "acme", *WHY)
    again = cli("account", "hold", "acme", *WHY)
    released = cli("account", "release", "acme", *WHY)
    again_released = cli("account", "release", "acme", *WHY)

    assert (held.code, held.stdout) == (0, "acme is held in api-keys\n")
    assert (again.code, "`rollout account release` it first" in again.stderr) == (1, True)
    assert (released.code, released.stdout) == (0, "acme is released in api-keys\n")
    assert again_released.code == 1
    assert "account acme is not held by anybody" in again_released.stderr


def test_a_hold_that_would_end_before_it_begins_is_refused(cli: CommandLine) -> None:
    done = cli("account", "hold", "acme", "--until", "2027-01-01", *WHY)

    assert done.code == 1
    assert "is not in the future: nothing would be held" in done.stderr


def test_what_is_cut_is_restored_and_neither_held_nor_extended(
    cli: CommandLine, campaign: Campaign
) -> None:
    early = cli("account", "restore", "acme", "--until", "2027-02-20", *WHY)
    cut_everybody(campaign)
    refused = [
        cli("account", verb, "acme", *options, *WHY)
        for verb, *options in (("hold",), ("exempt",), ("extend", "--by", "3d"))
    ]
    late = cli("account", "restore", "acme", "--until", "2027-02-16T16:00:00Z", *WHY)
    done = cli("account", "restore", "acme", "--until", "2027-02-20T16:00:00Z", *WHY)

    assert (early.code, "no key of it has been cut" in early.stderr) == (1, True)
    for each in refused:
        assert each.code == 1
        assert "account acme: its keys are off already" in each.stderr
        assert "`rollout account restore` switches them on" in each.stderr
    assert (late.code, "is not in the future" in late.stderr) == (1, True)
    assert (done.code, done.stdout) == (
        0,
        "acme: on until 2027-02-20 16:00:00 UTC: k-acme-1, k-acme-2\n",
    )
    keys = {key["key_id"]: key["status"] for key in cli("usage", "keys", "--json").items}
    assert (keys["k-acme-1"], keys["k-beta-1"]) == ("active", "disabled")


def test_a_hold_reaches_the_deprecation_in_which_nothing_is_cut_yet(
    cli: CommandLine, campaign: Campaign
) -> None:
    later = PLAN.replace("deprecation: api-keys", "deprecation: second").replace(
        "2027-02-16T16:00:00Z", "2027-04-13"
    )
    campaign.plan.apply(later, "second.yaml", "olga")
    cut_everybody(campaign)

    assert cli("account", "hold", "acme", *WHY).stdout == "acme is held in second\n"


# -- calendar


def test_calendar_shows_the_link_and_renew_makes_another(
    cli: CommandLine, campaign: Campaign
) -> None:
    public = {"public_url": "https://rollout.example.com"}
    first = cli("account", "calendar", "acme", **public)
    again = cli("account", "calendar", "acme", **public)
    renewed = cli("account", "calendar", "acme", "--renew", **public)

    link = r"https://rollout\.example\.com/calendar/YWNtZQ\.[\w-]{16}\.ics\n"
    assert re.fullmatch(link, first.stdout)
    assert first.stdout == again.stdout != renewed.stdout
    assert re.fullmatch(link, renewed.stdout)
    assert cli("account", "calendar", "acme", **public).stdout == renewed.stdout
    assert first.stderr == ""
    assert campaign.rows(
        "SELECT actor, subject FROM facts WHERE action = 'account.calendar-renewed'"
    ) == [("olga", "account:acme")]


def test_calendar_without_a_public_address_shows_the_path_and_says_what_to_set(
    cli: CommandLine,
) -> None:
    shown = cli("account", "calendar", "acme")

    assert re.fullmatch(r"/calendar/YWNtZQ\.[\w-]{16}\.ics\n", shown.stdout)
    assert "set ROLLOUT_PUBLIC_URL" in shown.complaint


def test_an_account_that_is_imported_again_keeps_its_link(cli: CommandLine, tmp_path: Path) -> None:
    renewed = cli("account", "calendar", "acme", "--renew").stdout
    file = tmp_path / "accounts.csv"
    file.write_text("account_id,name,timezone,locale,tier\nacme,Acme,Europe/Paris,fr,gold\n")

    assert cli("import", "accounts", file).code == 0
    assert cli("account", "calendar", "acme").stdout == renewed


@pytest.mark.parametrize("command", ["brief", "calendar"])
@pytest.mark.parametrize("option", [(), ("--renew",)])
def test_a_link_of_an_account_that_there_is_not_is_explained(
    cli: CommandLine, campaign: Campaign, command: str, option: tuple[str, ...]
) -> None:
    before = digests(campaign.engine)
    done = cli("account", command, "nobody", *option)

    assert done.code == 1
    assert "there is no account 'nobody'" in done.complaint
    assert "rollout import accounts" in done.complaint
    assert digests(campaign.engine) == before


# -- brief


def test_brief_shows_the_link_of_each_person_that_was_written_to_and_renew_makes_others(
    cli: CommandLine, campaign: Campaign
) -> None:
    assert cli("account", "brief", "acme").stdout == "none\n"
    campaign.remind()
    public = {"public_url": "https://rollout.example.com"}
    first, again = (cli("account", "brief", "acme", "--json", **public).items for _ in range(2))
    renewed = cli("account", "brief", "acme", "--renew", "--json", **public).items

    assert [(i["deprecation"], i["contact"], i["step"]) for i in first] == [
        ("api-keys", "ann@acme.example", "announcement"),
        ("api-keys", "art@acme.example", "announcement"),
    ]
    link = r"https://rollout\.example\.com/brief/\d+\.[a-z2-7]{16}"
    assert all(re.fullmatch(link, item["url"]) for item in first + renewed)
    assert len({item["url"] for item in first + renewed}) == 4
    assert first == again
    assert cli("account", "brief", "acme", "--json", **public).items == renewed
    assert campaign.rows(
        "SELECT actor, subject FROM facts WHERE action = 'account.briefs-renewed'"
    ) == [("olga", "account:acme")]


def test_brief_and_show_and_notice_list_say_who_acknowledged_and_when(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.remind()
    campaign.run(
        "UPDATE notices SET acknowledged_at = '2027-01-03T10:00:00Z' FROM contacts c"
        " WHERE c.contact_id = notices.contact_id AND c.email = 'art@acme.example'"
    )
    when = [None, "2027-01-03T10:00:00Z"]

    brief = cli("account", "brief", "acme", "--json").items
    assert [item["acknowledged_at"] for item in brief] == when
    people = cli("account", "show", "acme", "--json").json
    assert [contact["acknowledged_at"] for contact in people["contacts"]] == when
    assert "answered: 1" in cli("account", "show", "acme").stdout
    listed = cli("notice", "list", "--account", "acme", "--json").items
    assert sorted(i["acknowledged_at"] or "" for i in listed) == ["", "2027-01-03T10:00:00Z"]


def test_brief_without_a_public_address_shows_the_path_and_says_what_to_set(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.remind()
    shown = cli("account", "brief", "beta")

    assert re.search(r" /brief/\d+\.[a-z2-7]{16}\n", shown.stdout)
    assert "set ROLLOUT_PUBLIC_URL" in shown.complaint
