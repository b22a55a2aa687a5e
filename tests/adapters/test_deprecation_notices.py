"""The deprecation file on notices: hours, quiet days, roles, lateness, several conditions."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest

from rollout.adapters.deprecation_file import read_deprecation
from rollout.domain.errors import BadRows
from rollout.domain.plan import Deprecation, Freeze, NoticeRules, Only, ReadingHours
from tests.support.cast import PLAN

EVERY_DAY = frozenset(range(7))


def read(text: str) -> Deprecation:
    return read_deprecation(text, "plan.yaml", None)


def with_notices(section: str) -> str:
    return PLAN + f"notices: {section}\n"


def with_step(fields: str) -> str:
    return PLAN.replace("before: 30d}", f"before: 30d, {fields}}}")


def test_without_the_section_people_are_written_to_at_any_time() -> None:
    assert read(PLAN).notices == NoticeRules(hours=None, spacing=None)


@pytest.mark.parametrize(
    ("section", "rules"),
    [
        (
            '{hours: "08:30-17:00"}',
            NoticeRules(ReadingHours(time(8, 30), time(17), EVERY_DAY, ())),
        ),
        (
            "{weekdays: [mon, fri]}",
            NoticeRules(ReadingHours(time.min, time.max, frozenset({0, 4}), ())),
        ),
        (
            "{quiet: [{from: 2026-12-24, to: 2027-01-01, reason: holidays}]}",
            NoticeRules(
                ReadingHours(
                    time.min,
                    time.max,
                    EVERY_DAY,
                    (Freeze(date(2026, 12, 24), date(2027, 1, 1), "holidays"),),
                )
            ),
        ),
        ('{hours: "18:00-24:00"}', NoticeRules(ReadingHours(time(18), time.max, EVERY_DAY, ()))),
        ("{spacing: 1d12h}", NoticeRules(spacing=timedelta(days=1, hours=12))),
    ],
)
def test_what_the_section_does_not_limit_is_open(section: str, rules: NoticeRules) -> None:
    assert read(with_notices(section)).notices == rules


def test_a_step_may_have_several_conditions_roles_and_a_limit_to_its_lateness() -> None:
    step = read(
        with_step("only: [in_use, has_integration], to: [developer, admin], max_late: 5d")
    ).reminders[1]

    assert step.only == (Only.IN_USE, Only.HAS_INTEGRATION)
    assert step.to == ("developer", "admin")
    assert step.max_late == timedelta(days=5)
    assert read(with_step("to: developer")).reminders[1].to == ("developer",)


def test_a_step_may_go_to_everybody_where_nobody_reacts() -> None:
    steps = read(with_step("to: developer, escalate: unacknowledged")).reminders
    assert [step.escalate for step in steps[:2]] == [False, True]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (with_notices('{hours: "9-17"}'), '`9-17` are no hours: write "09:00-17:00"'),
        (with_notices('{hours: "17:00-09:00"}'), "`17:00-09:00` ends before it begins"),
        (with_notices('{hours: "09:00-09:00"}'), "`09:00-09:00` ends before it begins"),
        (with_notices("{hours: [9, 17]}"), 'hours such as "09:00-17:00"'),
        (with_notices("{weekdays: []}"), "at least 1 must be listed"),
        (with_notices("{weekdays: [monday]}"), "unknown word `monday`; did you mean"),
        (
            with_notices("{quiet: [{from: 2027-01-02, to: 2027-01-01, reason: x}]}"),
            "`to` 2027-01-01 is before `from` 2027-01-02",
        ),
        (with_notices("{spacing: 0d}"), "must be longer than 0d"),
        (with_notices("{our: 1}"), "unknown name"),
        (with_step("only: []"), "at least 1 must be listed"),
        (with_step("only: [in_use, refused_since_cutoff]"), "nothing is refused before the cutoff"),
        (with_step("escalate: unacknowledged"), "a step without `to` is for everybody already"),
        (with_step("to: developer, escalate: bounced"), "unknown word `bounced`"),
        (with_step("max_late: 5d, required: true"), "a required step is sent however late it is"),
        (PLAN.replace("after: 0d", "after: 0d, max_late: 1d"), "a step at the deadline takes no"),
    ],
)
def test_a_wrong_value_is_refused(text: str, fault: str) -> None:
    with pytest.raises(BadRows) as refusal:
        read(text)
    (row,) = refusal.value.rows
    assert fault in row


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (with_step("to: internal"), "to: `internal` people are no customers"),
        (with_step("to: [admin, internal]"), "to: `internal` people are no customers"),
        (with_step("template: nobody-left"), "template: `nobody-left` is for people inside"),
        (PLAN.replace("step: reminder,", "step: nobody-left,"), "step: `nobody-left` is for"),
    ],
)
def test_no_step_takes_people_inside_for_customers(text: str, fault: str) -> None:
    with pytest.raises(BadRows) as refused:
        read(text)
    assert [row for row in refused.value.rows if f"reminders[1].{fault}" in row]
