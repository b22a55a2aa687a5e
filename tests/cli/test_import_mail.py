"""``rollout import mail`` and ``rollout notice reports`` as an operator or a script runs them."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from rollout.testing import FakeMailer, Sent
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.database import digests
from tests.support.returned_mail import answer, complaint, dsn

ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
STRANGE = b"From: x@y.example\nSubject: [red]Hi\x1b[2J\n\nWhat is this?\n"


@pytest.fixture
def sent(campaign: Campaign, mailer: FakeMailer) -> dict[str, Sent]:
    """Everybody was sent the announcement."""
    campaign.begin()
    campaign.work(NOW)
    return {sent.to: sent for sent in mailer.sent}


@pytest.fixture
def folder(tmp_path: Path, sent: dict[str, Sent]) -> Path:
    """A bounce, a complaint, an answer, something strange, and what is no mail."""
    place = tmp_path / "mail"
    place.mkdir()
    (place / "1.eml").write_bytes(dsn(sent[BOB]))
    (place / "2.eml").write_bytes(complaint(sent[ANN]))
    (place / "3.eml").write_bytes(answer(sent[ART]))
    (place / "4.eml").write_bytes(STRANGE)
    (place / "LICENSE").write_bytes(b"     Do as you like.\n")
    return place


def states(cli: CommandLine) -> dict[str, str]:
    return {item["contact"]: item["state"] for item in cli("notice", "list", "--json").items}


def test_the_corpora_give_the_numbers_of_their_readme(cli: CommandLine, shared_data: Path) -> None:
    done = cli("import", "mail", shared_data / "mail-bounces", "--json")
    found = done.json

    assert done.code == 0
    assert (found["mails"], found["repeated"]) == (15, 1)
    assert found["kinds"] == {"bounced": 15, "complained": 2, "delayed": 2}
    assert (found["hard"], found["address_dead"]) == (12, 10)
    assert (found["matched"], len(found["unmatched"])) == (0, 19)
    assert [Path(name).name for name in found["passed_over"]] == ["LICENSE", "LICENSE"]
    assert found["failed"] == []


def test_a_folder_is_taken_in_and_each_notice_ends_as_its_mail_says(
    cli: CommandLine, folder: Path
) -> None:
    done = cli("import", "mail", folder)

    assert done.code == 0
    assert "mails: 4 taken in, 0 taken in before, 0 failed" in done.stdout
    assert "passed over, no mail: " in done.stdout
    assert "reports: 4 (answer 1, bounced 1, complained 1, unknown 1)" in done.stdout
    assert "for good: 1, addresses dead: 1" in done.stdout
    assert "about our notices: 3, about none: 1" in done.stdout
    assert states(cli) == {ANN: "complained", ART: "sent", BOB: "bounced"}


def test_notices_that_bounced_or_were_complained_of_are_listed_with_the_reason(
    cli: CommandLine, folder: Path
) -> None:
    cli("import", "mail", folder)

    (bounced,) = cli("notice", "list", "--state", "bounced", "--json").items
    assert bounced["reason"] == f"{BOB}: 550 5.1.1 User unknown (came back by mail)"
    assert bounced["delivered_at"] is None
    (complained,) = cli("notice", "list", "--state", "complained", "--json").items
    assert complained["reason"] == "spam complaint (Feedback-Type: abuse)"
    assert complained["delivered_at"] is not None


def test_doing_it_twice_changes_nothing(cli: CommandLine, folder: Path, campaign: Campaign) -> None:
    cli("import", "mail", folder)
    before = digests(campaign.engine)
    again = cli("import", "mail", folder, "--json").json

    assert (again["mails"], again["repeated"], again["kinds"]) == (0, 4, {})
    assert digests(campaign.engine) == before


def test_an_mbox_a_maildir_and_standard_input_are_read(
    cli: CommandLine, tmp_path: Path, sent: dict[str, Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    mbox = tmp_path / "bounces.mbox"
    mails = [dsn(sent[BOB]), answer(sent[ART])]
    mbox.write_bytes(b"".join(b"From daemon Fri Jan  1 12:00:00 2027\n" + m + b"\n" for m in mails))
    maildir = tmp_path / "Maildir"
    for name in ("cur", "new", "tmp"):
        (maildir / name).mkdir(parents=True)
    (maildir / "new/1.host").write_bytes(complaint(sent[ANN]))
    (maildir / "tmp/2.host").write_bytes(dsn(sent[ANN]))  # not delivered yet
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(STRANGE)))
    found = cli("import", "mail", mbox, maildir, "-", "--json").json

    assert found["mails"] == 4
    assert found["kinds"] == {"answer": 1, "bounced": 1, "complained": 1, "unknown": 1}
    (strange,) = found["unmatched"]
    assert strange["file"] == "standard input"


def test_a_line_that_begins_like_an_mbox_within_a_message_does_not_split_it(
    cli: CommandLine, tmp_path: Path, sent: dict[str, Sent]
) -> None:
    mail = tmp_path / "one.eml"
    mail.write_bytes(STRANGE + b"\nFrom what I see, all is well.\n")

    assert cli("import", "mail", mail, "--json").json["mails"] == 1


def test_what_cannot_be_read_or_is_no_mail_is_named_and_the_rest_is_taken_in(
    cli: CommandLine, folder: Path
) -> None:
    done = cli("import", "mail", "nowhere.eml", folder / "LICENSE", folder / "1.eml", "--json")

    assert done.code == 1
    assert done.json["mails"] == 1
    assert [Path(failed["file"]).name for failed in done.json["failed"]] == [
        "nowhere.eml",
        "LICENSE",
    ]
    assert "cannot read nowhere.eml: No such file or directory" in done.complaint
    assert "is no mail: it does not begin with the headers of one" in done.complaint
    assert ".eml files, an mbox, a Maildir" in done.complaint


def test_reports_are_listed_and_what_was_not_understood_is_shown(
    cli: CommandLine, folder: Path
) -> None:
    cli("import", "mail", folder)
    everything = cli("notice", "reports", "--json").items
    (strange,) = cli("notice", "reports", "--unmatched", "--json").items
    (bounced,) = cli("notice", "reports", "--kind", "bounced", "--account", "beta", "--json").items

    assert [item["kind"] for item in everything] == ["unknown", "answer", "complained", "bounced"]
    assert (strange["kind"], strange["notice_id"], strange["account_id"]) == ("unknown", None, None)
    assert (bounced["recipient"], bounced["status"], bounced["address_dead"]) == (
        BOB,
        "5.1.1",
        True,
    )
    shown = cli("notice", "report", strange["report_id"])
    assert "What is this?" in shown.stdout
    assert "\x1b" not in shown.stdout + cli("notice", "reports").stdout
    detail = cli("notice", "report", bounced["report_id"], "--json").json
    assert (detail["excerpt"], detail["action"]) == (None, "failed")


def test_a_table_shows_the_newest_hundred_reports_and_says_that_there_is_more(
    cli: CommandLine, tmp_path: Path, sent: dict[str, Sent]
) -> None:
    for number in range(101):
        (tmp_path / f"{number}.eml").write_bytes(b"From: a@b.example\nSubject: %d\n\n" % number)
    cli("import", "mail", tmp_path)
    shown = cli("notice", "reports")

    assert "These are the newest 100; --limit shows more." in shown.stderr
    assert len(cli("notice", "reports", "--limit", "3", "--json").items) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("notice", "report", "999"), 1, "there is no report 999"),
        (("notice", "report", "x"), 2, "Invalid value for"),
        (("notice", "reports", "--kind", "bounce"), 2, "'bounce' is not one of"),
        (("import", "mail"), 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_explained(
    cli: CommandLine, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = cli(*arguments)

    assert (done.code, done.stdout) == (code, "")
    assert said in done.complaint
