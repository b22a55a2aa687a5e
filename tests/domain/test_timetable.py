"""When steps are due, which of them is sent, and when people may be written to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.notices.timetable import (
    Due,
    aftermath,
    choose,
    next_open,
    told_by_news,
    warnings,
)
from rollout.domain.plan import Freeze, NoticeRules, ReadingHours
from tests.support.cast import PLAN

DAY = timedelta(days=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)  # a Tuesday
BERLIN = "Europe/Berlin"
OFFICE = ReadingHours(
    time(9),
    time(17),
    frozenset(range(5)),
    (Freeze(date(2027, 2, 11), date(2027, 2, 12), "carnival"),),
)
DOCUMENT = read_deprecation(PLAN, "plan.yaml", None)
IN_THE_OFFICE = replace(DOCUMENT, notices=NoticeRules(OFFICE))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def names(due: tuple[Due, ...]) -> list[str]:
    return [each.step.name for each in due]


def test_steps_count_from_the_deadline() -> None:
    timetable = warnings(DOCUMENT, DEADLINE, "UTC")

    assert [(DEADLINE - due.at).days for due in timetable.steps] == [60, 30, 3]
    assert timetable.next() == DEADLINE - 60 * DAY
    assert timetable.next(after=DEADLINE - 30 * DAY) == DEADLINE - 3 * DAY
    assert timetable.next(after=DEADLINE - 3 * DAY) is None
    assert names(aftermath(DOCUMENT, DEADLINE).steps) == ["still-calling"]


def test_what_has_passed_is_what_is_due_and_not_yet_told() -> None:
    timetable = warnings(DOCUMENT, DEADLINE, "UTC")

    assert names(timetable.passed(since=None, now=DEADLINE - 30 * DAY)) == [
        "announcement",
        "reminder",
    ]
    told = DEADLINE - 60 * DAY
    assert names(timetable.passed(since=told, now=DEADLINE - 30 * DAY)) == ["reminder"]
    assert timetable.passed(since=told, now=DEADLINE - 31 * DAY) == ()


def test_a_warning_on_a_quiet_day_goes_out_at_the_same_time_of_the_last_day_before() -> None:
    last = warnings(IN_THE_OFFICE, DEADLINE, BERLIN).steps[-1]

    # three days before is a Saturday, and the Friday and Thursday before it are quiet
    assert last.at == utc("2027-02-10 16:00")


def test_the_clocks_going_forward_do_not_move_the_time_of_a_warning() -> None:
    deadline = utc("2027-03-31 14:00")  # 16:00 in Berlin, summer time since the 28th, a Sunday
    assert warnings(IN_THE_OFFICE, deadline, BERLIN).steps[-1].at == utc("2027-03-26 15:00")


def test_the_tightest_step_whose_conditions_are_met_is_sent() -> None:
    passed = warnings(DOCUMENT, DEADLINE, "UTC").steps

    def unmet(due: Due) -> str | None:
        return "only: in_use, which is not so" if due.step.name == "final-warning" else None

    everything = choose(passed, lambda _: None)
    assert everything.send
    assert everything.send.step.name == "final-warning"
    assert {why for _, why in everything.skipped} == {"superseded by final-warning"}
    choice = choose(passed, unmet)
    assert choice.send
    assert choice.send.step.name == "reminder"
    assert {due.step.name: why for due, why in choice.skipped} == {
        "final-warning": "only: in_use, which is not so",
        "announcement": "superseded by reminder",
    }
    assert choose((), unmet).send is None


@pytest.mark.parametrize(
    ("asked", "opens"),
    [
        ("2027-02-09 10:00", "2027-02-09 10:00"),  # a Tuesday at 11:00 in Berlin
        ("2027-02-09 07:59", "2027-02-09 08:00"),
        ("2027-02-09 16:00", "2027-02-10 08:00"),  # at 17:00 they are gone
        ("2027-02-10 20:00", "2027-02-15 08:00"),  # two quiet days and a weekend
        ("2027-03-26 17:00", "2027-03-29 07:00"),  # summer time begins on the Sunday
    ],
)
def test_people_are_written_to_in_their_own_hours(asked: str, opens: str) -> None:
    assert next_open(OFFICE, utc(asked), BERLIN) == utc(opens)


def test_the_same_instant_is_open_for_one_and_night_for_another() -> None:
    noon = utc("2027-02-09 12:00")
    assert next_open(OFFICE, noon, "UTC") == noon
    assert next_open(OFFICE, noon, "America/Los_Angeles") == utc("2027-02-09 17:00")
    assert next_open(OFFICE, noon, "Asia/Tokyo") == utc("2027-02-10 00:00")


def test_nobody_waits_for_ever() -> None:
    never = replace(OFFICE, quiet=(Freeze(date(2000, 1, 1), date(2999, 1, 1), "no mail"),))
    now = utc("2027-02-09 12:00")

    assert next_open(never, now, BERLIN) == now
    quiet = replace(DOCUMENT, notices=NoticeRules(never))
    assert warnings(quiet, DEADLINE, BERLIN) == warnings(DOCUMENT, DEADLINE, BERLIN)


def test_the_last_warning_leaves_half_of_its_notice_unless_the_file_says() -> None:
    assert DOCUMENT.last_warning
    assert DOCUMENT.last_warning.name == "final-warning"
    assert DOCUMENT.spacing == 1.5 * DAY
    assert replace(DOCUMENT, notices=NoticeRules(spacing=DAY)).spacing == DAY
    first = replace(DOCUMENT, reminders=DOCUMENT.reminders[:1])
    assert first.spacing == DOCUMENT.guards.min_notice


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (45 * DAY, 7 * DAY),  # a week of peace after the news of a date
        (6 * DAY, 3 * DAY - timedelta.resolution),  # but the last warning of it is sent
        (5 * DAY, 2 * DAY),  # unless it would follow at once
        (1 * DAY, 2 * DAY),
    ],
)
def test_the_news_of_a_date_stands_for_the_reminders_that_would_follow_at_once(
    left: timedelta, told: timedelta
) -> None:
    assert told_by_news(DOCUMENT, DEADLINE, "UTC", DEADLINE - left) == DEADLINE - left + told
