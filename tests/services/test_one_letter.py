"""One person, one message: what is due to the same address at the same time is one letter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from rollout.domain.errors import BadRows
from rollout.domain.notices.unsubscribe import UnsubscribeTokens
from rollout.services.notices.unsubscribing import Unsubscribing
from rollout.testing import ACCEPTED, NO_LINE, REFUSED, TEMPORARY, UNCERTAIN, FakeMailer
from tests.support.campaign import ENVELOPES, GRACE, Campaign
from tests.support.cast import NOW, PLAN
from tests.support.returned_mail import dsn

DAY = timedelta(days=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
FINAL = DEADLINE - 3 * DAY
ANN, BOB = "ann@acme.example", "bob@beta.example"
TWO_MORE = """
INSERT INTO contacts (account_id, email, name, role) VALUES
  ('beta', 'Ann@Acme.example', 'Ann', 'consultant'), ('hermit', 'ann@acme.example', 'Ann', 'admin')
"""


def begin(campaign: Campaign, plan: str = PLAN) -> None:
    """Let Ann be a contact of three accounts."""
    campaign.begin(plan)
    campaign.run(TWO_MORE)


def to_ann(campaign: Campaign, step: str = "announcement") -> list[tuple[str, str]]:
    """Say what became of each of Ann's notices of a step."""
    return campaign.rows(
        "SELECT e.account_id, n.state FROM notices n JOIN contacts c USING (contact_id)"
        " JOIN enrollments e USING (enrollment_id)"
        " WHERE lower(c.email) = 'ann@acme.example' AND step = :step ORDER BY 1",
        step=step,
    )  # type: ignore[return-value]


def of_all(state: str) -> list[tuple[str, str]]:
    return [("acme", state), ("beta", state), ("hermit", state)]


def test_what_is_due_to_one_person_goes_in_one_letter(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    campaign.work(NOW)

    ((letter, message_id),) = [
        (sent.letter, sent.message_id) for sent in mailer.sent if sent.to.lower() == ANN
    ]
    subjects = [
        f"API keys of {name} stop working on 16 February 2027, 17:00 (Europe/Berlin)"
        if name == "Acme Inc"
        else f"API keys of {name} stop working on 16 February 2027"
        for name in ("Acme Inc", "Beta LLC", "Nobody Answers")
    ]
    assert letter.subject == f"{subjects[0]} (and 2 more messages)"
    for part in (letter.text, letter.html):
        part = " ".join(part.split())  # noqa: PLW2901 - the text is wrapped
        assert "This mail has 3 messages for you:" in part
        for subject, key in zip(subjects, ("…me-1", "…ta-1", "…it-1"), strict=True):
            assert part.count(subject) >= 2  # in the list, and where it is said in full
            assert key in part
    assert letter.html.count("<html") == letter.html.count("</body>") == 1
    assert to_ann(campaign) == of_all("sent")
    assert len({sent.message_id for sent in mailer.sent}) == len(mailer.sent)
    proven = (
        "SELECT count(*) FROM facts WHERE action = 'notice.sent'"
        " AND data ->> 'message_id' = :message_id"
    )
    assert campaign.rows(proven, message_id=message_id) == [(3,)]

    campaign.work(NOW + GRACE)
    assert to_ann(campaign) == of_all("delivered")
    assert campaign.broken() == []


def test_of_a_letter_that_tells_something_required_the_arrival_is_asked_for(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    campaign.at(NOW)
    campaign.scheduling.sweep()
    campaign.run(
        "UPDATE notices SET required = true WHERE notice_id ="
        " (SELECT max(notice_id) FROM notices JOIN contacts USING (contact_id)"
        " WHERE lower(email) = :ann)",
        ann=ANN,
    )
    campaign.remind()

    envelopes = {sent.to.lower(): sent.envelope for sent in mailer.sent}
    asked = {to: envelope is not None and envelope.confirm for to, envelope in envelopes.items()}
    assert (asked[ANN], asked[BOB]) == (True, False)


def test_whoever_is_a_contact_of_one_account_gets_it_as_it_is(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    campaign.work(NOW)

    (letter,) = [sent.letter for sent in mailer.sent if sent.to == BOB]
    assert "more message" not in letter.subject
    assert campaign.rows("SELECT count(*) FROM notices WHERE letter IS NOT NULL") == [(3,)]


def test_a_letter_that_is_tried_again_tells_the_same_under_the_same_message_id(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign, PLAN.replace("before: 60d}", "before: 60d, if_uncertain: resend}"))
    mailer.plan(ANN, UNCERTAIN, TEMPORARY, ACCEPTED)
    for minutes in (0, 1, 5, 10):
        campaign.work(NOW + timedelta(minutes=minutes))

    (sent,) = [sent for sent in mailer.sent if sent.to.lower() == ANN]
    assert mailer.attempts.count(ANN) == 3
    assert sent.letter.subject.endswith("(and 2 more messages)")
    assert to_ann(campaign) == of_all("sent")
    named = campaign.rows(
        "SELECT DISTINCT l.message_id FROM notices n JOIN notices l ON l.notice_id = n.letter"
    )
    assert named == [(sent.message_id,)]


def test_what_is_left_of_a_letter_is_sent_again_under_its_message_id(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign, PLAN.replace("before: 60d}", "before: 60d, if_uncertain: resend}"))
    mailer.plan(ANN, UNCERTAIN)
    campaign.work(NOW)
    ((message_id, named_after),) = campaign.rows(
        "SELECT DISTINCT l.message_id, e.account_id FROM notices n"
        " JOIN notices l ON l.notice_id = n.letter JOIN enrollments e"
        " ON e.enrollment_id = l.enrollment_id"
    )
    campaign.guards.exempt(named_after, reason="gone", operator="olga", deprecation=None)
    campaign.work(NOW + timedelta(minutes=1))

    (sent,) = [sent for sent in mailer.sent if sent.to.lower() == ANN]
    assert sent.message_id == message_id
    assert dict(to_ann(campaign))[named_after] == "uncertain"
    assert list(dict(to_ann(campaign)).values()).count("sent") == 2


def test_a_server_that_is_away_leaves_all_of_a_letter_for_later(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    mailer.plan(ANN, NO_LINE)
    campaign.work(NOW)
    assert to_ann(campaign) == of_all("retry")

    campaign.work(NOW + timedelta(minutes=1))
    assert to_ann(campaign) == of_all("sent")


def test_what_is_out_of_date_is_left_out_and_the_rest_is_told(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    campaign.at(NOW)
    campaign.scheduling.sweep()
    campaign.run("UPDATE enrollments SET state = 'exempt' WHERE account_id = 'beta'")
    campaign.remind()

    letters = [sent.letter for sent in mailer.sent if sent.to.lower() == ANN]
    assert to_ann(campaign) == [("acme", "sent"), ("beta", "skipped"), ("hermit", "sent")]
    assert [letter.subject[-20:] for letter in letters] == ["(and 1 more message)"]
    assert "Beta LLC" not in letters[0].text


def test_a_refused_address_is_dead_for_every_account(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    mailer.plan(ANN, REFUSED)
    campaign.work(NOW)

    assert to_ann(campaign) == of_all("bounced")
    dead = "SELECT count(*) FROM contacts WHERE deliverability = 'bounced'"
    assert campaign.rows(dead) == [(3,)]
    campaign.live(DEADLINE - 30 * DAY)
    assert to_ann(campaign, "reminder") == of_all("skipped")
    assert mailer.attempts.count(ANN) == 1


def test_a_bounce_of_one_letter_is_a_bounce_of_all_that_it_told(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    campaign.live(NOW + DAY)
    (sent,) = [sent for sent in mailer.sent if sent.to.lower() == ANN]
    assert sent.return_path is not None
    assert ENVELOPES.notice([sent.return_path], []) is not None
    campaign.reports.take_in(dsn(sent, to=sent.return_path), [sent.return_path])

    assert to_ann(campaign) == of_all("bounced")
    facts = "SELECT subject FROM facts WHERE action = 'notice.bounced' ORDER BY 1"
    accounts = [("account:acme",), ("account:beta",), ("account:hermit",)]
    assert campaign.rows(facts) == accounts


def test_many_accounts_make_one_letter_of_bearable_length(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(PLAN)
    campaign.run(
        "INSERT INTO accounts (account_id, name, timezone, locale, tier)"
        " SELECT 'a' || i, 'Account ' || i, 'UTC', 'en', 'free' FROM generate_series(1, 40) i"
    )
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " SELECT 'k-' || i, 'a' || i, 'rest', '', '…' || i FROM generate_series(1, 40) i"
    )
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " SELECT 'a' || i, 'max@many.example', 'Max', 'admin' FROM generate_series(1, 40) i"
    )
    campaign.plan.apply(PLAN, "plan.yaml", "olga")
    campaign.work(NOW)

    (letter,) = [sent.letter for sent in mailer.sent if sent.to == "max@many.example"]
    assert all(f"API keys of Account {i} stop" in letter.text for i in range(1, 41))
    assert len(letter.html) < 100_000


def test_it_is_in_the_readers_language(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign)
    campaign.run("UPDATE contacts SET locale = 'de' WHERE lower(email) = :ann", ann=ANN)
    campaign.work(NOW)

    (letter,) = [sent.letter for sent in mailer.sent if sent.to.lower() == ANN]
    assert letter.subject.endswith("(und 2 weitere Nachrichten)")
    assert "Diese E-Mail enthält 3 Nachrichten für Sie:" in letter.text


@pytest.mark.parametrize("nonsense", ["{{ nonsense }}", "{% if"])
def test_where_several_cannot_be_put_into_one_each_is_sent_and_a_plan_is_refused(
    engine: Engine, mailer: FakeMailer, tmp_path: Path, nonsense: str
) -> None:
    broken = tmp_path / "_base" / "several.txt"
    campaign = Campaign(engine, mailer, tmp_path)
    begin(campaign)
    broken.parent.mkdir()
    broken.write_text(nonsense)
    campaign = Campaign(engine, mailer, tmp_path)
    campaign.work(NOW)

    assert [sent.to.lower() for sent in mailer.sent].count(ANN) == 3
    assert to_ann(campaign) == of_all("sent")
    with pytest.raises(BadRows) as refusal:
        campaign.plan.apply(PLAN, "plan.yaml", "olga")
    assert "several messages to one person cannot be put into one letter" in str(refusal.value.rows)


def test_a_wish_of_its_reader_holds_for_every_account(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign)
    tokens = UnsubscribeTokens(b"k" * 32)
    ((contact_id,),) = campaign.rows("SELECT contact_id FROM contacts WHERE account_id = 'hermit'")
    Unsubscribing(campaign.start, tokens).switch(tokens.of(contact_id), wanted=False)
    campaign.live(FINAL)

    assert to_ann(campaign) == to_ann(campaign, "reminder") == of_all("skipped")
    assert to_ann(campaign, "final-warning") == of_all("sent")  # that one is required
    assert [sent.to.lower() for sent in mailer.sent].count(ANN) == 1
