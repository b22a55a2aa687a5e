"""What enforcement asks of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.inventory import KeyKind, KeyStatus


@dataclass(frozen=True, slots=True)
class EnforcedKey:
    """A key as enforcers need it."""

    key_id: str
    account_id: str
    kind: KeyKind
    status: KeyStatus
    version: int
    hint: str
    secret_digest: bytes | None  # None: we never had the secret, so nobody can be let in by it
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class SetDate:
    """The deadline of an account in one deprecation, and whether it was acted on."""

    account_id: str
    deprecation: str
    deadline: datetime
    cut: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """How many keys the enforcers do not know in their present version, and since when."""

    keys: int
    since: datetime | None


class EnforcementRepository(Protocol):
    """Speaks inside one unit of work."""

    def claim_unenforced(self, limit: int) -> Sequence[EnforcedKey]:
        """Lock and return keys whose present version was not written yet, oldest change first.

        Keys that another worker has locked are left to it.
        """
        ...

    def mark_enforced(self, keys: Sequence[EnforcedKey]) -> None:
        """Note that these versions, claimed in this transaction, have been written."""
        ...

    def key(self, key_id: str) -> EnforcedKey | None:
        """Return one key."""
        ...

    def keys_after(self, key_id: str, limit: int) -> Sequence[EnforcedKey]:
        """Return the keys that follow a key id, in the order of their ids."""
        ...

    def dates(self, account_ids: Sequence[str]) -> Sequence[SetDate]:
        """Return the dates of these accounts, earliest first; not those of exempt ones."""
        ...

    def lag(self) -> Lag:
        """Say how far the enforcers are behind."""
        ...
