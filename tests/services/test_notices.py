"""Notices: the right step, once, to the right people, and a record of how each one ended."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from rollout.domain.notices import NoticeState
from rollout.services.ports.notice_ledger import Ended
from rollout.testing import ACCEPTED, REFUSED, TEMPORARY, UNCERTAIN, FakeMailer
from tests.support.campaign import GRACE, Campaign
from tests.support.cast import NOW, PLAN

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"


def received(campaign: Campaign, to: str) -> list[str]:
    return [
        step
        for (step,) in campaign.rows(
            "SELECT step FROM notices JOIN contacts USING (contact_id) WHERE email = :to"
            " AND state IN ('sent', 'delivered') ORDER BY notice_id",
            to=to,
        )
    ]


def states(campaign: Campaign, step: str) -> dict[str, str]:
    return dict(
        campaign.rows(
            "SELECT email, state FROM notices JOIN contacts USING (contact_id) WHERE step = :step",
            step=step,
        )
    )


def test_each_step_is_sent_once_when_its_time_comes(campaign: Campaign) -> None:
    campaign.begin()
    for day in range(50):
        campaign.work(NOW + timedelta(days=day))

    expected = ["announcement", "reminder", "final-warning", "disabled"]
    assert received(campaign, ANN) == expected
    assert received(campaign, BOB) == expected


def test_after_a_long_outage_one_message_is_sent_not_three(campaign: Campaign) -> None:
    campaign.begin()
    campaign.work(DEADLINE - timedelta(days=2))

    assert received(campaign, ANN) == ["final-warning"]
    assert states(campaign, "announcement") == {ANN: "skipped", ART: "skipped", BOB: "skipped"}
    reasons = campaign.rows("SELECT DISTINCT reason FROM notices WHERE state = 'skipped'")
    assert reasons == [("superseded by final-warning",)]


def test_only_of_required_messages_the_arrival_is_asked_for(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    first = len(mailer.sent)
    campaign.work(DEADLINE - timedelta(days=3))

    confirmed = [sent.envelope is not None and sent.envelope.confirm for sent in mailer.sent]
    assert confirmed[:first] == [False] * first
    assert confirmed[first:] == [True] * 3


def test_accounts_that_are_not_affected_get_nothing(campaign: Campaign) -> None:
    campaign.begin()
    campaign.run("UPDATE keys SET status = 'revoked' WHERE account_id = 'beta'")
    campaign.work(NOW)

    assert received(campaign, BOB) == []
    assert received(campaign, "mia@mobile.example") == []


def test_a_conditional_step_is_skipped_with_its_reason(campaign: Campaign) -> None:
    campaign.begin(PLAN.replace("before: 60d}", "before: 60d, only: in_use}"))
    campaign.work(NOW)

    assert states(campaign, "announcement") == {ANN: "sent", ART: "sent", BOB: "skipped"}


def test_a_message_says_which_key_when_and_who_still_calls(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.run("SELECT rollout_month_of_sightings(:now)", now=NOW)
    campaign.run(
        "WITH s AS (INSERT INTO sources (source_id, user_agent, network, example)"
        " VALUES (:source, 'Zapier', '203.0.113.9', 'Zapier') RETURNING source_id)"
        " INSERT INTO sightings SELECT 'k-acme-1', source_id, :now, 7, 0, :now, :now FROM s",
        now=NOW,
        source=b"x" * 16,
    )
    campaign.remind()

    letter = next(sent.letter for sent in mailer.sent if sent.to == ANN)
    for part in (letter.text, letter.html):
        for words in ("Acme Inc", "acme", "…me-1", "Europe/Berlin", "17:00", "16:00", "Zapier"):
            assert words in part, words
    assert "17:00" in letter.subject


def test_a_message_says_what_an_account_called_most_in_the_last_30_days(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    today = NOW.date()
    called = [
        ("k-acme-1", today, "GET /v1/users/{id}", 800),
        ("k-acme-2", today - timedelta(days=29), "GET /v1/users/{id}", 404),
        *(("k-acme-1", today, f"GET /v1/{word}", n) for n, word in enumerate("abcde", 1)),
        ("k-acme-1", today, "other", 9_000),
        ("k-acme-1", today - timedelta(days=30), "GET /v1/past", 9_000),
        ("k-acme-ios", today, "GET /v1/app", 9_000),
        ("k-beta-1", today, "POST /v1/beta", 1),
    ]
    for key, day, endpoint, uses in called:
        campaign.run("SELECT rollout_month_of_endpoints(:day)", day=day)
        campaign.run(
            "INSERT INTO key_endpoints VALUES (:key, :day, :endpoint, :uses)",
            key=key,
            day=day,
            endpoint=endpoint,
            uses=uses,
        )
    campaign.remind()

    letters = {sent.to: sent.letter for sent in mailer.sent}
    for said in (letters[ANN].text, letters[ANN].html):
        words = re.sub(r"<[^>]+>", "", said)
        assert "Mostly called:" in words
        assert re.findall(r"(\S+ /v1/\S+)\s+\(([^)]+)\)", words) == [
            ("GET /v1/users/{id}", "1,204 calls"),
            *((f"GET /v1/{word}", f"{n} calls") for n, word in ((5, "e"), (4, "d"), (3, "c"))),
            ("GET /v1/b", "2 calls"),
        ]
    assert "POST /v1/beta (1 call)" in letters[BOB].text


def test_a_temporary_failure_is_tried_again_with_the_same_message_id(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, TEMPORARY, TEMPORARY, ACCEPTED)
    campaign.begin()
    for minute in (0, 1, 3):
        campaign.work(NOW + timedelta(minutes=minute))

    assert received(campaign, BOB) == ["announcement"]
    assert mailer.attempts.count(BOB) == 3
    (recorded,) = campaign.rows(
        "SELECT message_id, attempts FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :to",
        to=BOB,
    )
    assert recorded == (next(s.message_id for s in mailer.sent if s.to == BOB), 3)


def test_a_refused_address_bounces_and_is_not_written_to_again(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, REFUSED)
    campaign.begin()
    campaign.work(NOW)
    campaign.work(DEADLINE - timedelta(days=30))

    assert states(campaign, "announcement")[BOB] == "bounced"
    assert states(campaign, "reminder")[BOB] == "skipped"
    assert mailer.attempts.count(BOB) == 1


def test_an_uncertain_reminder_is_left_alone_an_uncertain_final_warning_is_sent_again(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + timedelta(days=1))
    assert states(campaign, "announcement")[BOB] == "uncertain"
    assert mailer.attempts.count(BOB) == 1

    mailer.plan(BOB, UNCERTAIN)
    campaign.work(DEADLINE - timedelta(days=2))
    campaign.work(DEADLINE - timedelta(days=1))
    assert states(campaign, "final-warning")[BOB] == "sent"
    assert mailer.attempts.count(BOB) == 3


def test_a_message_counts_as_delivered_only_after_the_grace_time(campaign: Campaign) -> None:
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + GRACE - timedelta(seconds=1))
    assert set(states(campaign, "announcement").values()) == {"sent"}
    campaign.work(NOW + GRACE)
    assert set(states(campaign, "announcement").values()) == {"delivered"}


def test_an_extension_is_told_to_exactly_those_who_were_told_the_old_date(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('acme', 'new@acme.example', 'New', 'admin')"
    )
    campaign.at(NOW + timedelta(days=1))
    campaign.dates.extend("acme", to=timedelta(days=30), reason="busy season", operator="olga")
    campaign.work(NOW + timedelta(days=1))

    assert set(states(campaign, "extended")) == {ANN, ART}
    letter = next(s.letter for s in reversed(mailer.sent) if s.to == ANN)
    assert "busy season" in letter.text
    assert received(campaign, BOB) == ["announcement"]


def test_an_extension_supersedes_what_is_still_pending(campaign: Campaign) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    campaign.dates.extend("acme", to=timedelta(days=30), reason="busy", operator="olga")
    campaign.remind()

    waiting = campaign.rows(
        "SELECT step, state, schedule_version FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :to ORDER BY notice_id",
        to=ANN,
    )
    assert waiting == [("announcement", "skipped", 1)]  # nobody was told, so nobody is re-told
    campaign.work(DEADLINE - timedelta(days=30))
    assert received(campaign, ANN) == ["announcement"]  # of the new schedule


def test_a_sender_that_dies_while_sending_leaves_the_notice_uncertain(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        leased = uow.ledger.lease(1, timedelta(minutes=2))[0]
        uow.ledger.begin([leased], timedelta(minutes=12))
        uow.commit()

    campaign.at(NOW + timedelta(minutes=13))
    assert campaign.delivery.reap() == 1
    (state,) = campaign.rows("SELECT state FROM notices WHERE notice_id = :id", id=leased.notice_id)
    assert state == ("uncertain",)
    with campaign.start() as uow:  # the dead one wakes up: its lease is not the row's any more
        assert not uow.ledger.finish([Ended(leased, NoticeState.SENT)])


def test_a_paused_cohort_is_not_reminded(campaign: Campaign, mailer: FakeMailer) -> None:
    campaign.begin()
    campaign.guards.pause("api-keys", "everyone", reason="incident", operator="olga")
    campaign.work(NOW)

    assert mailer.sent == []


def test_a_template_that_cannot_be_rendered_parks_that_notice_only(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    campaign.run(
        "UPDATE notices SET template = 'nonsense' WHERE contact_id ="
        " (SELECT contact_id FROM contacts WHERE email = :to)",
        to=BOB,
    )
    campaign.work(NOW)

    assert states(campaign, "announcement") == {ANN: "sent", ART: "sent", BOB: "dead"}


def test_an_extension_is_also_told_to_whoever_was_about_to_be_told(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(ART, TEMPORARY)
    campaign.begin()
    campaign.work(NOW)
    campaign.at(NOW + timedelta(seconds=1))
    campaign.dates.extend("acme", to=timedelta(days=1), reason="asked", operator="olga")
    campaign.work(NOW + timedelta(minutes=5))

    assert states(campaign, "extended") == {ANN: "sent", ART: "sent"}


def test_what_follows_the_cutoff_is_counted_from_the_cutoff_even_if_it_was_late(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + timedelta(hours=1))
    campaign.guards.hold("beta", reason="ticket", operator="olga", ends_at=None)
    campaign.live(DEADLINE)
    late = DEADLINE + timedelta(days=2)
    campaign.at(late)
    campaign.guards.release("beta", reason="closed", operator="olga")
    campaign.work(late)
    campaign.run("SELECT rollout_month_of_sightings(:at)", at=late)
    campaign.run(
        "WITH s AS (INSERT INTO sources (source_id, user_agent, network, example)"
        " VALUES ('y', 'cron', '203.0.113.9', 'cron') RETURNING source_id)"
        " INSERT INTO sightings SELECT 'k-beta-1', source_id, :at, 7, 7, :at, :at FROM s",
        at=late + timedelta(hours=1),
    )
    campaign.work(late + timedelta(hours=23))
    assert states(campaign, "still-calling") == {ANN: "skipped", ART: "skipped"}
    campaign.work(late + timedelta(days=1))
    assert states(campaign, "still-calling")[BOB] == "sent"


def test_a_warning_that_was_delayed_is_not_sent_after_the_cutoff(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + timedelta(hours=1))
    campaign.at(DEADLINE - timedelta(days=3))
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        (leased,) = (x for x in uow.ledger.lease(9, timedelta(minutes=2)) if x.email == ANN)
        uow.ledger.begin([leased], timedelta(minutes=12))
        uow.commit()
    campaign.run("UPDATE notices SET state = 'pending' WHERE state = 'leased'")
    campaign.live(DEADLINE)
    with campaign.start() as uow:
        uow.ledger.finish([Ended(leased, NoticeState.RETRY, wait=DEADLINE - uow.now())])
        uow.commit()
    campaign.work(DEADLINE + timedelta(hours=1))

    (state,) = campaign.rows("SELECT state FROM notices WHERE notice_id = :id", id=leased.notice_id)
    assert state == ("skipped",)
