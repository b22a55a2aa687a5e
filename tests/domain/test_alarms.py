"""Which alarms must stand by what is observed, what opens and closes, and when people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollout.domain.alarms import (
    Alarm,
    AlarmKind,
    Blind,
    Lost,
    Paused,
    Seen,
    Trouble,
    alert,
    changes,
    next_telling,
    troubles,
)
from rollout.domain.alarms.rules import MANY_PUT_OFF
from rollout.domain.alarms.standing import AGAIN, LAST_RETRY, TITLES

NOW = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(**{u: 1}) for u in ("seconds", "minutes", "hours", "days"))
ALIVE = {"clock": NOW, "worker": NOW}
WELL = Seen(heartbeats=ALIVE, last_accepted=NOW - MINUTE)
CLAIMED = Trouble(AlarmKind.MAIL_STUCK, "mail:server", "nothing goes out", "look")


def found(*standing: AlarmKind, **seen: Any) -> list[tuple[AlarmKind, str]]:
    observed = replace(WELL, **seen)
    return [(trouble.kind, trouble.subject) for trouble in troubles(observed, NOW, standing)]


def alarm(**fields: Any) -> Alarm:
    whole: dict[str, Any] = {
        "alarm_id": 7,
        "kind": CLAIMED.kind,
        "subject": CLAIMED.subject,
        "reason": CLAIMED.reason,
        "fix": CLAIMED.fix,
        "seen_at": NOW - HOUR,
        "opened_at": NOW - HOUR,
        "last_told_at": None,
        "closed_at": None,
    }
    return Alarm(**whole | fields)


# The rules


def test_where_all_is_well_nothing_is_alarming() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("seen", "stuck"),
    [
        ({"due": True}, True),
        ({"due": True, "last_accepted": None}, True),
        ({"due": True, "last_accepted": NOW - MINUTE + SECOND}, False),  # it takes them
        ({"waiting": True}, False),  # for somebody's morning
        ({"put_off": MANY_PUT_OFF}, True),
        ({"put_off": MANY_PUT_OFF - 1}, False),  # a few odd recipients
        ({"put_off": MANY_PUT_OFF, "last_accepted": NOW}, False),
    ],
)
def test_a_mail_server_is_stuck_if_notices_are_due_and_it_takes_none(
    seen: dict[str, Any], *, stuck: bool
) -> None:
    assert found(**seen) == ([(AlarmKind.MAIL_STUCK, "mail:server")] if stuck else [])


def test_a_stuck_one_is_so_between_two_tries_too_until_it_takes_one_or_nothing_waits() -> None:
    stuck = AlarmKind.MAIL_STUCK
    assert found(stuck, waiting=True) == [(stuck, "mail:server")]
    assert found(stuck, waiting=True, last_accepted=NOW) == []
    assert found(stuck) == []


@pytest.mark.parametrize(
    ("field", "kind", "allowed"),
    [
        ("reminder_due", AlarmKind.REMINDERS_LATE, 15 * MINUTE),
        ("cutoff_due", AlarmKind.CUTOFF_LATE, 30 * SECOND),
        ("unenforced", AlarmKind.GATEWAYS_BEHIND, 30 * SECOND),
        ("unsealed", AlarmKind.AUDIT_BEHIND, 15 * MINUTE),
    ],
)
def test_what_is_due_may_be_late_by_so_much(
    field: str, kind: AlarmKind, allowed: timedelta
) -> None:
    assert found(**{field: NOW - allowed + SECOND}) == []
    assert [k for k, _ in found(**{field: NOW - allowed})] == [kind]


@pytest.mark.parametrize("kind", ["clock", "worker"])
def test_a_process_that_has_not_beaten_for_two_minutes_or_ever_is_silent(kind: str) -> None:
    silent = [(AlarmKind.PROCESS_SILENT, f"process:{kind}")]
    assert found(heartbeats=ALIVE | {kind: NOW - 2 * MINUTE + SECOND}) == []
    assert found(heartbeats=ALIVE | {kind: NOW - 2 * MINUTE}) == silent
    assert found(heartbeats={k: at for k, at in ALIVE.items() if k != kind}) == silent


def test_what_stops_itself_wants_a_person() -> None:
    assert found(
        stopped="the clock jumped",
        cohorts_paused=[Paused("cohort:api-keys/gold", "run refused")],
        sending_paused=[Paused("deprecation:api-keys", "too many bounces")],
    ) == [
        (AlarmKind.SENDING_PAUSED, "deprecation:api-keys"),
        (AlarmKind.CUTTING_STOPPED, "clock:database"),
        (AlarmKind.CUTTING_STOPPED, "cohort:api-keys/gold"),
    ]


def test_who_is_lost_and_whose_use_is_unknown_is_said_by_deprecation() -> None:
    seen = replace(
        WELL,
        lost=[Lost("api-keys", 100, NOW + DAY, more=True), Lost("web-keys", 2, NOW, more=False)],
        blind=[Blind("api-keys", NOW + DAY, "feed gateway is silent")],
    )
    many, two, blind = troubles(seen, NOW, ())

    assert "at least 100 accounts of api-keys reached nobody" in many.reason
    assert "to 2 accounts of web-keys" in two.reason
    assert "cuts next at 2027-01-02 12:00 UTC" in blind.reason
    assert "feed gateway is silent" in blind.reason


def test_what_an_alarm_says_does_not_change_while_it_stays_the_same() -> None:
    seen = replace(WELL, due=True, last_accepted=NOW - HOUR, reminder_due=NOW - HOUR)

    assert list(troubles(seen, NOW, ())) == list(troubles(seen, NOW + 4 * SECOND, ()))


@pytest.mark.parametrize("kind", AlarmKind)
def test_every_kind_has_a_title_and_a_section_in_the_documents(kind: AlarmKind) -> None:
    page = (Path(__file__).parents[2] / "docs/alarms.md").read_text(encoding="utf-8")

    assert TITLES[kind]
    assert f"\n### {kind.value}\n" in page


# What opens and closes


def test_a_rule_must_hold_for_its_patience_without_a_break() -> None:
    begun = changes([], [CLAIMED], NOW)
    assert (begun.begun, begun.opened) == ((CLAIMED,), ())

    waiting = alarm(seen_at=NOW - 15 * MINUTE + SECOND, opened_at=None)
    early = changes([waiting], [CLAIMED], NOW)
    assert (early.begun, early.opened, early.ended) == ((), (), ())
    assert changes([waiting], [CLAIMED], NOW + SECOND).opened == (CLAIMED,)

    gone = changes([waiting], [], NOW + SECOND)
    assert (gone.ended, gone.closed) == ((waiting,), ())


def test_one_without_patience_opens_at_once() -> None:
    paused = Trouble(AlarmKind.SENDING_PAUSED, "deprecation:api-keys", "why", "how")
    done = changes([], [paused], NOW)

    assert (done.begun, done.opened) == ((), (paused,))


def test_an_open_one_stays_is_reworded_or_closes() -> None:
    other = replace(CLAIMED, reason="still nothing")
    assert changes([alarm()], [CLAIMED], NOW).reworded == ()
    assert changes([alarm()], [other], NOW).reworded == (other,)
    assert changes([alarm()], [other], NOW).opened == ()
    assert changes([alarm()], [], NOW).closed == (alarm(),)


def test_what_was_not_looked_at_stays_as_it_is() -> None:
    assert changes([alarm()], [], NOW, [AlarmKind.MAIL_STUCK]).closed == ()


def test_alarms_of_one_kind_stand_apart_by_their_subjects() -> None:
    there = alarm(kind=AlarmKind.PROCESS_SILENT, subject="process:clock")
    worker = Trouble(AlarmKind.PROCESS_SILENT, "process:worker", "why", "how")
    done = changes([there], [worker], NOW)

    assert (done.begun, done.closed) == ((worker,), (there,))


# Telling


def test_an_open_alarm_is_told_each_day_and_the_end_of_one_once() -> None:
    assert next_telling(alarm(), 0, NOW) == NOW + AGAIN
    assert next_telling(alarm(closed_at=NOW), 0, NOW) is None


def test_a_failed_telling_is_tried_again_ever_more_rarely_within_an_hour() -> None:
    waits = [next_telling(alarm(), attempts, NOW) for attempts in range(1, 2_000)]
    assert waits[:3] == [NOW + MINUTE, NOW + 2 * MINUTE, NOW + 4 * MINUTE]
    assert set(waits[6:]) == {NOW + LAST_RETRY}


def test_an_alert_says_what_is_wrong_what_to_do_and_since_when() -> None:
    first, over = alert(alarm()), alert(alarm(closed_at=NOW, last_told_at=NOW))
    again = alert(alarm(last_told_at=NOW), again=True)

    assert (first.title, first.over) == ("the mail server takes nothing", False)
    assert first.text == (
        "nothing goes out\n\nWhat to do: look\n\n"
        "mail-stuck (mail:server), open since 2027-01-01 11:00 UTC."
    )
    assert (again.title, again.text) == (f"Still: {first.title}", first.text)
    assert (over.title, over.over) == (f"Over: {first.title}", True)
    assert "That is over since 2027-01-01 12:00 UTC." in over.text
