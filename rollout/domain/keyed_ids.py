"""Ids that go out into the world and come back: ``<id>.<keyed digest>``. Nobody makes one up."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field

_PATTERN = re.compile(r"([1-9]\d{0,17})\.([a-z2-7]{16})", re.ASCII)
_DIGEST_BYTES = 10  # sixteen characters of base32: nobody guesses one


def named_id(text: str) -> int | None:
    """Return the id that a text names, genuine or not, or None."""
    match = _PATTERN.fullmatch(text)
    return None if match is None else int(match[1])


@dataclass(frozen=True, slots=True)
class KeyedIds:
    """Makes and reads them. What is made for one ``purpose`` is of no use for another."""

    key: bytes = field(repr=False)
    purpose: str

    def of(self, number: int) -> str:
        """Return an id with its digest."""
        return f"{number}.{self._digest(number)}"

    def read(self, text: str) -> int | None:
        """Return the id that a genuine text names, or None."""
        number = named_id(text)
        if number is None:
            return None
        return number if hmac.compare_digest(self.of(number), text) else None

    def _digest(self, number: int) -> str:
        digest = hmac.digest(self.key, f"{self.purpose} {number}".encode(), "sha256")
        return b32encode(digest[:_DIGEST_BYTES]).decode().lower()
