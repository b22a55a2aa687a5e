"""Where those for whom a step is meant cannot be told, the others of the account are."""

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
