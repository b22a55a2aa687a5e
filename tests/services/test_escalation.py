"""Where those for whom a step is meant cannot be told, or nobody reacts, the others are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.services.notices.recording import MAX_ATTEMPTS
from rollout.testing import REFUSED, TEMPORARY, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import PLAN
from tests.support.returned_mail import dsn

DAY = timedelta(days=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
REMINDER = DEADLINE - 30 * DAY
ANN, ART = "ann@acme.example", "art@acme.example"  # an admin, and a developer
TO_DEVELOPERS = PLAN.replace("before: 30d}", "before: 30d, to: developer}")
UNACKNOWLEDGED = TO_DEVELOPERS.replace("developer}", "developer, escalate: unacknowledged}")


def states(campaign: Campaign) -> dict[str, str]:
    return dict(
        campaign.rows(
            "SELECT email, state FROM notices JOIN contacts USING (contact_id)"
            " WHERE step = 'reminder' AND email LIKE '%acme.example'"
        )
    )


def test_a_refused_developer_is_stood_in_for_by_the_others(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, REFUSED)
    campaign.work(REMINDER)

    assert states(campaign) == {ART: "bounced", ANN: "sent"}
    facts = campaign.rows("SELECT subject, data FROM facts WHERE action = 'notice.escalated'")
    ((subject, data),) = facts
    assert (subject, data["step"], data["to"]) == ("account:acme", "reminder", [ANN])


@pytest.mark.parametrize("status", ["5.1.1", "5.2.2"])
def test_so_is_one_whose_message_comes_back(
    campaign: Campaign, mailer: FakeMailer, status: str
) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER + DAY)
    sent = next(sent for sent in reversed(mailer.sent) if sent.to == ART)
    campaign.reports.take_in(dsn(sent, status=status))
    campaign.remind()

    assert states(campaign) == {ART: "bounced", ANN: "sent"}


def test_so_is_one_whose_server_puts_us_off_for_good(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, *[TEMPORARY] * MAX_ATTEMPTS)
    for hours in range(0, 9 * MAX_ATTEMPTS, 8):
        campaign.work(REMINDER + timedelta(hours=hours))

    assert states(campaign) == {ART: "dead", ANN: "delivered"}


def test_it_waits_for_nobody_who_is_moving_the_date(campaign: Campaign, mailer: FakeMailer) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, REFUSED)
    campaign.at(REMINDER)
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        uow.plan.lock_enrollments("acme", None)
        campaign.delivery.sweep()  # or else it would give up after seconds

    assert states(campaign) == {ART: "bounced", ANN: "pending"}


def test_so_is_one_to_whom_the_letter_cannot_be_written(campaign: Campaign) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER - DAY)
    campaign.at(REMINDER)
    campaign.scheduling.sweep()
    campaign.run("UPDATE notices SET template = 'nonsense' WHERE step = 'reminder'")
    campaign.delivery.sweep()

    assert states(campaign) == {ART: "dead", ANN: "pending"}


def test_nobody_else_is_written_to_where_somebody_was_told(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('acme', 'amy@acme.example', 'Amy', 'developer')"
    )
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, REFUSED)
    campaign.work(REMINDER)

    assert states(campaign) == {ART: "bounced", "amy@acme.example": "sent"}


def test_where_nobody_is_left_nobody_is_written_to(campaign: Campaign, mailer: FakeMailer) -> None:
    campaign.begin(TO_DEVELOPERS)
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, REFUSED)
    campaign.run("UPDATE contacts SET deliverability = 'bounced' WHERE email = :ann", ann=ANN)
    campaign.work(REMINDER)

    assert states(campaign) == {ART: "bounced"}
    assert campaign.rows("SELECT 1 FROM facts WHERE action = 'notice.escalated'") == []


@pytest.mark.parametrize("required", [True, False])
def test_who_has_switched_off_what_is_optional_stands_in_only_for_what_is_not(
    campaign: Campaign, mailer: FakeMailer, *, required: bool
) -> None:
    step = f"before: 30d, to: developer, required: {str(required).lower()}}}"
    campaign.begin(PLAN.replace("before: 30d}", step))
    campaign.live(REMINDER - DAY)
    mailer.plan(ART, REFUSED)
    campaign.run("UPDATE contacts SET unsubscribed_at = now() WHERE email = :ann", ann=ANN)
    campaign.work(REMINDER)

    assert states(campaign) == ({ART: "bounced", ANN: "sent"} if required else {ART: "bounced"})


# -- where nobody reacts


def acknowledge(campaign: Campaign, to: str) -> None:
    campaign.run(
        "UPDATE notices n SET acknowledged_at = rollout_now() FROM contacts c"
        " WHERE c.contact_id = n.contact_id AND c.email = :to",
        to=to,
    )


def escalated(campaign: Campaign) -> list[tuple[str, str, list[str]]]:
    return [
        (subject, reason, data["beyond"])
        for subject, reason, data in campaign.rows(
            "SELECT subject, reason, data FROM facts WHERE action = 'notice.escalated' ORDER BY seq"
        )
    ]


def test_where_nobody_has_acknowledged_anything_a_step_that_asks_for_it_goes_to_everybody(
    campaign: Campaign,
) -> None:
    campaign.begin(UNACKNOWLEDGED)
    campaign.live(REMINDER)

    assert states(campaign) == {ART: "sent", ANN: "sent"}
    why = "nobody of the account has acknowledged a message about this date"
    assert ("account:acme", why, ["developer"]) in escalated(campaign)


@pytest.mark.parametrize("who", [ANN, ART])
def test_where_anybody_of_the_account_has_it_goes_to_those_for_whom_it_is_meant(
    campaign: Campaign, who: str
) -> None:
    campaign.begin(UNACKNOWLEDGED)
    campaign.live(REMINDER - DAY)
    acknowledge(campaign, who)
    campaign.work(REMINDER)

    assert states(campaign) == {ART: "sent"}
    assert "account:acme" not in [subject for subject, *_ in escalated(campaign)]


def test_what_was_acknowledged_of_a_date_that_has_moved_counts_no_more(campaign: Campaign) -> None:
    campaign.begin(UNACKNOWLEDGED)
    campaign.live(REMINDER - DAY)
    acknowledge(campaign, ANN)
    campaign.dates.extend("acme", to=14 * DAY, reason="late", operator="olga")
    campaign.live(REMINDER + 14 * DAY)

    assert states(campaign) == {ART: "sent", ANN: "sent"}


def test_a_step_that_does_not_ask_for_it_or_is_not_sent_escalates_nothing(
    campaign: Campaign,
) -> None:
    skipped = "before: 30d, to: developer, escalate: unacknowledged, only: has_integration}"
    campaign.begin(PLAN.replace("before: 30d}", skipped))
    campaign.live(REMINDER)
    assert set(states(campaign)) == {ART}

    assert escalated(campaign) == []
