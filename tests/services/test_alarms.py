"""Alarms open, are told and close, as things go wrong and right in a campaign."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.alarms import AlarmKind
from rollout.domain.errors import Refused, Unavailable
from rollout.services.alarms import CLAIM, Alarms
from rollout.services.audit import Audit
from rollout.testing import NO_LINE, REFUSED, TEMPORARY, UNCERTAIN, FakeAlerts, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.database import set_clock

SECOND, MINUTE, HOUR, DAY = (timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days"))
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN, ART, BOB = EVERYBODY = ("ann@acme.example", "art@acme.example", "bob@beta.example")


def look(campaign: Campaign, at: datetime, *, alive: bool = True) -> None:
    """Watch and tell at an instant; but for what a test is about, the house is in order."""
    campaign.at(at)
    if alive:
        beat(campaign)
    campaign.breaker.trip()
    campaign.alarms.watch()
    while campaign.alarms.tell():
        pass


def beat(campaign: Campaign) -> None:
    """Let clock and worker live, the chain be sealed, and the gateways know everything."""
    campaign.run("UPDATE keys SET enforced_version = version")
    with campaign.start() as uow:
        uow.clock.forget_the_future()
        for kind in ("clock", "worker"):
            uow.clock.beat(f"{kind}@test:1", kind)
        uow.commit()
    audit = Audit(campaign.start)
    while audit.seal():
        pass


def live(campaign: Campaign, begin: datetime, end: datetime) -> None:
    """Work, watch and tell once a minute."""
    at = begin
    while at <= end:
        campaign.work(at)
        look(campaign, at)
        at += MINUTE


def standing(campaign: Campaign) -> list[str]:
    return [f"{each.kind} {each.subject}" for each in campaign.alarms.alarms()]


def titles(campaign: Campaign) -> list[str]:
    return [alert.title for _, alert in campaign.alerts.told]


def facts(campaign: Campaign) -> list[tuple[str, str, datetime]]:
    return campaign.rows(
        "SELECT action, subject, at FROM facts WHERE action LIKE 'alarm.%' ORDER BY seq"
    )  # type: ignore[return-value]


@pytest.fixture
def stuck(campaign: Campaign, mailer: FakeMailer) -> Campaign:
    """The mail server is away, and an alarm of it is open; nobody has been told yet."""
    for to in EVERYBODY:
        mailer.plan(to, *[NO_LINE] * 1_000)
    campaign.begin()
    for minute in range(16):
        campaign.work(NOW + minute * MINUTE)
        beat(campaign)
        campaign.alarms.watch()
    assert standing(campaign) == ["mail-stuck mail:server"]
    return campaign


# Whole stories


def test_a_mail_server_that_is_away_for_an_hour_is_one_alarm_told_once_and_over_when_mail_flows(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    for to in EVERYBODY:
        mailer.plan(to, *[NO_LINE] * 1_000)
    campaign.begin()
    live(campaign, NOW, NOW + 14 * MINUTE)
    assert (standing(campaign), titles(campaign)) == ([], [])

    live(campaign, NOW + 15 * MINUTE, NOW + HOUR)
    assert standing(campaign) == ["mail-stuck mail:server"]
    assert titles(campaign) == ["the mail server takes nothing"]
    [(_, alert)] = campaign.alerts.told
    assert NO_LINE.reply in alert.text

    mailer.recover()
    live(campaign, NOW + HOUR + MINUTE, NOW + HOUR + 20 * MINUTE)
    assert standing(campaign) == []
    assert titles(campaign)[1:] == ["Over: the mail server takes nothing"]
    assert facts(campaign) == [
        ("alarm.opened", "mail:server", NOW + 15 * MINUTE),
        ("alarm.closed", "mail:server", NOW + HOUR + MINUTE),
    ]
    assert {sent.to for sent in mailer.sent} == set(EVERYBODY)


def test_a_mail_server_that_hangs_is_an_alarm_though_nothing_waits_for_a_sender(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        uow.ledger.lease(50, HOUR)
        uow.commit()
    for minute in range(17):
        look(campaign, NOW + minute * MINUTE)

    assert standing(campaign) == ["mail-stuck mail:server"]


def test_a_mail_server_that_puts_everything_off_is_an_alarm_also_between_two_tries(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    for to in EVERYBODY:
        mailer.plan(to, *[TEMPORARY] * 20)
    campaign.begin()
    for minute in (*range(0, 300, 3), 600, 601, 2880, 2900):  # hours, and two days
        campaign.work(NOW + minute * MINUTE)
        look(campaign, NOW + minute * MINUTE)

    assert standing(campaign) == ["mail-stuck mail:server"]
    assert "Over" not in "".join(titles(campaign))


def test_what_was_put_off_before_the_server_took_something_is_no_alarm(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    for to in EVERYBODY:
        mailer.plan(to, *[TEMPORARY] * 8)
    campaign.begin()
    for minute in range(0, 300, 3):  # while nobody watches
        campaign.work(NOW + minute * MINUTE)
    assert campaign.rows("SELECT sum(put_off), sum(accepted) FROM sending_minutes") == [(24, 3)]
    for minute in range(300, 330):
        look(campaign, NOW + minute * MINUTE)

    assert campaign.alarms.alarms(closed=True) == []


def test_one_recipient_who_is_put_off_for_ever_is_no_alarm(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, *[TEMPORARY] * 10)
    campaign.begin()
    for minute in range(0, 240, 3):
        campaign.work(NOW + minute * MINUTE)
        look(campaign, NOW + minute * MINUTE)

    assert campaign.alarms.alarms(closed=True) == []


def test_where_the_breaker_trips_the_alarm_is_over_when_a_person_resumes(
    campaign: Campaign,
) -> None:
    campaign.begin()
    with campaign.start() as uow:
        uow.sending.pause("api-keys", reason="too many bounces", owner="rollout")
        uow.commit()
    look(campaign, NOW)
    campaign.scheduling.sweep()
    for minute in range(20):  # what waits for the pause to end is no alarm of its own
        look(campaign, NOW + minute * MINUTE)
    assert standing(campaign) == ["sending-paused deprecation:api-keys"]

    campaign.breaker.resume("api-keys", reason="mended", operator="olga")
    look(campaign, NOW + HOUR)
    assert titles(campaign) == ["sending has paused itself", "Over: sending has paused itself"]


def test_what_a_person_has_paused_is_no_alarm(campaign: Campaign) -> None:
    campaign.begin()
    campaign.breaker.pause("api-keys", reason="wait", operator="olga")
    campaign.guards.pause("api-keys", "everyone", reason="wait", operator="olga")
    for minute in range(40):
        look(campaign, DEADLINE + minute * MINUTE)

    assert campaign.alarms.alarms(closed=True) == []


# Each rule, by what is in the database


def test_reminders_that_are_not_written_are_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    for minute in (14, 16, 17):
        look(campaign, NOW + minute * MINUTE)
    assert standing(campaign) == ["reminders-late notices:schedule"]

    campaign.scheduling.sweep()
    look(campaign, NOW + 18 * MINUTE)
    assert standing(campaign) == []


def test_accounts_that_are_due_and_neither_cut_nor_held_are_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    campaign.run("UPDATE enrollments SET next_notice_at = NULL")
    for seconds in (0, 30):
        look(campaign, DEADLINE + seconds * SECOND)
    assert standing(campaign) == []
    look(campaign, DEADLINE + MINUTE)
    assert "cutoff-late cutoff:sweep" in standing(campaign)

    campaign.work(DEADLINE + 2 * MINUTE)  # which holds them: nobody was told
    look(campaign, DEADLINE + 2 * MINUTE)
    assert "cutoff-late cutoff:sweep" not in standing(campaign)


def test_a_stop_of_all_cutting_is_an_alarm_and_what_is_due_meanwhile_is_none(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.run("UPDATE enrollments SET next_notice_at = NULL")
    with campaign.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()
    for minute in range(3):
        look(campaign, DEADLINE + minute * MINUTE)

    assert standing(campaign) == ["cutting-stopped clock:database"]


def test_a_run_that_was_refused_over_its_cap_is_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    with campaign.start() as uow:  # as the sweep does it
        uow.guards.pause("api-keys", "everyone", reason="run refused: 9 keys", owner="rollout")
        uow.commit()
    look(campaign, DEADLINE)

    [alarm] = [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.CUTTING_STOPPED]
    assert alarm.subject == "cohort:api-keys/everyone"
    assert "rollout cohort resume api-keys everyone" in alarm.fix


def test_keys_of_which_the_gateways_do_not_know_are_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    beat(campaign)
    campaign.run("UPDATE keys SET changed_at = :now, version = version + 1", now=NOW)
    for seconds in (0, 30, 60):
        look(campaign, NOW + seconds * SECOND, alive=False)
    assert standing(campaign) == ["gateways-behind enforcement:verdict-store"]

    look(campaign, NOW + 90 * SECOND)
    assert standing(campaign) == []


def test_facts_that_are_not_sealed_are_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    campaign.run("UPDATE keys SET enforced_version = version")
    look(campaign, NOW + 15 * MINUTE, alive=False)

    assert standing(campaign) == ["audit-behind audit:chain"]


def test_a_silence_of_all_processes_of_a_kind_is_an_alarm(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    look(campaign, NOW)
    for minute in (1, 2, 5):
        campaign.at(NOW + minute * MINUTE)
        with campaign.start() as uow:
            uow.clock.beat("clock@test:1", "clock")
            uow.commit()
        campaign.alarms.watch()

    assert standing(campaign) == ["process-silent process:worker"]


@pytest.mark.parametrize("fate", [REFUSED, UNCERTAIN])
def test_a_required_notice_that_reached_nobody_is_an_alarm_while_there_is_time(
    campaign: Campaign, mailer: FakeMailer, fate: object
) -> None:
    left = PLAN.replace("required: true}", "required: true, if_uncertain: leave}")
    campaign.begin(left)
    for before in (45, 30):
        campaign.work(DEADLINE - before * DAY)
    for to in EVERYBODY:
        mailer.plan(to, fate)  # type: ignore[arg-type]
    warned = DEADLINE - 3 * DAY
    for minute in range(5):  # one after the other, where the server closes over each
        campaign.work(warned + minute * MINUTE)
    look(campaign, warned + 5 * MINUTE)
    [alarm] = [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.NOBODY_TOLD]
    assert "to 2 accounts of api-keys reached nobody" in alarm.reason

    campaign.dates.extend("beta", to=timedelta(days=30), reason="asked", operator="olga")
    look(campaign, warned + 14 * MINUTE)  # not looked for again yet
    assert "nobody-told deprecation:api-keys" in standing(campaign)
    look(campaign, warned + 15 * MINUTE)
    [alarm] = [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.NOBODY_TOLD]
    assert "to 1 accounts of api-keys reached nobody" in alarm.reason


def test_that_somebody_inside_was_told_silences_no_alarm_and_that_nobody_was_is_none(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('beta', 'sue@platform.example', 'Sue', 'internal'),"
        " ('hermit', 'sam@platform.example', 'Sam', 'internal')"
    )
    for before in (45, 30):
        campaign.work(DEADLINE - before * DAY)
    mailer.plan(BOB, REFUSED)
    mailer.plan("sam@platform.example", REFUSED)
    campaign.work(DEADLINE - 3 * DAY)
    campaign.run(
        "UPDATE notices SET state = 'bounced' WHERE step = 'nobody-left'"
        " AND contact_id IN (SELECT contact_id FROM contacts WHERE account_id = 'hermit')"
    )
    look(campaign, DEADLINE - 3 * DAY)

    [alarm] = [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.NOBODY_TOLD]
    assert "to 1 accounts of api-keys reached nobody" in alarm.reason


def test_where_somebody_else_of_the_account_was_told_it_is_no_alarm(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.work(NOW)
    mailer.plan(ANN, REFUSED)
    campaign.work(DEADLINE - 3 * DAY)
    look(campaign, DEADLINE - 3 * DAY)

    assert not [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.NOBODY_TOLD]


def test_a_feed_that_has_stopped_is_an_alarm_where_a_cutoff_near_depends_on_it(
    campaign: Campaign,
) -> None:
    campaign.begin()
    for at in (NOW, DEADLINE - 6 * DAY):
        campaign.work(at)
    campaign.run(
        "UPDATE feeds SET newest_event = :at,"
        " reported = tstzmultirange(tstzrange(first_event, :at))",
        at=NOW,
    )
    for minute in (0, 5):
        when = DEADLINE - 6 * DAY + minute * MINUTE
        set_clock(campaign.engine, when)
        beat(campaign)
        campaign.alarms.watch()

    [alarm] = [a for a in campaign.alarms.alarms() if a.kind is AlarmKind.USAGE_UNKNOWN]
    assert "feed gateway has been silent since 2027-01-01" in alarm.reason


# Telling


def test_an_alarm_that_stays_open_is_told_again_each_day(stuck: Campaign) -> None:
    for hours in (1, 2, 23, 24.5, 25, 48, 49):
        look(stuck, NOW + hours * HOUR)

    assert titles(stuck) == [
        "the mail server takes nothing",
        "Still: the mail server takes nothing",
        "Still: the mail server takes nothing",
    ]


def test_what_was_not_taken_is_tried_again_ever_more_rarely(stuck: Campaign) -> None:
    stuck.alerts.broken = {"pager"}
    tried = []
    for minute in range(16, 90):
        stuck.at(NOW + minute * MINUTE)
        if stuck.alarms.tell():
            tried.append(minute)
    assert tried == [16, 17, 19, 23, 31, 47, 79]

    stuck.alerts.broken = set()
    look(stuck, NOW + 3 * HOUR)
    assert titles(stuck) == ["the mail server takes nothing"]


def test_an_address_that_has_it_is_not_told_again_because_another_has_not(
    stuck: Campaign,
) -> None:
    alerts = FakeAlerts("mail", "pager")
    alerts.broken = {"pager"}
    alarms = Alarms(stuck.start, alerts)
    tried = alarms.tell()
    assert tried is not None
    assert tried.failed == ("pager",)
    alerts.broken = set()
    stuck.at(NOW + HOUR)
    alarms.tell()
    stuck.at(NOW + HOUR + DAY)
    alarms.tell()

    assert [(to, alert.title.split(":")[0]) for to, alert in alerts.told] == [
        ("mail", "the mail server takes nothing"),
        ("pager", "the mail server takes nothing"),
        ("mail", "Still"),
        ("pager", "Still"),
    ]


def test_an_address_that_never_takes_it_keeps_the_others_from_no_reminder(stuck: Campaign) -> None:
    alerts = FakeAlerts("mail", "pager")
    alerts.broken = {"pager"}
    alarms = Alarms(stuck.start, alerts)
    for hours in range(50):
        stuck.at(NOW + 16 * MINUTE + hours * HOUR)
        while alarms.tell():
            pass

    assert [alert.title.split(":")[0] for _, alert in alerts.told] == [
        "the mail server takes nothing",
        "Still",
        "Still",
    ]


def test_two_who_tell_at_once_tell_it_once(stuck: Campaign) -> None:
    with ThreadPoolExecutor() as tellers:
        done = [tellers.submit(stuck.alarms.tell) for _ in range(6)]
    assert sum(each.result() is not None for each in done) == 1

    assert titles(stuck) == ["the mail server takes nothing"]


def test_whoever_dies_while_telling_is_followed_by_somebody_who_tells(stuck: Campaign) -> None:
    with stuck.start() as uow:
        assert uow.alarms.claim(CLAIM, DAY) is not None
        uow.commit()
    assert stuck.alarms.tell() is None
    stuck.at(NOW + 15 * MINUTE + CLAIM)
    assert stuck.alarms.tell() is not None

    assert titles(stuck) == ["the mail server takes nothing"]


def test_what_is_over_while_it_is_being_told_is_told_as_over_after_that(
    stuck: Campaign, mailer: FakeMailer
) -> None:
    with stuck.start() as uow:
        telling = uow.alarms.claim(CLAIM, DAY)
        uow.commit()
    mailer.recover()
    stuck.work(NOW + 17 * MINUTE)
    stuck.alarms.watch()
    assert telling is not None
    with stuck.start() as uow:  # the teller comes to record that it told
        uow.alarms.told(telling, last=NOW, reached=(), attempts=0, next_at=NOW + DAY)
        uow.commit()
    assert stuck.alarms.tell() is not None

    assert titles(stuck) == ["Over: the mail server takes nothing"]
    assert stuck.alarms.tell() is None


def test_without_addresses_alarms_stand_and_are_told_once_there_is_one(stuck: Campaign) -> None:
    assert Alarms(stuck.start, FakeAlerts()).tell() is None
    assert standing(stuck) == ["mail-stuck mail:server"]

    stuck.alarms.tell()
    assert titles(stuck) == ["the mail server takes nothing"]


def test_what_was_over_long_before_there_was_an_address_is_no_news(
    stuck: Campaign, mailer: FakeMailer
) -> None:
    mailer.recover()
    stuck.work(NOW + 17 * MINUTE)
    stuck.alarms.watch()
    stuck.at(NOW + 3 * DAY)

    assert stuck.alarms.tell() is None
    assert titles(stuck) == []


def test_an_alarm_that_cannot_be_told_keeps_no_other_from_it(stuck: Campaign) -> None:
    stuck.alerts.broken = {"pager"}
    stuck.alarms.tell()
    stuck.alerts.broken = set()
    with stuck.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()
    stuck.alarms.watch()
    stuck.alarms.tell()

    assert titles(stuck) == ["cutting has stopped itself"]


# Watching


def test_two_who_watch_at_once_open_it_once(
    campaign: Campaign, start: Callable[[], object]
) -> None:
    campaign.begin()
    campaign.remind()
    beat(campaign)
    with campaign.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()
    with ThreadPoolExecutor() as watchers:
        for _ in [watchers.submit(campaign.alarms.watch) for _ in range(6)]:
            pass

    assert len(facts(campaign)) == 1
    assert standing(campaign) == ["cutting-stopped clock:database"]


def test_while_somebody_watches_nobody_else_does(campaign: Campaign) -> None:
    campaign.begin()
    with campaign.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()
    with campaign.start() as uow:
        assert uow.alarms.alone()
        assert campaign.alarms.watch().opened == ()
    assert campaign.alarms.watch().opened != ()


# A test of the addresses


def test_a_test_tells_every_address_and_is_a_fact(campaign: Campaign) -> None:
    assert campaign.alarms.test("olga") == ("pager",)
    assert titles(campaign) == ["Test"]
    assert campaign.rows("SELECT actor, action, data FROM facts") == [
        ("olga", "alarm.tested", {"addresses": 1, "failed": []})
    ]


def test_a_test_says_which_address_did_not_take_it_or_that_there_is_none(
    campaign: Campaign,
) -> None:
    campaign.alerts.broken = {"pager"}
    with pytest.raises(Unavailable, match="1 of 1 addresses did not take it: pager"):
        campaign.alarms.test("olga")
    with pytest.raises(Refused, match="no address is known") as raised:
        Alarms(campaign.start, FakeAlerts()).test("olga")
    assert raised.value.fix == "set ROLLOUT_ALERT_URLS"
