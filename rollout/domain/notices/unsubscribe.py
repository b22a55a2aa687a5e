"""Unsubscribing: a link that names a reader, and that nobody else can make."""

from __future__ import annotations

from dataclasses import dataclass, field

from rollout.domain.keyed_ids import KeyedIds

NOBODY = 0  # the contact to whom a link leads that must not do anything


@dataclass(frozen=True, slots=True)
class UnsubscribeTokens:
    """Makes and reads ``<contact id>.<keyed digest>``.

    It holds for ever, since mail is kept for ever, and needs no sign-in (RFC 8058, section 3.1).
    """

    key: bytes = field(repr=False)

    def of(self, contact_id: int) -> str:
        """Return the token of a contact."""
        return self._ids.of(contact_id)

    def contact(self, token: str) -> int | None:
        """Return the contact that a genuine token names, or None."""
        return self._ids.read(token)

    @property
    def _ids(self) -> KeyedIds:
        return KeyedIds(self.key, "unsubscribe")
