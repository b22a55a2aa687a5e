"""Whole campaigns on rehearsal time: each mailbox holds what a sensible person would expect.

The mailboxes are written down in ``mailboxes/``; read them like mail. After a change that is meant,
``ROLLOUT_WRITE_MAILBOXES=1 pytest tests/services/test_mailboxes.py`` writes them anew, for review.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.testing import REFUSED, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import PLAN
from tests.support.mailboxes import mailboxes

MAILBOXES = Path(__file__).parent / "mailboxes"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
OFFICE = 'notices: {hours: "09:00-17:00", weekdays: [mon, tue, wed, thu, fri]}\n'
REMINDERS = """\
reminders:
  - {step: announcement, before: 60d}
  - {step: reminder, before: 30d}
  - {step: reminder-2, before: 14d, template: reminder, only: not_migrated}
  - {step: final-warning, before: 3d, required: true}
  - {step: disabled, after: 0d}
  - {step: still-calling, after: 1d, only: refused_since_cutoff}
"""
BEGIN = datetime(2027, 1, 4, 10, 0, tzinfo=UTC)  # a Monday


def plan(date: str) -> str:
    """Return the plan of the cast with everybody's day, in the hours of an office."""
    head, _, rest = PLAN.partition("reminders:")
    tail = rest[rest.index("guards:") :].replace("2027-02-16T16:00:00Z", date)
    return head + REMINDERS + tail + OFFICE


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def begin(campaign: Campaign, date: str) -> None:
    """Begin a campaign in which one of acme's keys is used until it is cut."""
    campaign.in_use = ["k-acme-1"]
    campaign.begin(plan(date), BEGIN)


def expect(scenario: str, campaign: Campaign, mailer: FakeMailer) -> None:
    found = mailboxes(campaign, mailer)
    written = MAILBOXES / f"{scenario}.txt"
    if os.environ.get("ROLLOUT_WRITE_MAILBOXES"):
        written.write_text(found)
    assert found == written.read_text()
    assert campaign.broken() == []


def test_a_campaign_that_goes_by_the_plan(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc("2027-03-20"))

    expect("by-the-plan", campaign, mailer)


def test_a_deadline_that_moves_twice(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc("2027-02-20 11:00"))
    campaign.plan.apply(plan("2027-03-30"), "plan.yaml", "olga")
    campaign.live(utc("2027-03-27 13:00"))  # a Saturday, after the final warning
    campaign.dates.extend(
        "acme", to=14 * DAY, reason="Your developers asked for two weeks.", operator="olga"
    )
    campaign.live(utc("2027-04-20"))

    expect("moved-twice", campaign, mailer)


@pytest.mark.parametrize(
    ("scenario", "paused", "resumed", "end"),
    [  # the second reminder is due on the 2nd, the last warning on the 12th
        ("paused-for-a-week", "2027-03-01 08:00", "2027-03-08 08:00", "2027-03-20"),
        ("paused-over-the-deadline", "2027-03-11 08:00", "2027-03-18 08:00", "2027-03-30"),
    ],
)
def test_a_pause_of_a_week(
    campaign: Campaign, mailer: FakeMailer, scenario: str, paused: str, resumed: str, end: str
) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc(paused))
    campaign.guards.pause("api-keys", "everyone", reason="an incident", operator="olga")
    campaign.live(utc(resumed))
    campaign.guards.resume("api-keys", "everyone", reason="it is over", operator="olga")
    campaign.live(utc(end))

    expect(scenario, campaign, mailer)


def test_the_clocks_change_on_the_way(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-30")  # New York changes on the 14th, Berlin on the 28th
    campaign.live(utc("2027-04-02"))

    expect("clocks-change", campaign, mailer)


def test_three_days_without_workers(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc("2027-03-01 08:00"))
    campaign.at(utc("2027-03-04 08:00"))  # the second reminder was due meanwhile
    campaign.live(utc("2027-03-20"))

    expect("three-days-without-workers", campaign, mailer)


def test_three_days_without_workers_before_the_deadline(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc("2027-03-12 10:00"))  # the last warning is due at 16:00
    campaign.at(utc("2027-03-15 10:00"))
    campaign.live(utc("2027-03-30"))

    expect("three-days-without-workers-before-the-deadline", campaign, mailer)


def test_accounts_of_which_nobody_is_left(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-16")
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role, timezone) VALUES"
        " ('hermit', 'sue@platform.example', 'Sue', 'internal', 'Europe/Berlin'),"
        " ('beta', 'sam@platform.example', 'Sam', 'internal', 'America/New_York')"
    )
    mailer.plan("bob@beta.example", REFUSED)
    campaign.live(utc("2027-03-20"))

    expect("nobody-left", campaign, mailer)


def test_weeks_without_a_mail_server(campaign: Campaign, mailer: FakeMailer) -> None:
    begin(campaign, "2027-03-16")
    campaign.live(utc("2027-02-12 08:00"))
    for day in range(19):  # both reminders fall due, and wait
        campaign.at(utc("2027-02-12 18:00") + day * DAY)
        campaign.scheduling.sweep()
    campaign.live(utc("2027-03-20"))

    expect("weeks-without-a-mail-server", campaign, mailer)
