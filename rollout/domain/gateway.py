"""What a gateway is shown, and what it knows: credentials, and the record of a key."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from rollout.domain.inventory import KeyStatus


class Fault(StrEnum):
    """Why a request shows no key that could be looked up, or none that opens anything."""

    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KeyCredential:
    """An old key as the caller shows it: Basic ``key_id:secret``."""

    key_id: str
    secret: str = field(repr=False)


def parse_authorization(values: Sequence[bytes]) -> KeyCredential | Fault:
    """Read the Authorization headers of one request (RFC 7617 for Basic)."""
    if not values:
        return Fault.MISSING
    if len(values) > 1:
        return Fault.MALFORMED  # which one counts would differ from gateway to gateway
    scheme, _, rest = values[0].strip().partition(b" ")
    if not rest.strip():
        return Fault.MALFORMED
    return _parse_basic(rest.strip()) if scheme.lower() == b"basic" else Fault.UNKNOWN


def _parse_basic(encoded: bytes) -> KeyCredential | Fault:
    # Padding that a client forgot is forgiven: its key worked before there was this gateway.
    bare = encoded.rstrip(b"=")
    try:
        text = base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True).decode()
    except ValueError:
        return Fault.MALFORMED
    key_id, colon, secret = text.partition(":")
    if not colon:
        return Fault.MALFORMED
    if not key_id or not secret or "\0" in key_id:  # PostgreSQL cannot even be asked for a NUL
        return Fault.UNKNOWN
    return KeyCredential(key_id, secret)


@dataclass(frozen=True, slots=True)
class Retirement:
    """What callers are told about the end of a key. Instants are aware UTC."""

    title: str  # of what is retired: "API keys"
    deprecated_at: datetime
    sunset: datetime  # the deadline
    guide_url: str
    replacement_title: str
    replacement_url: str


@dataclass(frozen=True, slots=True)
class Record:
    """All that a gateway needs to know of one key. Of two records, the higher version is true."""

    key_id: str
    account_id: str
    status: KeyStatus
    version: int
    hint: str
    secret_digest: bytes = field(repr=False)
    disabled_at: datetime | None
    retirement: Retirement | None  # None: nobody has set this key a date

    def opened_by(self, key_id: str, secret_digest: bytes) -> bool:
        """Say whether this is the record of that key, and that its secret. In constant time."""
        return self.key_id == key_id and hmac.compare_digest(self.secret_digest, secret_digest)
