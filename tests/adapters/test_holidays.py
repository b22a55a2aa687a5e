from __future__ import annotations

from datetime import date

import pytest

from rollout.adapters.holidays import holiday_finder
from rollout.domain.errors import BadInput


@pytest.mark.parametrize(
    ("codes", "day", "expected"),
    [
        (("US",), date(2027, 1, 1), "US: New Year's Day"),
        (("US", "GB"), date(2027, 12, 27), "GB: Christmas Day (observed)"),
        (("GB", "US"), date(2027, 7, 5), "US: Independence Day (observed)"),
        (("US-CA",), date(2027, 3, 31), "US-CA: Cesar Chavez Day"),
        (("US",), date(2027, 3, 31), None),
        (("DE-BY",), date(2027, 1, 6), "DE-BY: Epiphany"),  # in English where there is English
        (("NO",), date(2028, 5, 17), "NO: Constitution Day"),
        ((), date(2027, 1, 1), None),
        (("US",), date.max, None),
        (("US",), date.min, None),
    ],
)
def test_a_holiday_is_named_with_its_country(
    codes: tuple[str, ...], day: date, expected: str | None
) -> None:
    assert holiday_finder(codes)(day) == expected


def test_the_calendars_are_built_once_for_the_same_codes() -> None:
    assert holiday_finder(("US", "GB")) is holiday_finder(("US", "GB"))


@pytest.mark.parametrize(
    ("code", "suggestion"),
    [
        ("us", "US"),
        ("US-ca", "US-CA"),
        ("USA", "US"),
        ("DE_BY", "DE-BY"),
        ("XX", "US or US-CA"),
        ("Germany", "US or US-CA"),
        ("\x1b[31m", "US or US-CA"),
        ("", "US or US-CA"),
    ],
)
def test_an_unknown_code_is_refused_with_a_suggestion(code: str, suggestion: str) -> None:
    with pytest.raises(BadInput, match="no holidays are known") as refusal:
        holiday_finder((code,))
    assert suggestion in str(refusal.value.fix)
    assert refusal.value.message.isprintable()
