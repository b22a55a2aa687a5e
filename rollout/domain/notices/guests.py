"""Whom a test message may be sent to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuestList:
    """Addresses, and whole domains written ``@example.com``; all in small letters."""

    entries: frozenset[str] = frozenset()

    def __contains__(self, address: str) -> bool:
        """Say whether an address is a guest's. A subdomain is another domain."""
        small = address.lower()
        return small in self.entries or "@" + small.rpartition("@")[2] in self.entries
