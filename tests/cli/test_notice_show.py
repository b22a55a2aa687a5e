"""``rollout notice show``: what became of a notice, and the message as it was sent."""

from __future__ import annotations

import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from subprocess import PIPE

import pytest

from rollout.adapters.screenshot import NAMES
from rollout.testing import UNCERTAIN, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.command_line import CommandLine
from tests.support.database import digests
from tests.support.processes import environment, rollout

BOB = "bob@beta.example"
TWICE = PLAN.replace("before: 60d}", "before: 60d, if_uncertain: resend}")
PROVEN = "byte for byte what was sent: its SHA-256 is the one in the facts"


@pytest.fixture
def notice_id(campaign: Campaign, mailer: FakeMailer) -> int:
    """Bob's only one, of which the first letter may have arrived, and the second did."""
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin(TWICE)
    campaign.remind()
    campaign.run("UPDATE notices SET attempt_at = :now WHERE state = 'retry'", now=NOW)
    campaign.remind()
    ((notice_id,),) = campaign.rows(
        "SELECT notice_id FROM notices JOIN contacts USING (contact_id) WHERE email = :to", to=BOB
    )
    return int(notice_id)


@pytest.fixture
def mails(notice_id: int, mailer: FakeMailer) -> list[bytes]:
    return [mail for mail in mailer.mails if BOB.encode() in mail]


def test_programs_are_told_states_facts_and_each_letter_with_its_proof(
    cli: CommandLine, campaign: Campaign, notice_id: int, mails: list[bytes]
) -> None:
    before = digests(campaign.engine)
    shown = cli("notice", "show", notice_id, "--json").json

    assert (shown["notice_id"], shown["account_id"], shown["contact"]) == (notice_id, "beta", BOB)
    assert (shown["state"], shown["step"], shown["attempts"]) == ("sent", "announcement", 2)
    assert len(shown["template_version"]) == 64
    assert [fact["action"] for fact in shown["facts"]] == ["notice.resent", "notice.sent"]
    assert [letter["proof"] for letter in shown["letters"]] == ["proven"] * 2
    assert [letter["sha256"] for letter in shown["letters"]] == [
        sha256(mail).hexdigest() for mail in mails
    ]
    for letter in shown["letters"]:
        assert letter["tells"] == [notice_id]
        assert letter["subject"].startswith("API keys of Beta LLC stop working")
        assert "Beta LLC" in letter["text"]
        assert "</html>" in letter["html"]
    assert digests(campaign.engine) == before


def test_a_person_is_shown_all_that_is_known_and_the_last_letter_or_another(
    cli: CommandLine, notice_id: int
) -> None:
    done = cli("notice", "show", notice_id)

    assert done.code == 0
    assert "contact           bob@beta.example" in done.stdout
    assert "notice.resent" in done.stdout
    assert done.stdout.count(PROVEN) == 2
    assert "Letter 2 of 2" in done.stdout
    assert "Subject: API keys of Beta LLC stop working" in done.stdout
    text = cli("notice", "show", notice_id, "--text", "--letter", 1)
    assert text.stdout.strip() in done.stdout  # both letters say the same
    assert cli("notice", "show", notice_id, "--html").stdout.startswith("<!")


def test_the_bytes_are_written_to_a_new_file_as_they_were_sent(
    cli: CommandLine, notice_id: int, mails: list[bytes], tmp_path: Path
) -> None:
    for number, mail in enumerate(mails, start=1):
        file = tmp_path / f"{number}.eml"
        done = cli("notice", "show", notice_id, "--raw", file, "--letter", number)
        assert (done.code, file.read_bytes()) == (0, mail)

    again = cli("notice", "show", notice_id, "--raw", tmp_path / "1.eml")
    assert again.code == 1
    assert "1.eml exists already" in again.complaint
    assert (tmp_path / "1.eml").read_bytes() == mails[0]


def test_the_bytes_go_to_standard_output_as_they_were_sent(
    cli: CommandLine, notice_id: int, mails: list[bytes]
) -> None:
    command = rollout("notice", "show", str(notice_id), "--raw", "-")
    done = subprocess.run(command, env=environment(cli.settings), stdout=PIPE, check=True)
    assert done.stdout == mails[-1]


@pytest.mark.skipif(not any(map(shutil.which, NAMES)), reason="there is no Chromium here")
def test_a_picture_is_taken_of_what_was_sent(
    cli: CommandLine, notice_id: int, tmp_path: Path
) -> None:
    file = tmp_path / "letter.png"
    assert cli("notice", "show", notice_id, "--png", file).code == 0
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("part", [("--raw", "x.eml"), ("--text",), ("--html",), ()], ids=str)
def test_what_was_altered_is_said_and_not_shown(
    cli: CommandLine, campaign: Campaign, notice_id: int, part: tuple[str, ...], tmp_path: Path
) -> None:
    campaign.run("UPDATE letters SET packed = set_byte(packed, length(packed) - 5, 0)")
    done = cli("notice", "show", notice_id, *(str(tmp_path / p) if "." in p else p for p in part))

    assert done.code == 1
    assert "is not what was sent: it was altered since" in done.complaint
    assert "Subject:" not in done.stdout
    assert list(tmp_path.glob("*.eml")) == []
    assert ("NOT what was sent" in done.stdout) is (part == ())


def test_bytes_that_are_not_kept_any_longer_are_named_by_their_digest(
    cli: CommandLine, campaign: Campaign, notice_id: int, mails: list[bytes]
) -> None:
    campaign.run("UPDATE letters SET packed = NULL, packed_with = NULL")

    shown = cli("notice", "show", notice_id)
    assert shown.code == 0
    assert shown.stdout.count("its bytes are not kept any longer (ROLLOUT_LETTERS_DAYS)") == 2
    text = cli("notice", "show", notice_id, "--text")
    assert text.code == 1
    assert "are not kept any longer" in text.complaint
    assert sha256(mails[-1]).hexdigest() in text.complaint
    letters = cli("notice", "show", notice_id, "--json").json["letters"]
    assert [(x["proof"], x["text"]) for x in letters] == [("gone", None)] * 2


def test_a_notice_without_a_letter_says_so(
    cli: CommandLine, campaign: Campaign, notice_id: int
) -> None:
    campaign.run("UPDATE notices SET letter_ids = NULL")
    assert "No letter is kept of it" in cli("notice", "show", notice_id).stdout
    done = cli("notice", "show", notice_id, "--text")
    assert done.code == 1
    assert f"no letter is kept of notice {notice_id}" in done.complaint


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--text", "--html"), 2, "give one of --raw, --text, --html, --png and --json"),
        (("--letter", "3", "--text"), 1, "there is no letter 3 of it"),
        (("--letter", "0"), 2, "greater than or equal to 1"),
        (("--raw", "/nowhere/letter.eml"), 1, "cannot write /nowhere/letter.eml"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(
    cli: CommandLine, notice_id: int, options: tuple[str, ...], code: int, said: str
) -> None:
    done = cli("notice", "show", notice_id, *options)
    assert done.code == code
    assert said in done.complaint


def test_a_notice_that_does_not_exist_says_where_they_are_listed(cli: CommandLine) -> None:
    done = cli("notice", "show", 4711)
    assert done.code == 1
    assert "there is no notice 4711" in done.complaint
    assert "rollout notice list" in done.complaint
