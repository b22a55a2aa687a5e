"""Accounts, their contacts and their keys."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class KeyKind(StrEnum):
    """What a key is for. Mobile keys are typed when they are issued, never guessed."""

    REST = "rest"
    IOS = "ios"
    ANDROID = "android"


class KeyStatus(StrEnum):
    """``active`` ⇄ ``disabled`` is ours to switch; ``revoked`` is for good and never comes back."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Account:
    """A customer of the platform."""

    account_id: str
    name: str
    timezone: str  # IANA name
    locale: str
    tier: str


# The role of a person inside the company: no customer, and told only where no customer can be.
INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Contact:
    """A person reached for an account; ``locale`` and ``timezone`` fall back to the account's."""

    account_id: str
    email: str
    name: str
    role: str
    locale: str | None
    timezone: str | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is taken in: the secret has already become a keyed digest and a hint (K0)."""

    key_id: str
    account_id: str
    kind: KeyKind
    label: str
    created_at: datetime | None
    secret_digest: bytes | None  # 32 bytes, HMAC-SHA256 under the pepper; None: we never had it
    hint: str  # what mails and gateways say of it: the last four characters of the key id


def key_hint(key_id: str) -> str:
    """Return what mails and gateways say of a key: an ellipsis, the last four characters of its id.

    Operators are shown the id itself: it is the public part, and ids may end alike.
    """
    return "…" + key_id[-4:]


def digest_secret(pepper: bytes, secret: str) -> bytes:
    """Return the 32 bytes by which a secret is recognised; it cannot be had back from them (K0).

    HMAC-SHA256 (RFC 2104) under the pepper, over the SHA-256 of the secret in UTF-8.
    """
    return _keyed(pepper, hashlib.sha256(secret.encode()).digest())


def digest_sha256(pepper: bytes, sha256: str) -> bytes:
    """Return what ``digest_secret`` returns, from the SHA-256 of the secret as 64 hex digits."""
    return _keyed(pepper, bytes.fromhex(sha256))


def _keyed(pepper: bytes, sha256: bytes) -> bytes:
    return hmac.digest(pepper, sha256, "sha256")
