"""``rollout deprecation`` as an operator or a script runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN, bring_on
from tests.support.command_line import CommandLine
from tests.support.database import digests

HOSTILE = "[red]\x1b[2Jgone"
TWO = PLAN.replace("approvals: 0", "approvals: 0, max_keys_per_run: 3").replace(
    "cohorts:\n", "cohorts:\n  - {cohort: gold, select: {tier: gold}, date: 2027-02-09}\n"
)


@pytest.fixture
def file(tmp_path: Path, campaign: Campaign) -> Path:
    """The cast's plan as a file, and the cast; nothing is applied yet."""
    bring_on(campaign.engine)
    campaign.at(NOW)
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_plan_shows_what_would_change_and_changes_nothing(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    before = digests(campaign.engine)
    done = cli("deprecation", "plan", file)

    assert (done.code, done.stderr) == (0, "")
    assert "everyone" in done.stdout
    assert "2027-02-16T16:00:00Z" in done.stdout
    assert digests(campaign.engine) == before


def test_plan_gives_programs_every_number(cli: CommandLine, file: Path) -> None:
    assert cli("deprecation", "plan", file, "--json").json == {
        "deprecation": "api-keys",
        "unchanged": False,
        "items": [
            {
                "cohort": "everyone",
                "accounts": 3,
                "keys": 4,
                "exempt": 0,
                "new": 3,
                "moved": 0,
                "unreachable": 1,
                "first_deadline": "2027-02-16T16:00:00Z",
                "last_deadline": "2027-02-16T16:00:00Z",
                "messages": 15,
                "moves": [],
                "shifts": {},
            }
        ],
        "unassigned": 0,
        "problems": [],
    }


def test_plan_says_why_a_date_is_not_the_one_asked_for(cli: CommandLine, file: Path) -> None:
    file.write_text(TWO.replace("2027-02-09", "2027-02-12"))
    done = cli("deprecation", "plan", file)

    assert done.code == 0
    assert (
        "gold: 1 deadline is not the date asked for: 2027-02-12 is a Friday;"
        " the next day allowed is Monday 2027-02-15\n" in done.stdout
    )


def test_plan_tells_nobody_whose_account_is_exempt_or_cut(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    file.write_text(TWO)
    cli("deprecation", "apply", file)
    cli("account", "exempt", "acme", "--reason", "contract")
    campaign.run("UPDATE enrollments SET state = 'cut' WHERE account_id = 'hermit'")
    gold, everyone = cli("deprecation", "plan", file, "--json").items

    assert (gold["accounts"], gold["keys"], gold["exempt"]) == (1, 2, 1)
    assert (gold["messages"], gold["first_deadline"], gold["last_deadline"]) == (0, None, None)
    assert (everyone["accounts"], everyone["exempt"], everyone["unreachable"]) == (2, 0, 0)
    assert (everyone["messages"], everyone["first_deadline"]) == (5, "2027-02-16T16:00:00Z")
    assert "exempt" in cli("deprecation", "plan", file).stdout.splitlines()[0]


def test_plan_says_which_dates_move_from_when_to_when_whose_and_why(
    cli: CommandLine, file: Path
) -> None:
    file.write_text(TWO)
    cli("deprecation", "apply", file)
    file.write_text(TWO.replace("2027-02-09", "2027-02-12").replace("02-16T16", "03-16T16"))
    gold, everyone = cli("deprecation", "plan", file, "--json").items
    said = cli("deprecation", "plan", file).stdout

    assert gold["moves"] == [
        {
            "from": "2027-02-09T15:00:00Z",
            "to": "2027-02-15T15:00:00Z",
            "accounts": 1,
            "because": "its date in the file was 2027-02-09 and is 2027-02-12"
            " (2027-02-12 is a Friday; the next day allowed is Monday 2027-02-15)",
            "examples": ["acme"],
        }
    ]
    assert [(move["accounts"], move["examples"]) for move in everyone["moves"]] == [
        (2, ["beta", "hermit"])
    ]
    assert (
        "  everyone: 2027-02-16T16:00:00Z → 2027-03-16T16:00:00Z (2 accounts: beta, hermit),"
        " because its date in the file was 2027-02-16T16:00:00Z and is 2027-03-16T16:00:00Z\n"
    ) in said
    assert cli("deprecation", "apply", file, "--json").items[0]["moves"] == gold["moves"]
    assert cli("deprecation", "plan", file, "--json").items[0]["moves"] == []


def test_plan_names_a_few_of_many_accounts_that_move(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    for n in range(9):
        campaign.run("INSERT INTO accounts VALUES (:id, '', 'UTC', 'en', 'free')", id=f"c{n}")
        campaign.run(
            "INSERT INTO keys (key_id, account_id, kind, label, hint)"
            " VALUES ('k-' || :id, :id, 'rest', '', '')",
            id=f"c{n}",
        )
    cli("deprecation", "apply", file)
    file.write_text(PLAN.replace("2027-02-16", "2027-03-16"))

    said = cli("deprecation", "plan", file).stdout
    assert "(12 accounts, such as acme, beta, c0, c1, c2), because" in said


def test_a_freeze_that_leaves_no_day_is_named_with_its_line_and_the_way_out(
    cli: CommandLine, file: Path
) -> None:
    endless = "calendar: {freezes: [{from: 2027-01-20, to: 2030-12-31, reason: merger}]}\nguards:"
    file.write_text(PLAN.replace("guards:", endless).replace("2027-02-16T16:00:00Z", "2027-02-16"))
    for verb in ("plan", "apply"):
        done = cli("deprecation", verb, file)
        assert done.code == 1
        assert "plan.yaml:17: everyone: the calendar allows no day from 2027-02-16" in done.stderr
        assert "Way out: choose another date, or change the calendar" in done.stderr


def test_plan_with_a_problem_names_it_and_exits_with_1(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    campaign.at(NOW.replace(year=2028))
    for arguments in ((), ("--json",)):
        done = cli("deprecation", "plan", file, *arguments)
        assert done.code == 1
        assert "plan.yaml:16: everyone: its date 2027-02-16 16:00 is in the past" in done.stdout
        assert "plan.yaml cannot be applied as it is" in done.stderr
        assert "Way out: correct the lines named; nothing was changed" in done.stderr


def test_apply_enrolls_once_in_the_name_of_whoever_says_so(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    first = cli("deprecation", "apply", file, "--as", "alice", "--json")
    after = digests(campaign.engine)
    second = cli("deprecation", "apply", file, "--as", "bob", "--json")

    assert (first.code, first.json["unchanged"], first.items[0]["new"]) == (0, False, 3)
    assert (second.code, second.json["unchanged"], second.items[0]["new"]) == (0, True, 0)
    assert digests(campaign.engine) == after
    assert campaign.rows("SELECT DISTINCT actor FROM facts") == [("alice",)]
    assert "nothing changes" in cli("deprecation", "plan", file).stdout


def test_plan_says_that_nothing_is_changed_yet_and_apply_that_it_is(
    cli: CommandLine, file: Path
) -> None:
    planned, applied = (cli("deprecation", verb, file).stdout for verb in ("plan", "apply"))

    assert f"Nothing is changed yet: `rollout deprecation apply {file}` does it.\n" in planned
    assert "Applied. `rollout cohort list " in applied
    assert "Applied." not in cli("deprecation", "apply", file).stdout


def test_apply_refuses_what_plan_has_a_problem_with(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    before = digests(campaign.engine)
    file.write_text(PLAN.replace("min_notice: 14d", "min_notice: 14d, max_keys_per_run: 3"))
    done = cli("deprecation", "apply", file)

    assert done.code == 1
    assert "plan.yaml cannot be applied" in done.stderr
    assert (
        "everyone: 4 keys fall due at 2027-02-16 16:00:00 UTC, guards.max_keys_per_run is 3;"
        " split the cohort or raise the cap" in done.stderr
    )
    assert digests(campaign.engine) == before


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("guards:", "gaurds:", "plan.yaml:14: gaurds: unknown name; did you mean `guards`?"),
        ("step: reminder,", "step: remindr,", "there is no template `remindr`"),
        ("2027-02-16T16:00:00Z", "soon", "plan.yaml:16: cohorts[0].date: a day or an instant"),
        ("api-keys", "API keys", "plan.yaml:2: deprecation:"),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_mistake_in_the_file_is_named_with_its_line(
    cli: CommandLine, file: Path, verb: str, right: str, wrong: str, said: str
) -> None:
    file.write_text(PLAN.replace(right, wrong))
    done = cli("deprecation", verb, file)

    assert done.code == 1
    assert said in done.stderr
    assert "Way out: correct the lines named; nothing was changed" in done.stderr


def test_a_file_that_cannot_be_read_is_named(cli: CommandLine, file: Path, tmp_path: Path) -> None:
    (tmp_path / "latin1.yaml").write_bytes(b"title: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    for name, said in (
        ("none.yaml", "none.yaml: No such file or directory\nWay out: name a YAML file that you"),
        (".", ": Is a directory\nWay out: name a YAML file that you may read"),
        ("latin1.yaml", "latin1.yaml is not UTF-8 (byte 10)"),
        ("large.yaml", "large.yaml is larger than a megabyte"),
    ):
        done = cli("deprecation", "plan", tmp_path / name)
        assert (done.code, done.stdout) == (1, "")
        assert said in done.stderr


def test_a_hostile_file_name_and_a_hostile_account_are_shown_harmlessly(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    campaign.run("INSERT INTO accounts VALUES (:id, '', 'UTC', 'en', 'odd')", id=HOSTILE)
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " VALUES ('k-odd', :id, 'rest', '', '…-odd')",
        id=HOSTILE,
    )
    file.write_text(PLAN.replace("select: {}", "select: {tier: gold}"))
    planned = cli("deprecation", "plan", file)
    missing = cli("deprecation", "plan", f"/{HOSTILE}")

    assert "No cohort takes 3 accounts:" in planned.stdout
    assert "[red]\\x1b[2Jgone, beta, hermit" in planned.stdout
    assert cli("deprecation", "plan", file, "--json").json["unassigned"] == 3
    assert "cannot read /[red]\\x1b[2Jgone" in missing.stderr
    assert "\x1b" not in planned.stdout + missing.stderr


def test_one_account_that_no_cohort_takes_is_one_account(cli: CommandLine, file: Path) -> None:
    file.write_text(PLAN.replace("select: {}", "select: {accounts: [acme, hermit]}"))
    said = cli("deprecation", "plan", file).stdout

    assert "No cohort takes 1 account:\n" in said
    assert "It is beta\n" in said


def test_show_lists_what_was_applied_and_prints_one_as_it_was_written(
    cli: CommandLine, file: Path
) -> None:
    assert cli("deprecation", "show", "--json").json == {"items": []}
    cli("deprecation", "apply", file)

    assert cli("deprecation", "show", "--json").json == {
        "items": [{"deprecation": "api-keys", "title": "API keys"}]
    }
    assert "API keys" in cli("deprecation", "show").stdout
    assert cli("deprecation", "show", "api-keys").stdout.strip() == PLAN.strip()
    assert cli("deprecation", "show", "api-keys", "--json").json == {
        "deprecation": "api-keys",
        "document": PLAN,
    }


def test_show_names_the_deprecations_that_there_are(cli: CommandLine, file: Path) -> None:
    none = cli("deprecation", "show", "api-kyes")
    cli("deprecation", "apply", file)
    known = cli("deprecation", "show", "api-kyes")

    assert (none.code, known.code) == (1, 1)
    assert "there is no deprecation 'api-kyes' (known: none has been applied yet)" in none.stderr
    assert "there is no deprecation 'api-kyes' (known: api-keys)" in known.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan",),
        ("apply",),
        ("apply", "a.yaml", "--dry-run"),
        ("aply", "a.yaml"),
        ("plan", "a", "b"),
    ],
)
def test_wrong_usage_exits_with_2(cli: CommandLine, arguments: tuple[str, ...]) -> None:
    done = cli("deprecation", *arguments)

    assert (done.code, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


@pytest.mark.parametrize("options", [(), ("--paused",)])
def test_people_are_told_at_once_without_any_approval_unless_it_is_applied_as_paused(
    cli: CommandLine, file: Path, campaign: Campaign, mailer: FakeMailer, options: tuple[str, ...]
) -> None:
    file.write_text(TWO.replace("approvals: 0", "approvals: 2"))
    done = cli("deprecation", "apply", file, *options)
    campaign.remind()

    assert done.code == 0
    assert len(mailer.sent) == (0 if options else 3)
    assert ("`rollout cohort resume api-keys gold everyone`" in done.stdout) is bool(options)
    if options:
        reason = "it is not live yet: applied with --paused"
        assert {i["paused"] for i in cli("cohort", "list", "--json").items} == {reason}
        cli("cohort", "resume", "api-keys", "gold", "everyone", "--reason", "reviewed")
        campaign.remind()
        assert len(mailer.sent) == 3


def test_applying_as_paused_again_pauses_what_is_live_and_keeps_other_reasons(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    file.write_text(TWO)
    cli("deprecation", "apply", file)
    cli("cohort", "pause", "api-keys", "gold", "--reason", "incident")
    assert cli("deprecation", "apply", file, "--paused").code == 0

    paused = {i["cohort"]: i["paused"] for i in cli("cohort", "list", "--json").items}
    assert paused == {"gold": "incident", "everyone": "it is not live yet: applied with --paused"}
    facts = campaign.rows("SELECT subject, actor FROM facts WHERE action = 'cohort.paused'")
    assert facts == [("cohort:api-keys/gold", "olga"), ("cohort:api-keys/everyone", "olga")]


def test_what_cannot_be_applied_is_not_paused_either(
    cli: CommandLine, file: Path, campaign: Campaign
) -> None:
    cli("deprecation", "apply", file)
    file.write_text(PLAN.replace("2027-02-16T16:00:00Z", "2026-01-04T16:00:00Z"))
    done = cli("deprecation", "apply", file, "--paused")

    assert done.code == 1
    assert campaign.rows("SELECT * FROM pauses") == []
