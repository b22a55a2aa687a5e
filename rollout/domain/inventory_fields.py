"""What a field may say: each rule takes its text, and returns its value or raises ``BadInput``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from rollout.domain.calendar import known_zones
from rollout.domain.errors import BadInput
from rollout.domain.inventory import digest_secret, digest_sha256

Rule = Callable[[str], Any]

MAX_FIELD = 10_000  # characters: what is longer was not meant to be a field
MAX_ID = 255  # characters: an index entry of PostgreSQL has an end

# C0, DEL, C1 and lone surrogates. Tabs and line ends are folded into blanks instead.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# A Dot-string and a Domain (RFC 5321, section 4.1.2), with letters of any script (RFC 6531).
# No blanks, brackets, commas or quotes: nothing that could end a header or name a second person.
_ATOM = r'[^\s()<>\[\]:;@\\,."]+'
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_EMAIL_OCTETS, _LOCAL_OCTETS = 254, 64  # sections 4.5.3.1.3 and 4.5.3.1.1

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(  # RFC 3339, section 5.6
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?(?P<offset>[Zz]|[+-]\d\d:\d\d)?"
)

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def required(rule: Rule) -> Rule:
    """Refuse an empty field."""

    def checked(text: str) -> Any:
        if not text.strip():
            raise BadInput("is empty")
        return rule(text)

    return checked


def optional(rule: Rule) -> Rule:
    """Read an empty field as None."""
    return lambda text: rule(text) if text.strip() else None


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return ``; did you mean …?`` with the closest of the known names, or nothing."""
    names = {name.lower(): name for name in sorted(known)}
    close = difflib.get_close_matches(text[:100].lower(), names, n=1)
    return f"; did you mean {names[close[0]]}?" if close else ""


def plain(text: str) -> str:
    """Refuse what is too long or has control characters; what is refused is not repeated."""
    if len(text) > MAX_FIELD:
        raise BadInput(f"has {len(text):,} characters, {MAX_FIELD:,} are allowed")
    control = _CONTROL.search(text)
    if control:
        raise BadInput(f"has a control character (U+{ord(control[0]):04X})")
    return text


def one_line(text: str) -> str:
    """Fold line ends and runs of blanks into one blank each."""
    return " ".join(plain(text).split())


def identifier(text: str) -> str:
    """Take an id from elsewhere as it is."""
    name = one_line(text)
    if not name:
        raise BadInput("is empty")
    if " " in name or not name.isprintable():
        raise BadInput("has a blank or an invisible character in it")
    if len(name) > MAX_ID:
        raise BadInput(f"has {len(name):,} characters, {MAX_ID} are allowed")
    return name


def timezone(text: str) -> str:
    """Take an IANA name."""
    name = one_line(text)
    if name not in known_zones():
        raise BadInput(_unknown_zone(name[:100]))
    return name


@lru_cache(maxsize=1000)  # looking for the closest is slow, and a file repeats its mistakes
def _unknown_zone(name: str) -> str:
    return f"{name!r} is not a known time zone{did_you_mean(name, known_zones())}"


def locale(canonical: Callable[[str], str | None], text: str) -> str:
    """Take a locale, and write it in one way whatever way it came in."""
    name = one_line(text)
    known = canonical(name[:100])
    if known is None:
        raise BadInput(f"{name[:100]!r} is not a known locale; write it like en or pt-BR")
    return known


def email(text: str) -> str:
    """Take a mail address; the domain in lower case, the local part as its owner writes it."""
    address = one_line(text)
    short = len(address.encode()) <= _EMAIL_OCTETS
    match = _EMAIL.fullmatch(address) if short and address.isprintable() else None
    if match is None or len(match["local"].encode()) > _LOCAL_OCTETS:
        raise BadInput(f"{address[:100]!r} is not a mail address")
    return f"{match['local']}@{match['domain'].lower()}"


def one_of(choices: type[StrEnum]) -> Rule:
    """Take one of the values of an enumeration."""
    known = {choice.value: choice for choice in choices}

    def read(text: str) -> StrEnum:
        choice = known.get(one_line(text))
        if choice is None:
            raise BadInput(f"is none of {', '.join(known)}{did_you_mean(text, known)}")
        return choice

    return read


def instant(text: str) -> datetime:
    """Take an RFC 3339 time with its offset, or a day, which begins in UTC; return it in UTC."""
    written = one_line(text)
    day, time = _DAY.fullmatch(written), _INSTANT.fullmatch(written)
    if time and not time["offset"]:
        raise BadInput("has no UTC offset; write it like 2026-12-01T16:00:00Z")
    try:
        if day:
            return datetime.fromisoformat(written).replace(tzinfo=UTC)
        if time:
            return datetime.fromisoformat(written.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a thirteenth month, a leap second, the year 0
    raise BadInput("is no day or time; write it like 2026-12-01 or 2026-12-01T16:00:00Z")


def secret(pepper: bytes, text: str) -> bytes:
    """Digest a secret, and forget it."""
    return digest_secret(pepper, plain(text))


def secret_sha256(pepper: bytes, text: str) -> bytes:
    """Digest the SHA-256 of a secret."""
    digits = text.strip()
    if not _SHA256.fullmatch(digits):
        raise BadInput("is not a SHA-256: 64 hexadecimal digits")
    if digits.lower() == _SHA256_OF_NOTHING:
        raise BadInput("is the SHA-256 of nothing: an empty secret")
    return digest_sha256(pepper, digits)
