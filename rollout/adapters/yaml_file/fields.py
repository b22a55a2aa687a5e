"""Readers of one scalar each. Every one says what it expects."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

from rollout.adapters.yaml_file.document import Value, shown
from rollout.adapters.yaml_file.shape import Read, did_you_mean
from rollout.domain.web_address import LONGEST as LONGEST_URL
from rollout.domain.web_address import is_web_address

T = TypeVar("T")

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
DURATION = re.compile(
    r"(?=.)(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?"
)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(
    DAY.pattern + r"[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")

YEARS = range(2000, 3000)  # room on either side for every duration below
LONGEST = timedelta(days=3650)
LONGEST_TEXT = 300
UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, half characters, line ends


def text(value: Value) -> str:
    """Read one line for people to read."""
    words = value.scalar("a text")
    if not value.is_text():
        raise value.unusable(f"a text is expected; write `{shown(words)}` in quotes")
    return _fit_to_show(value, words)


def identifier(value: Value) -> str:
    """Read a name that somebody else gave: digits are as good as letters."""
    return _fit_to_show(value, value.scalar("an identifier"))


def name(value: Value) -> str:
    """Read a name that this file gives."""
    word = value.scalar("a name")
    if not NAME.fullmatch(word):
        raise value.unusable(
            f"`{shown(word)}` is no name: up to 63 lower-case letters, digits and hyphens, "
            "a letter or digit first"
        )
    return word


def one_of(options: Mapping[str, T]) -> Read[T]:
    """Return a reader of one of a few words."""

    def read(value: Value) -> T:
        known = ", ".join(options)
        word = value.scalar(f"one of {known}")
        if word not in options:
            close = difflib.get_close_matches(word[:100], options, n=1)
            hint = did_you_mean(close) or f"; it is one of {known}"
            raise value.unusable(f"unknown word `{shown(word)}`{hint}")
        return options[word]

    return read


def yes_or_no(value: Value) -> bool:
    """Read ``true`` or ``false``."""
    word = value.scalar("true or false")
    if word not in {"true", "false"} or not value.is_plain():
        raise value.unusable(f"write true or false without quotes, not `{shown(word)}`")
    return word == "true"


def whole_number(least: int, most: int, why: str = "") -> Read[int]:
    """Return a reader of a whole number between the two, both included."""

    def read(value: Value) -> int:
        digits = value.scalar("a whole number")
        if not re.fullmatch(r"-?[0-9]{1,18}", digits) or not value.is_plain():
            raise value.unusable(f"a whole number without quotes is expected: `{shown(digits)}`")
        if not least <= int(digits) <= most:
            raise value.unusable(f"must be between {least} and {most}, not {digits}{why}")
        return int(digits)

    return read


def percent(value: Value) -> float:
    """Read a share of all accounts, above 0 and at most 100."""
    digits = value.scalar("a number")
    if not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", digits) or not value.is_plain():
        raise value.unusable(f"a number without % and quotes is expected: `{shown(digits)}`")
    if not 0 < float(digits) <= 100:  # noqa: PLR2004 - a percentage
        raise value.unusable(f"must be above 0 and at most 100, not {digits}")
    return float(digits)


def duration(value: Value) -> timedelta:
    """Read a span of time such as ``60d``, ``36h`` or ``1d12h``."""
    word = value.scalar("a duration")
    match = DURATION.fullmatch(word)
    if match is None:
        raise value.unusable(
            f"`{shown(word)}` is no duration: write 60d, 36h, 30m, 45s or 1d12h, "
            "the longer units first"
        )
    days, hours, minutes, seconds = (int(digits or 0) for digits in match.groups())
    span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if span > LONGEST:
        raise value.unusable(f"`{word}` is longer than {LONGEST.days}d")
    return span


def some_duration(value: Value) -> timedelta:
    """Read a span of time longer than nothing."""
    span = duration(value)
    if not span:
        raise value.unusable("must be longer than 0d")
    return span


def clock_time(value: Value) -> time:
    """Read a wall time such as ``"16:00"``; without quotes it is a number to some."""
    word = value.scalar('a time such as "16:00"')
    if not CLOCK.fullmatch(word):
        raise value.unusable(f'`{shown(word)}` is no time: write "16:00" or "16:00:30"')
    if value.is_plain():
        raise value.unusable(
            f'write "{word}" in quotes: without them YAML 1.1 reads a number to the base 60'
        )
    return time.fromisoformat(word)


def day(value: Value) -> date:
    """Read a day, YYYY-MM-DD."""
    word = value.scalar("a day")
    if not DAY.fullmatch(word):
        raise value.unusable(f"a day is expected, such as 2027-02-02: `{shown(word)}`")
    return _existing(value, word, date.fromisoformat)


def day_or_instant(value: Value) -> date | datetime:
    """Read a day, or an instant with its UTC offset, which comes back in UTC."""
    word = value.scalar("a day or an instant")
    match = MOMENT.fullmatch(word)
    if DAY.fullmatch(word):
        return day(value)
    if match is None:
        raise value.unusable(
            "a day or an instant is expected, such as 2027-02-02 or 2027-02-02T16:00:00Z: "
            f"`{shown(word)}`"
        )
    if match[3] is None:
        raise value.unusable(
            f"`{word}` is another instant in every time zone: add Z or an offset such as +02:00, "
            "or give the day alone and let the calendar choose the time"
        )
    return _existing(value, word, _instant)


def url(value: Value) -> str:
    """Read an http or https address."""
    address = value.scalar("a URL")
    if not is_web_address(address):
        raise value.unusable(
            f"`{shown(address)}` is no URL: http:// or https://, a host, ASCII only, "
            f"at most {LONGEST_URL} characters"
        )
    return address


def https_url(value: Value) -> str:
    """Read an https address: of a page that our messages send people to."""
    address = url(value)
    if not is_web_address(address, secure=True):
        raise value.unusable(f"`{shown(address)}` is no https:// address")
    return address


def _instant(word: str) -> datetime:
    return datetime.fromisoformat(word).astimezone(UTC)


def _existing(value: Value, word: str, read: Callable[[str], T]) -> T:
    try:
        moment = read(word)
    except (ValueError, OverflowError):
        raise value.unusable(f"`{word}` does not exist in the calendar") from None
    if int(word[:4]) not in YEARS:
        raise value.unusable(f"`{word}` lies outside the years {YEARS[0]} to {YEARS[-1]}")
    return moment


def _fit_to_show(value: Value, words: str) -> str:
    if not words.strip():
        raise value.unusable("must not be empty")
    if len(words) > LONGEST_TEXT:
        raise value.unusable(f"longer than {LONGEST_TEXT} characters")
    if any(unicodedata.category(character) in UNSHOWABLE for character in words):
        raise value.unusable("must be one line without control characters")
    return words
