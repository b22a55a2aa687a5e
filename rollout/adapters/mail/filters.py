"""What templates may do with values: times in the reader's zone, numbers, plurals.

The texts are English, so dates and numbers are written the English way in every locale: half a
translation reads worse than none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_decimal
from babel.units import format_unit
from jinja2 import pass_context
from jinja2.runtime import Context

LANGUAGE = "en"
_PATTERN = "d MMMM y, HH:mm"
_DAYS_FROM = timedelta(hours=48)  # below this, hours say it better than days


@pass_context
def local(context: Context, at: datetime) -> str:
    """Write an instant in the reader's zone: ``13 April 2027, 16:00``."""
    return format_datetime(at, _PATTERN, tzinfo=ZoneInfo(context["zone"]), locale=LANGUAGE)


def utc(at: datetime) -> str:
    """Write an instant in UTC: ``13 April 2027, 14:00 UTC``."""
    return format_datetime(at, _PATTERN, tzinfo=UTC, locale=LANGUAGE) + " UTC"


@pass_context
def left(context: Context, at: datetime) -> str:
    """Write the time from now until an instant: ``30 days``, ``31 hours``, ``12 minutes``.

    Days are those of the reader's calendar, so "30 days" stays right whatever the hour of sending.
    """
    zone = ZoneInfo(context["zone"])
    now: datetime = context["now"]
    remaining = max(at - now, timedelta())
    if remaining >= _DAYS_FROM:
        days = at.astimezone(zone).date() - now.astimezone(zone).date()
        return format_unit(days.days, "day", locale=LANGUAGE)
    minutes = round(remaining / timedelta(minutes=1))
    if minutes >= 60:  # noqa: PLR2004 - minutes in an hour
        return format_unit(round(minutes / 60), "hour", locale=LANGUAGE)
    if minutes == 0:
        return "less than a minute"
    return format_unit(minutes, "minute", locale=LANGUAGE)


def number(value: int) -> str:
    """Write a number: ``12,345``."""
    return format_decimal(value, locale=LANGUAGE)


def counted(value: int, one: str, many: str) -> str:
    """Write a number with its noun: ``1 call``, ``12,345 calls``."""
    return f"{number(value)} {one if value == 1 else many}"


FILTERS = {"local": local, "utc": utc, "left": left, "number": number, "counted": counted}
