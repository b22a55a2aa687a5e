"""No more letters to one address within a day than are enough, whatever has to be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from rollout.testing import FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import PLAN

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN = "ann@acme.example"
OTHER = (
    PLAN.replace("deprecation: api-keys", "deprecation: old-keys")
    .replace("title: API keys", "title: Old keys")
    .replace("2027-02-16T16:00:00Z", "2027-02-16T19:00:00Z")
)


@pytest.fixture
def campaign(engine: Engine, mailer: FakeMailer) -> Campaign:
    return Campaign(engine, mailer, per_day=1)


def to_ann(mailer: FakeMailer) -> int:
    return [sent.to for sent in mailer.sent].count(ANN)


def begin(campaign: Campaign, *plans: str) -> None:
    campaign.begin(plans[0])
    for plan in plans[1:]:
        campaign.plan.apply(plan, "plan.yaml", "olga")
    campaign.live(DEADLINE - 31 * DAY)


def test_what_is_too_much_for_a_day_waits_until_the_first_is_a_day_old(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign, PLAN, OTHER)
    before = to_ann(mailer)
    first = DEADLINE - 30 * DAY
    for hours in (0, 3, 23):  # that of the other is due three hours after
        campaign.work(first + hours * HOUR)
        assert to_ann(mailer) == before + 1
    reason = campaign.rows(
        "SELECT DISTINCT reason FROM notices JOIN contacts USING (contact_id)"
        " WHERE state = 'retry' AND email = :ann",
        ann=ANN,
    )
    assert reason == [("more than 1 a day would be too many",)]

    campaign.work(first + 24 * HOUR)
    assert to_ann(mailer) == before + 2


def test_what_is_required_is_not_held_back(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, PLAN, OTHER)
    campaign.live(DEADLINE - 4 * DAY)
    before = to_ann(mailer)
    campaign.work(DEADLINE - 3 * DAY)
    campaign.work(DEADLINE - 3 * DAY + 3 * HOUR)

    assert to_ann(mailer) == before + 2
