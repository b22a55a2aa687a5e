"""The calendar section: when a cutoff may fall."""

from __future__ import annotations

from datetime import time

from rollout.adapters.holidays import holiday_finder
from rollout.adapters.yaml_file.document import Value
from rollout.adapters.yaml_file.fields import clock_time, day, one_of, text
from rollout.adapters.yaml_file.shape import Field, Shape, defaults, list_of, read_fields
from rollout.domain.calendar import zone_info
from rollout.domain.errors import BadInput
from rollout.domain.plan import ACCOUNT_ZONE, CalendarRules, Freeze

WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
MONDAY_TO_THURSDAY = frozenset(range(4))  # the day after a cutoff, somebody is there to help


def calendar(value: Value) -> CalendarRules:
    """Read the calendar section."""
    return CalendarRules(**read_fields(value, CALENDAR))


def default_calendar() -> CalendarRules:
    """Return the calendar of a file that has none."""
    return CalendarRules(**defaults(CALENDAR))


def _timezone(value: Value) -> str:
    zone = value.scalar("`account` or an IANA time zone")
    if zone != ACCOUNT_ZONE:
        try:
            zone_info(zone)
        except BadInput as error:
            raise _said_by(error, value) from None
    return zone


def _holiday_code(value: Value) -> str:
    code = value.scalar("a country or subdivision such as US or US-CA")
    try:
        holiday_finder((code,))
    except BadInput as error:
        raise _said_by(error, value) from None
    return code


def _weekdays(value: Value) -> frozenset[int]:
    return frozenset(list_of(one_of(WEEKDAYS), least=1)(value))


def freeze(value: Value) -> Freeze:
    """Read a stretch of days, both ends included, and why."""
    fields = read_fields(value, FREEZE)
    if fields["to"] < fields["from"]:
        raise value.unusable(f"`to` {fields['to']} is before `from` {fields['from']}")
    return Freeze(fields["from"], fields["to"], fields["reason"])


def _said_by(error: BadInput, value: Value) -> Exception:
    return value.unusable(f"{error.message}; {error.fix}")


FREEZE: Shape = {"from": Field(day), "to": Field(day), "reason": Field(text)}

CALENDAR: Shape = {
    "timezone": Field(_timezone, ACCOUNT_ZONE),
    "cutoff_time": Field(clock_time, time(16)),
    "weekdays": Field(_weekdays, MONDAY_TO_THURSDAY),
    "holidays": Field(list_of(_holiday_code), ()),
    "freezes": Field(list_of(freeze), ()),
}
