"""The ledger of notices: what is tried again, what is left alone, and what nobody may forget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.domain.notices import NoticeState, retry_delay
from rollout.services.notices.delivery import BATCH, PEACE
from rollout.services.notices.recording import MAX_ATTEMPTS
from rollout.services.ports import Outcome, Receipt
from rollout.services.ports.notice_ledger import Ended
from rollout.testing import NO_LINE, REFUSED, TEMPORARY, UNCERTAIN, FakeMailer
from tests.support.campaign import GRACE, Campaign
from tests.support.cast import NOW, PLAN

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN, ART, BOB = EVERYBODY = ("ann@acme.example", "art@acme.example", "bob@beta.example")
CLOSING = Receipt(Outcome.TEMPORARY, "RCPT: 421 4.3.2 Come back later", closing=True)
AN_HOUR = timedelta(hours=1)

RESENT = PLAN.replace("before: 60d}", "before: 60d, if_uncertain: resend}")
LEFT = PLAN.replace("required: true}", "required: true, if_uncertain: leave}")


def ledger(campaign: Campaign, to: str = BOB) -> list[tuple[Any, ...]]:
    return campaign.rows(
        "SELECT step, state, attempts FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :to ORDER BY notice_id",
        to=to,
    )


def facts(campaign: Campaign, action: str) -> list[tuple[Any, ...]]:
    return campaign.rows(
        "SELECT subject, data ->> 'step' FROM facts WHERE action = :action ORDER BY seq",
        action=action,
    )


# What becomes of a notice of which nobody knows whether it arrived


def test_a_step_that_is_resent_if_uncertain_goes_out_once_more_under_the_same_message_id(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin(RESENT)
    campaign.work(NOW)
    assert ledger(campaign) == [("announcement", "retry", 1)]
    assert facts(campaign, "notice.resent") == [("account:beta", "announcement")]

    campaign.work(NOW + AN_HOUR)
    assert ledger(campaign) == [("announcement", "sent", 2)]
    [message_id] = [sent.message_id for sent in mailer.sent if sent.to == BOB]
    assert campaign.rows(
        "SELECT message_id, resent_at FROM notices WHERE resent_at IS NOT NULL"
    ) == [(message_id, NOW)]


def test_it_goes_out_once_more_and_then_never_again(campaign: Campaign, mailer: FakeMailer) -> None:
    mailer.plan(BOB, UNCERTAIN, UNCERTAIN)
    campaign.begin(RESENT)
    campaign.work(NOW)
    campaign.work(NOW + AN_HOUR)
    campaign.work(NOW + 2 * AN_HOUR)

    assert ledger(campaign) == [("announcement", "uncertain", 2)]
    assert len(facts(campaign, "notice.resent")) == 1
    assert facts(campaign, "notice.uncertain") == [("account:beta", "announcement")]


def test_tries_that_are_known_to_have_failed_do_not_use_its_second_chance_up(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, TEMPORARY, TEMPORARY, UNCERTAIN, TEMPORARY)
    campaign.begin(RESENT)
    for hour in range(5):
        campaign.work(NOW + hour * AN_HOUR)

    assert ledger(campaign) == [("announcement", "sent", 5)]


def test_a_required_step_may_be_left_alone_too(campaign: Campaign, mailer: FakeMailer) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin(LEFT)
    campaign.work(DEADLINE - timedelta(days=2))
    campaign.work(DEADLINE - timedelta(days=1))

    assert ledger(campaign)[-1] == ("final-warning", "uncertain", 1)
    assert facts(campaign, "notice.resent") == []


def test_a_date_that_has_moved_is_told_once_more_if_nobody_knows_whether_that_arrived(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    mailer.plan(BOB, UNCERTAIN)
    campaign.dates.extend("beta", to=timedelta(days=30), reason="asked", operator="olga")
    campaign.work(NOW)
    campaign.work(NOW + AN_HOUR)

    assert ledger(campaign)[-1] == ("extended", "sent", 2)


@pytest.mark.parametrize("resend", [True, False])
def test_what_a_dead_sender_had_half_sent_goes_by_the_step_too(
    campaign: Campaign, mailer: FakeMailer, *, resend: bool
) -> None:
    campaign.begin(RESENT if resend else PLAN)
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        for leased in uow.ledger.lease(BATCH, timedelta(minutes=2)):
            if leased.email != ART:
                uow.ledger.begin([leased], timedelta(minutes=12))
        uow.commit()
    campaign.at(NOW + AN_HOUR)
    assert campaign.delivery.reap() == 3
    campaign.remind()

    half_sent = [("account:acme", "announcement"), ("account:beta", "announcement")]
    assert sorted(facts(campaign, "notice.resent")) == (half_sent if resend else [])
    assert sorted(facts(campaign, "notice.uncertain")) == ([] if resend else half_sent)
    assert ledger(campaign, ART) == [("announcement", "sent", 1)]
    ends = ("sent", 2) if resend else ("uncertain", 1)
    assert ledger(campaign, BOB) == [("announcement", *ends)]


@pytest.mark.parametrize("how", ["refused", "given up", "out of date", "template broken"])
def test_what_may_have_arrived_never_counts_as_unsent_however_its_second_try_ends(
    campaign: Campaign, mailer: FakeMailer, how: str
) -> None:
    mailer.plan(BOB, UNCERTAIN, *{"refused": [REFUSED]}.get(how, [TEMPORARY] * MAX_ATTEMPTS))
    campaign.begin(RESENT)
    campaign.work(NOW)
    if how == "out of date":
        campaign.run("UPDATE enrollments SET state = 'exempt'")
    elif how == "template broken":
        campaign.run("UPDATE notices SET template = 'nonsense'")
    for hour in range(1, MAX_ATTEMPTS + 1):
        campaign.run("UPDATE notices SET attempt_at = :at", at=NOW + hour * AN_HOUR)
        campaign.work(NOW + hour * AN_HOUR)

    assert [state for _, state, _ in ledger(campaign)] == ["uncertain"]
    dead = campaign.rows("SELECT email FROM contacts WHERE deliverability = 'bounced'")
    assert dead == ([(BOB,)] if how == "refused" else [])


def test_whoever_may_have_been_told_a_date_is_told_that_it_has_moved(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin(RESENT)
    campaign.work(NOW)
    campaign.dates.extend("beta", to=timedelta(days=30), reason="asked", operator="olga")
    campaign.work(NOW + AN_HOUR)

    assert ledger(campaign) == [("announcement", "uncertain", 1), ("extended", "sent", 1)]


# A server that takes nothing now


def test_where_there_is_no_line_nothing_is_tried_nothing_counts_and_nobody_hammers(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    for to in EVERYBODY:
        mailer.plan(to, *[NO_LINE] * 100)
    campaign.begin()
    campaign.scheduling.sweep()
    assert campaign.delivery.sweep() == 0  # whoever sweeps until nothing is due comes to an end
    assert len(mailer.attempts) == 1
    for to in EVERYBODY:
        assert ledger(campaign, to) == [("announcement", "retry", 0)]
    assert campaign.rows("SELECT DISTINCT reason FROM notices") == [(NO_LINE.reply,)]
    assert facts(campaign, "notice.retry") == []

    campaign.work(NOW + PEACE - timedelta(seconds=1))
    assert len(mailer.attempts) == 1
    for hour in range(1, 2 * MAX_ATTEMPTS):
        campaign.work(NOW + hour * AN_HOUR)
    assert len(mailer.attempts) == 2 * MAX_ATTEMPTS

    mailer.recover()
    campaign.work(NOW + timedelta(days=2))
    for to in EVERYBODY:
        assert ledger(campaign, to) == [("announcement", "sent", 1)]


def test_a_server_that_closes_over_one_letter_is_not_asked_about_the_others_at_once(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    for to in EVERYBODY:
        mailer.plan(to, CLOSING)
    campaign.begin()
    campaign.scheduling.sweep()
    assert campaign.delivery.sweep() == 0
    [tried] = mailer.attempts
    for to in EVERYBODY:
        assert ledger(campaign, to) == [("announcement", "retry", 1 if to == tried else 0)]


def test_a_letter_over_which_the_server_closes_each_time_keeps_no_other_back(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, *[CLOSING] * MAX_ATTEMPTS)
    campaign.begin()
    campaign.scheduling.sweep()
    campaign.run(  # it is the first in its batch
        "UPDATE notices SET attempt_at = :at WHERE contact_id ="
        " (SELECT contact_id FROM contacts WHERE email = :to)",
        at=NOW - AN_HOUR,
        to=BOB,
    )
    campaign.delivery.sweep()
    assert mailer.attempts == [BOB]

    for passed in range(1, 5):
        campaign.work(NOW + passed * PEACE)
    assert ledger(campaign, ANN) == ledger(campaign, ART) == [("announcement", "sent", 1)]
    for nth in range(1, MAX_ATTEMPTS):
        campaign.work(NOW + nth * timedelta(hours=9))
    assert ledger(campaign, BOB) == [("announcement", "dead", MAX_ATTEMPTS)]


def test_a_server_that_puts_us_off_for_four_days_has_not_lost_us_a_letter() -> None:
    waits = [retry_delay(attempts) for attempts in range(MAX_ATTEMPTS - 1)]

    assert waits[0] <= timedelta(minutes=1)
    assert waits == sorted(waits)
    assert sum(waits, timedelta()) >= timedelta(days=4)


# Reconcilers have no window


def test_what_is_overdue_by_weeks_is_not_forgotten(campaign: Campaign, mailer: FakeMailer) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        batch = uow.ledger.lease(BATCH, timedelta(minutes=2))
        uow.ledger.begin(batch[:2], timedelta(minutes=12))
        uow.ledger.finish([Ended(batch[1], NoticeState.SENT)])
        uow.commit()
    sending, sent, leased = (notice.email for notice in batch)
    late = NOW + timedelta(weeks=3)
    campaign.at(late)

    assert campaign.delivery.reap() == 2
    assert campaign.delivery.sweep() == 1
    assert campaign.delivery.confirm() == 1
    campaign.at(late + GRACE)
    campaign.delivery.confirm()
    assert ledger(campaign, sending) == [("announcement", "uncertain", 1)]
    assert ledger(campaign, sent) == [("announcement", "delivered", 1)]
    assert ledger(campaign, leased) == [("announcement", "delivered", 1)]


def test_what_has_waited_for_weeks_is_sent(campaign: Campaign) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        [first] = uow.ledger.lease(1, timedelta(minutes=2))
        uow.ledger.begin([first], timedelta(minutes=12))
        uow.ledger.finish([Ended(first, NoticeState.RETRY, wait=timedelta(0))])
        uow.commit()
    campaign.at(NOW + timedelta(weeks=3))

    assert campaign.delivery.sweep() == 3
