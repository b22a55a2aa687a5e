"""``rollout notice`` as an operator or a script runs it."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.adapters.screenshot import NAMES
from rollout.testing import REFUSED, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.command_line import CommandLine
from tests.support.database import digests

FIELDS = [
    *("notice_id", "account_id", "contact", "step", "state"),
    *("due_at", "sent_at", "delivered_at", "resent_at", "acknowledged_at"),
    "reason",
]


TWO_COHORTS = PLAN.replace(
    "cohorts:\n",
    "cohorts:\n  - {cohort: gold, select: {tier: platinum}, date: 2027-02-16T16:00:00Z}\n",
)


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin(TWO_COHORTS)


@pytest.fixture
def told(campaign: Campaign, mailer: FakeMailer) -> None:
    """Ann and Art have the announcement, Bob's address does not exist."""
    mailer.plan("bob@beta.example", REFUSED)
    campaign.remind()
    campaign.work(NOW + timedelta(hours=1))


def test_list_gives_programs_every_field_newest_first(cli: CommandLine, told: None) -> None:
    items = cli("notice", "list", "--json").items

    assert [list(item) for item in items] == [FIELDS] * 3
    assert [item["notice_id"] for item in items] == sorted(
        (item["notice_id"] for item in items), reverse=True
    )
    (bob,) = (item for item in items if item["account_id"] == "beta")
    assert (bob["contact"], bob["step"], bob["state"], bob["sent_at"]) == (
        "bob@beta.example",
        "announcement",
        "bounced",
        None,
    )
    assert "550" in bob["reason"]
    (ann,) = (item for item in items if item["contact"] == "ann@acme.example")
    assert (ann["due_at"], ann["sent_at"], ann["delivered_at"]) == ("2027-01-01T12:00:00Z",) * 3


@pytest.mark.parametrize(
    ("options", "people"),
    [
        (("--account", "beta"), {"bob"}),
        (("--state", "delivered"), {"ann", "art"}),
        (("--step", "reminder"), set()),
        (("--account", "nobody"), set()),
        (("--state", "delivered", "--account", "beta"), set()),
        (("--state", "delivered", "--state", "bounced"), {"ann", "art", "bob"}),
        (("--to", "Art@ACME.example"), {"art"}),
        (("--to", "art"), set()),
        (("--deprecation", "api-keys"), {"ann", "art", "bob"}),
        (("--cohort", "api-keys/everyone", "--account", "beta"), {"bob"}),
        (("--cohort", "api-keys/gold"), set()),
        (("--since", "2027-01-01T12:00:00Z", "--until", "2027-01-02"), {"ann", "art", "bob"}),
        (("--since", "2027-01-01T12:00:01Z"), set()),
        (("--until", "2027-01-01T12:00:00Z"), set()),
    ],
)
def test_list_shows_what_was_asked_for(
    cli: CommandLine, told: None, options: tuple[str, ...], people: set[str]
) -> None:
    items = cli("notice", "list", *options, "--json").items

    assert {item["contact"].partition("@")[0] for item in items} == people
    assert len(cli("notice", "list", "--limit", "1", "--json").items) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--deprecation", "api-key"), "there is no deprecation 'api-key' (known: api-keys)"),
        (("--cohort", "api-keys/x"), "api-keys has no cohort 'x' (known: gold, everyone)"),
    ],
)
@pytest.mark.parametrize("command", ["list", "summary", "untold"])
def test_a_deprecation_or_cohort_that_does_not_exist_is_named_before_anything_is_printed(
    cli: CommandLine, command: str, options: tuple[str, ...], said: str
) -> None:
    done = cli("notice", command, *options, "--json")

    assert (done.code, done.stdout) == (1, "")
    assert said in done.complaint


def test_a_table_shows_the_newest_hundred_and_says_that_there_is_more(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role) SELECT 'acme',"
        " 'p' || n || '@acme.example', '', '' FROM generate_series(1, 101) AS n"
    )
    campaign.scheduling.sweep()
    shown = cli("notice", "list")
    all_of_it = cli("notice", "list", "--limit", "200")

    assert shown.stdout.count("announcement") == 100
    assert "These are the newest 100; --limit shows more." in shown.stderr
    assert (all_of_it.stdout.count("announcement"), all_of_it.stderr) == (104, "")
    assert len(cli("notice", "list", "--json").items) == 104


def test_a_table_shows_hostile_text_harmlessly(
    cli: CommandLine, campaign: Campaign, told: None
) -> None:
    campaign.run("UPDATE notices SET reason = :evil", evil="[red]\x1b[2Jgone")
    shown = cli("notice", "list").stdout

    assert "[red]\\x1b[2Jgone" in shown
    assert "\x1b" not in shown


def test_preview_shows_the_message_as_each_person_would_get_it_and_writes_nothing(
    cli: CommandLine, campaign: Campaign
) -> None:
    before = digests(campaign.engine)
    shown = cli("notice", "preview", "acme", "final-warning").stdout
    letters = cli("notice", "preview", "acme", "final-warning", "--json").items
    html = cli("notice", "preview", "acme", "final-warning", "--html").stdout

    for words in ("To: ann@acme.example", "To: art@acme.example", "Subject: ", "17:00", "…me-1"):
        assert words in shown, words
    assert [list(letter) for letter in letters] == [["to", "subject", "text", "html"]] * 2
    assert letters[0]["to"] == "ann@acme.example"
    assert "<html" in html
    assert digests(campaign.engine) == before


def test_preview_shows_the_link_to_the_calendar_where_our_address_is_known(
    cli: CommandLine,
) -> None:
    public = {"public_url": "https://rollout.example.com"}
    link = cli("account", "calendar", "acme", "--renew", **public).stdout.strip()
    preview = ("notice", "preview", "acme", "final-warning")

    assert "subscribe there to this address" in cli(*preview, **public).stdout
    assert f"\n  {link}\n" in cli(*preview, **public).stdout
    assert f'<a href="{link}"' in cli(*preview, "--html", **public).stdout
    assert "calendar" not in cli(*preview).stdout
    assert "calendar" not in cli(*preview, "--html").stdout


def test_preview_shows_foreign_words_harmlessly(cli: CommandLine, campaign: Campaign) -> None:
    campaign.run("UPDATE accounts SET name = :evil", evil="[red]\x1b[2Jgone")
    for options in ((), ("--html",)):
        shown = cli("notice", "preview", "acme", "announcement", *options).stdout
        assert "[red]" in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acme", "reminde"), "api-keys has no step 'reminde' (known: announcement, reminder,"),
        (("acne", "reminder"), "account 'acne' is not enrolled in any deprecation"),
        (("acme", "reminder", "--deprecation", "x"), "there is no deprecation 'x' (known: api-ke"),
        (("hermit", "reminder"), "account hermit has no contact: nobody would be written to"),
    ],
)
def test_what_cannot_be_previewed_is_explained_with_exit_1(
    cli: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = cli("notice", "preview", *arguments)

    assert (done.code, done.stdout) == (1, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--state", "bouncd"), "Invalid value for '--state': 'bouncd' is not one of"),
        (("list", "--limit", "0"), "--limit"),
        (("list", "--since", "yesterday"), "'yesterday' is no time"),
        (("list", "--cohort", "canary"), "'canary' is a cohort of which deprecation?"),
        (("untold", "--cohort", "a/b", "--deprecation", "c"), "'a/b' is no cohort of 'c'"),
        (("list", "acme"), "unexpected extra argument"),
        (("preview", "acme"), "Missing argument 'STEP'"),
        (("preview", "acme", "reminder", "--text"), "No such option: --text"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    cli: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = cli("notice", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.complaint


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="Chromium is not installed")
def test_preview_makes_a_picture_for_each_person(cli: CommandLine, tmp_path: Path) -> None:
    options = ("--png", str(tmp_path / "shot.png"), "--dark", "--width", "375")
    shown = cli("notice", "preview", "acme", "final-warning", *options).stdout

    assert "shot.png: to ann@acme.example" in shown
    assert "shot-2.png: to art@acme.example" in shown
    for name in ("shot.png", "shot-2.png"):
        assert int.from_bytes((tmp_path / name).read_bytes()[16:20]) == 375  # its width


def test_a_picture_that_cannot_be_made_or_written_is_explained_with_exit_1(
    cli: CommandLine, tmp_path: Path
) -> None:
    ask = ("notice", "preview", "acme", "reminder", "--png")
    done = cli(*ask, tmp_path / "shot.png", chromium=str(tmp_path / "absent"))
    assert (done.code, list(tmp_path.glob("*.png"))) == (1, [])
    assert "absent: no program is there" in done.complaint
    if any(map(shutil.which, NAMES)):
        done = cli(*ask, tmp_path / "none" / "shot.png")
        assert done.code == 1
        assert "shot.png: No such file or directory" in done.complaint


def test_templates_of_ones_own_go_before_the_shipped_ones_file_by_file(
    cli: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "own" / "reminder").mkdir(parents=True)
    (tmp_path / "own" / "reminder" / "subject.txt").write_text("Dear {{ account_name }}!", "utf-8")
    ask = ("notice", "preview", "acme", "reminder", "--json")
    letter = cli(*ask, templates=str(tmp_path / "own")).items[0]

    assert letter["subject"] == "Dear Acme Inc!"
    assert "401 Unauthorized" in letter["text"]  # the body is the shipped one
    doctor = cli("doctor", templates=str(tmp_path / "absent"))
    assert "absent is not a folder" in doctor.stdout
