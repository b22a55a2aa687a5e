"""Whom a step is for, when people may be written to, and what becomes of a step that is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.testing import NO_LINE, TEMPORARY, FakeMailer
from tests.support.campaign import GRACE, Campaign
from tests.support.cast import NOW, PLAN

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
FINAL = DEADLINE - 3 * DAY
ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
OFFICE = 'notices: {hours: "09:00-17:00", weekdays: [mon, tue, wed, thu, fri]}\n'
SENT = ("sent", "250 2.0.0 Queued")
TO_DEVELOPERS = PLAN.replace("before: 30d}", "before: 30d, to: developer}")


def fates(campaign: Campaign, step: str) -> dict[str, tuple[str, str | None]]:
    """Say of each person what became of a step, and why."""
    query = (
        "SELECT email, state, reason FROM notices JOIN contacts USING (contact_id)"
        " WHERE step = :step"
    )
    return {email: (state, why) for email, state, why in campaign.rows(query, step=step)}


def deadlines(campaign: Campaign) -> dict[str, datetime]:
    return dict(campaign.rows("SELECT account_id, deadline FROM enrollments"))


def test_people_are_written_to_in_their_own_hours(campaign: Campaign, mailer: FakeMailer) -> None:
    campaign.begin(PLAN + OFFICE)  # on a Friday and holiday at noon UTC: 13:00 in Berlin
    campaign.work(NOW)
    assert {sent.to for sent in mailer.sent} == {ANN, ART}  # in New York it is 07:00

    campaign.work(NOW + 2 * HOUR - timedelta(seconds=1))
    assert BOB not in {sent.to for sent in mailer.sent}
    campaign.work(NOW + 2 * HOUR)
    assert BOB in {sent.to for sent in mailer.sent}


def test_what_its_mail_server_took_up_only_at_night_waits_for_the_readers_morning(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(PLAN + OFFICE)
    mailer.plan(ANN, NO_LINE)
    campaign.work(NOW)
    night, monday = NOW + 8 * HOUR, NOW + 2 * DAY + 20 * HOUR  # 21:00 and 09:00 in Berlin
    for at in (night, monday - timedelta(seconds=1)):
        campaign.work(at)
        assert ANN not in {sent.to for sent in mailer.sent}
    campaign.work(monday)

    assert ANN in {sent.to for sent in mailer.sent}


def test_a_new_date_is_told_in_the_readers_hours_too(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(PLAN + OFFICE)
    campaign.live(NOW + DAY)
    night = NOW + 3 * DAY + 9 * HOUR  # Monday, 22:00 in Berlin
    campaign.at(night)
    campaign.dates.extend("acme", to=7 * DAY, reason="asked nicely", operator="olga")
    campaign.remind()
    before = len(mailer.sent)
    campaign.work(night + 11 * HOUR)

    assert {sent.to for sent in mailer.sent[before:]} == {ANN, ART}


def test_quiet_hours_give_way_before_a_warning_comes_too_late(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(PLAN + 'notices: {hours: "00:00-00:01", spacing: 2d20h}\n')
    campaign.live(FINAL)
    assert sum(sent.to == ANN for sent in mailer.sent) == 2  # her day begins at 23:00 UTC
    campaign.work(DEADLINE - 2 * DAY - 20 * HOUR)

    assert sum(sent.to == ANN for sent in mailer.sent) == 3
    assert deadlines(campaign)["acme"] == DEADLINE


def test_a_step_for_a_role_goes_to_its_people_only(campaign: Campaign) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(DEADLINE - 30 * DAY)

    assert set(fates(campaign, "reminder")) == {ART, BOB}  # beta has no developer: then everybody


def test_where_the_people_of_a_role_cannot_be_reached_everybody_is_told(campaign: Campaign) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.run("UPDATE contacts SET deliverability = 'bounced' WHERE email = :art", art=ART)
    campaign.live(DEADLINE - 30 * DAY)

    assert fates(campaign, "reminder")[ANN] == SENT


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("in_use", {ANN, ART}),
        ("unknown", set()),
        ("not_migrated", {ANN, ART}),
        ("has_integration", {BOB}),
        ("[in_use, has_integration]", set()),
    ],
)
def test_a_step_is_sent_where_all_its_conditions_hold(
    campaign: Campaign, condition: str, told: set[str]
) -> None:
    campaign.begin(PLAN.replace("before: 30d}", f"before: 30d, only: {condition}}}"))
    campaign.run(
        "WITH s AS (INSERT INTO sources (source_id, user_agent, network, example, integration)"
        " VALUES ('z', 'Zapier', '203.0.113.9', 'Zapier', 'Zapier') RETURNING source_id)"
        " INSERT INTO key_sources SELECT 'k-beta-1', source_id, 1, 0, :at, :at FROM s",
        at=DEADLINE - 31 * DAY,
    )
    campaign.live(DEADLINE - 30 * DAY)

    found = fates(campaign, "reminder")
    assert {email for email, (state, _) in found.items() if state == "sent"} == told
    assert all(why for state, why in found.values() if state == "skipped")


def test_where_the_tightest_step_is_not_for_somebody_the_next_one_is_sent(
    campaign: Campaign,
) -> None:
    extra = "before: 30d}\n  - {step: reminder-2, before: 29d, template: reminder, only: in_use}"
    campaign.begin(PLAN.replace("before: 30d}", extra))
    campaign.work(DEADLINE - 29 * DAY)

    assert fates(campaign, "reminder-2")[BOB] == ("skipped", "only: in_use, which is not so")
    assert fates(campaign, "reminder")[BOB] == SENT
    assert fates(campaign, "reminder")[ANN] == ("skipped", "superseded by reminder-2")


def test_a_step_that_is_later_than_it_may_be_is_skipped_and_says_so(campaign: Campaign) -> None:
    campaign.begin(PLAN.replace("before: 30d}", "before: 30d, max_late: 2d}"))
    campaign.live(DEADLINE - 31 * DAY)
    campaign.work(DEADLINE - 27 * DAY)

    why = "3 d late; its max_late is 2 d"
    assert set(fates(campaign, "reminder").values()) == {("skipped", why)}


def test_a_step_that_waits_for_its_mail_server_too_long_is_skipped(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(PLAN.replace("before: 30d}", "before: 30d, max_late: 1h}"))
    campaign.live(DEADLINE - 31 * DAY)
    mailer.plan(BOB, TEMPORARY)
    campaign.work(DEADLINE - 30 * DAY)
    campaign.work(DEADLINE - 30 * DAY + 2 * HOUR)

    assert fates(campaign, "reminder")[BOB][0] == "skipped"
    assert fates(campaign, "reminder")[ANN][0] == "delivered"


def test_what_still_waits_for_its_mail_server_is_superseded_by_the_next_step(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.at(NOW)
    campaign.scheduling.sweep()  # the mail server is down for weeks
    campaign.work(DEADLINE - 30 * DAY)

    assert [sent.to for sent in mailer.sent].count(ANN) == 1
    assert fates(campaign, "announcement")[ANN] == ("skipped", "superseded by reminder")


def test_a_last_warning_that_runs_late_moves_the_deadline_by_a_fact(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.live(FINAL - DAY)
    campaign.work(DEADLINE - 5 * HOUR)  # four days without a worker

    moved = deadlines(campaign)
    assert moved["acme"] == datetime(2027, 2, 18, 15, 0, tzinfo=UTC)  # 16:00 in Berlin
    (told,) = [sent.letter.subject for sent in mailer.sent if sent.to == ANN][2:]
    assert told.startswith("New date: API keys of Acme Inc stop working on 18 February 2027, 16:00")
    facts = campaign.rows("SELECT actor, subject FROM facts WHERE action = 'account.postponed'")
    assert ("rollout", "account:acme") in facts
    assert campaign.live(DEADLINE).cut == 0
    campaign.live(moved["acme"])
    assert ("disabled",) in campaign.rows("SELECT status FROM keys WHERE key_id = 'k-acme-1'")
    assert campaign.broken() == []


def test_where_nobody_was_told_at_all_a_late_beginning_gives_everybody_the_whole_notice(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    late = DEADLINE - DAY  # not one worker until then
    campaign.work(late)

    moved = deadlines(campaign)["acme"]
    assert moved - late >= 14 * DAY
    assert [sent.letter.subject for sent in mailer.sent if sent.to == ANN] == [
        "API keys of Acme Inc stop working in 21 days: 8 March 2027, 16:00 (Europe/Berlin)"
    ]
    campaign.live(moved)
    assert campaign.rows("SELECT status FROM keys WHERE key_id = 'k-acme-1'") == [("disabled",)]


def test_nothing_is_cut_while_a_due_warning_is_not_written(campaign: Campaign) -> None:
    campaign.begin()
    campaign.live(FINAL - DAY)
    campaign.at(DEADLINE)
    campaign.sweep.sweep()  # the cutoff works, the notices do not

    held = dict(campaign.rows("SELECT code, reason FROM holds WHERE closed_at IS NULL"))
    assert set(held) == {"warning-due", "not-told"}  # nobody could ever tell the hermit
    assert "a warning is due since 2027-02-13 16:00:00 UTC" in held["warning-due"]
    assert "queue `notices`" in held["warning-due"]


def test_nothing_is_cut_while_the_last_warning_is_on_its_way(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.live(FINAL - DAY)
    mailer.plan(BOB, TEMPORARY)
    campaign.work(FINAL)
    campaign.at(DEADLINE)
    campaign.delivery.confirm()
    campaign.sweep.sweep()

    held = dict(
        campaign.rows(
            "SELECT account_id, reason FROM holds JOIN enrollments"
            " USING (enrollment_id) WHERE closed_at IS NULL"
        )
    )
    assert held["beta"] == "the last warning is still on its way to everybody"
    assert campaign.rows("SELECT status FROM keys WHERE key_id = 'k-acme-1'") == [("disabled",)]


def test_a_last_warning_that_arrived_late_postpones_the_cutoff(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.live(FINAL - DAY)
    mailer.plan(BOB, *[TEMPORARY] * 3)
    for at in (FINAL, FINAL + HOUR, FINAL + 2 * HOUR, DEADLINE - 10 * HOUR):
        campaign.work(at)
    campaign.work(DEADLINE - 10 * HOUR + GRACE)
    campaign.work(DEADLINE)

    moved = deadlines(campaign)
    assert moved["acme"] == DEADLINE
    assert moved["beta"] == datetime(2027, 2, 17, 21, 0, tzinfo=UTC)  # 16:00 in New York
    assert [sent.to for sent in mailer.sent[-1:]] == [BOB]
    campaign.work(DEADLINE + GRACE)
    campaign.live(moved["beta"])
    assert campaign.rows("SELECT status FROM keys WHERE key_id = 'k-beta-1'") == [("disabled",)]
    assert campaign.broken() == []


def test_the_news_of_a_date_stands_for_what_would_follow_also_after_the_reminders_are_edited(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.live(DEADLINE - 25 * DAY)
    campaign.dates.extend("acme", to=7 * DAY, reason="asked nicely", operator="olga")
    edited = PLAN.replace("before: 60d}", "before: 59d}")
    campaign.remind()
    told = [sent.to for sent in mailer.sent].count(ANN)
    campaign.plan.apply(edited, "plan.yaml", "olga")
    campaign.live(DEADLINE + 7 * DAY - 28 * DAY)  # a reminder is due, three days after the news

    assert [sent.to for sent in mailer.sent].count(ANN) == told


def test_a_cutoff_so_late_that_people_have_had_their_time_moves_nothing(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.live(FINAL - DAY)
    mailer.plan(BOB, TEMPORARY)
    campaign.work(FINAL)
    campaign.work(DEADLINE - 10 * HOUR)  # it arrives late, and then nothing works for days
    campaign.at(DEADLINE + 5 * DAY)
    campaign.delivery.confirm()

    assert campaign.sweep.sweep().postponed == 0
    assert deadlines(campaign)["beta"] == DEADLINE
    assert campaign.rows("SELECT status FROM keys WHERE key_id = 'k-beta-1'") == [("disabled",)]
