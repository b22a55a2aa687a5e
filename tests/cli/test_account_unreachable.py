"""T0 end to end: all mail of an account bounces, nothing is cut, and it is said who must act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.domain.notices.delivery import Reach, unreachable
from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.returned_mail import answer, dsn

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
BOB = "bob@beta.example"
TELL = (
    "nobody can be told: ",
    "Nothing is cut until somebody was told in time. An operator must act:",
    "`rollout import contacts`",
    "`rollout account extend`",
)


def bounce(cli: CommandLine, mailer: FakeMailer, folder: Path, status: str, words: str) -> None:
    """Let everything that Bob was sent come back, through the door of an operator."""
    for number, sent in enumerate(s for s in mailer.sent if s.to == BOB):
        (folder / f"{number}.eml").write_bytes(dsn(sent, status=status, words=words))
    assert cli("import", "mail", folder).code == 0


@pytest.mark.parametrize(
    ("status", "words", "why"),
    [
        ("5.1.1", "550 5.1.1 User unknown", "every address was refused for good (1 of 1)"),
        ("4.4.7", "expired", "all messages about this date bounced (3)"),
    ],
    ids=["dead", "alive"],
)
def test_with_all_mail_bouncing_the_deadline_passes_nothing_is_cut_and_it_is_said_who_must_act(
    cli: CommandLine,
    campaign: Campaign,
    mailer: FakeMailer,
    tmp_path: Path,
    status: str,
    words: str,
    why: str,
) -> None:
    campaign.begin()
    for before in (45, 30, 3, 2):
        campaign.work(DEADLINE - timedelta(days=before))
    bounce(cli, mailer, tmp_path, status, words)
    campaign.work(DEADLINE)
    shown = cli("account", "show", "beta").stdout

    assert campaign.rows("SELECT status FROM keys WHERE key_id = 'k-beta-1'") == [("active",)]
    for expected in (*TELL, why, words, "held (not-told, by rollout): 0 of 1 people have"):
        assert expected in shown, expected
    (enrollment,) = cli("account", "show", "beta", "--json").json["enrollments"]
    assert enrollment["unreachable"].startswith(why)
    assert campaign.broken() == []


def test_an_account_that_nobody_is_known_of_says_so(cli: CommandLine, campaign: Campaign) -> None:
    campaign.begin()

    assert "nobody can be told: no contact is known" in cli("account", "show", "hermit").stdout


def test_whoever_was_told_or_may_be_is_not_called_unreachable(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer, tmp_path: Path
) -> None:
    campaign.begin()
    assert "nobody can be told" not in cli("account", "show", "beta").stdout
    campaign.work(NOW)
    assert "nobody can be told" not in cli("account", "show", "beta").stdout
    (tmp_path / "re.eml").write_bytes(answer(next(s for s in mailer.sent if s.to == BOB)))
    cli("import", "mail", tmp_path)
    campaign.work(NOW + timedelta(hours=1))

    assert "people told: 1, answered: 1" in cli("account", "show", "beta").stdout


def test_one_living_address_with_nothing_sent_yet_is_not_unreachable() -> None:
    fresh = Reach(contacts=2, dead=1, told=0, failed=0, open=0, last_failure=None)

    assert unreachable(fresh) is None
