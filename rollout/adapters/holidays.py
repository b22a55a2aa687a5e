"""Public holidays by country and subdivision, from the ``holidays`` package."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache

import holidays

from rollout.domain.errors import BadInput


@cache
def holiday_finder(codes: tuple[str, ...]) -> Callable[[date], str | None]:
    """Return a function that names the holiday of a day ("US: New Year's Day"), or says None.

    ``codes`` are ISO 3166 countries (``US``) or country and subdivision (``US-CA``). Raises
    BadInput for one that the package does not know. Every answer is kept: a million accounts
    ask about the same few days.
    """
    calendars = [(code, _calendar(code)) for code in codes]

    @lru_cache(maxsize=10_000)
    def holiday(day: date) -> str | None:
        return next((f"{code}: {days[day]}" for code, days in calendars if day in days), None)

    return holiday


@cache
def _known_codes() -> frozenset[str]:
    countries = holidays.list_supported_countries(include_aliases=False)
    subdivisions = (f"{code}-{part}" for code, parts in countries.items() for part in parts)
    return frozenset(countries) | frozenset(subdivisions)


def _calendar(code: str) -> holidays.HolidayBase:
    if code not in _known_codes():
        close = difflib.get_close_matches(code[:20].upper(), sorted(_known_codes()), n=3)
        raise BadInput(
            f"no holidays are known for {code[:20]!r}",
            fix=f"did you mean {' or '.join(close)}?" if close else "use an ISO code: US or US-CA",
        )
    country, _, subdivision = code.partition("-")
    calendar = holidays.country_holidays(country, subdiv=subdivision or None)
    if "en_US" in calendar.supported_languages:
        return holidays.country_holidays(country, subdiv=subdivision or None, language="en_US")
    return calendar
