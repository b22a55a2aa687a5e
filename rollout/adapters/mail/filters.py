"""What templates may do with values: times in the reader's zone, spans, numbers, all by locale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from math import inf
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal
from jinja2 import pass_context
from jinja2.runtime import Context

from rollout.adapters.mail.languages import Languages

_DAYS_FROM = timedelta(hours=48)  # below this, hours say it better than days


def make_filters(languages: Languages) -> dict[str, Callable[..., str]]:
    """Return the filters; each reads ``locale``, ``zone`` and ``now`` off the context."""

    def formats(context: Context) -> Locale:
        return languages.of(context["locale"]).formats

    @pass_context
    def local(context: Context, at: datetime) -> str:
        """Write an instant in the reader's zone: ``13 April 2027, 16:00``."""
        return _moment(at, ZoneInfo(context["zone"]), formats(context))

    @pass_context
    def utc(context: Context, at: datetime) -> str:
        """Write an instant in UTC: ``13 April 2027, 14:00 UTC``."""
        return _moment(at, UTC, formats(context)) + " UTC"

    @pass_context
    def ahead(context: Context, at: datetime) -> str:
        """Write how far ahead an instant is: ``in 30 days``, ``in 31 hours``, ``in 12 minutes``."""
        return _span(at, context["now"], ZoneInfo(context["zone"]), formats(context))

    @pass_context
    def number(context: Context, value: int) -> str:
        """Write a number: ``12,345``."""
        return _grouped(value, formats(context))

    return {f.__name__: f for f in (local, utc, ahead, number)}


@lru_cache(maxsize=10_000)  # many accounts share a deadline
def _moment(at: datetime, zone: tzinfo, locale: Locale) -> str:
    day = format_date(at.astimezone(zone), "long", locale=locale)
    hour = format_time(at, "short", tzinfo=zone, locale=locale)
    return str(locale.datetime_formats["long"]).format(hour, day)


@lru_cache(maxsize=10_000)
def _grouped(value: int, locale: Locale) -> str:
    return format_decimal(value, locale=locale)


@lru_cache(maxsize=10_000)  # a batch is written at one instant
def _span(at: datetime, now: datetime, zone: tzinfo, locale: Locale) -> str:
    """Days are those of the reader's calendar: "30 days" stays right whatever the hour of sending.

    Both instants are aware.
    """
    remaining = max(at.astimezone(UTC) - now.astimezone(UTC), timedelta())
    minutes = round(remaining / timedelta(minutes=1))
    unit: Literal["day", "hour", "minute"]
    if remaining >= _DAYS_FROM:
        days = at.astimezone(zone).date() - now.astimezone(zone).date()
        unit, length = "day", timedelta(days=days.days)
    elif minutes >= 60:  # noqa: PLR2004 - minutes in an hour
        unit, length = "hour", timedelta(hours=round(minutes / 60))
    else:
        unit, length = "minute", timedelta(minutes=max(minutes, 1))
    # No other unit is ever long enough, so that a month is told in days.
    return format_timedelta(
        length, unit, threshold=inf, add_direction=True, format="long", locale=locale
    )
