"""Keeps the addresses of webhooks: encrypted, since whoever knows one may write there (K0)."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rollout.domain.errors import Unavailable

_NONCE = 12  # bytes: NIST SP 800-38D, section 8.2.2


class AddressSeals:
    """Implements ``services.ports.webhooks.Seals`` with AES-256-GCM under the pepper.

    The account is part of what is sealed: moved to another's row, an address opens no more.
    """

    def __init__(self, pepper: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(pepper, b"webhook addresses", "sha256"))
        self._digests = hmac.digest(pepper, b"webhook address digests", "sha256")

    def seal(self, account_id: str, url: str) -> bytes:
        """Return a URL, sealed for one account."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, url.encode(), account_id.encode())

    def open(self, account_id: str, sealed: bytes) -> str:
        """Return the URL; raise ``Unavailable`` where it was sealed with another key."""
        nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return self._cipher.decrypt(nonce, rest, account_id.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unavailable(
                "the address was kept under another ROLLOUT_PEPPER, so nobody can read it",
                fix="set the former pepper again, or remove the webhook and add it anew",
            ) from None

    def digest(self, account_id: str, url: str) -> bytes:
        """Return what tells whether an account has a URL already."""
        return hmac.digest(self._digests, f"{account_id}\n{url}".encode(), "sha256")
