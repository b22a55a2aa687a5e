"""Unsubscribing: a link that names a reader, and that nobody else can make."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from dataclasses import dataclass, field

_TOKEN = re.compile(r"([1-9]\d{0,17})\.([a-z2-7]{16})", re.ASCII)
_DIGEST_BYTES = 10  # sixteen characters of base32: nobody guesses one

NOBODY = 0  # the contact to whom a link leads that must not do anything


@dataclass(frozen=True, slots=True)
class UnsubscribeTokens:
    """Makes and reads ``<contact id>.<keyed digest>``.

    It holds for ever, since mail is kept for ever, and needs no sign-in (RFC 8058, section 3.1).
    """

    key: bytes = field(repr=False)

    def of(self, contact_id: int) -> str:
        """Return the token of a contact."""
        return f"{contact_id}.{self._digest(contact_id)}"

    def contact(self, token: str) -> int | None:
        """Return the contact that a genuine token names, or None."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        contact_id = int(match.group(1))
        genuine = hmac.compare_digest(self._digest(contact_id), match.group(2))
        return contact_id if genuine else None

    def _digest(self, contact_id: int) -> str:
        digest = hmac.digest(self.key, b"unsubscribe %d" % contact_id, "sha256")
        return b32encode(digest[:_DIGEST_BYTES]).decode().lower()
