"""What was sent is kept: what is asked of the database about letters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rollout.services.ports.templates import KnownVersion


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A letter that is about to be handed over."""

    letter_id: int
    data: bytes = field(repr=False)
    digest: bytes  # SHA-256 of the data
    version: KnownVersion  # of the template of its first notice


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A letter that told a notice, or may have."""

    letter_id: int
    begun_at: datetime
    digest: bytes
    size: int
    tells: tuple[int, ...]  # its notices
    data: bytes | None = field(repr=False)  # None: not kept any longer, or spoilt
    spoilt: bool = False  # something is kept, and cannot be unpacked


class LetterRepository(Protocol):
    """Speaks inside one unit of work."""

    def keep(self, letters: Sequence[NewLetter]) -> None:
        """Keep letters before the first byte of them leaves us."""
        ...

    def drop(self, letter_ids: Collection[int]) -> None:
        """Forget letters that are known not to have been taken."""
        ...

    def of(self, notice_id: int) -> Sequence[KeptLetter]:
        """Return the letters that told a notice, or may have: the first one first."""
        ...

    def notice(self, notice_id: int) -> Mapping[str, Any] | None:
        """Return everything about a notice that people are shown."""
        ...

    def empty(self, before: datetime, limit: int) -> int:
        """Drop the bytes of letters that were begun before then; their digests stay."""
        ...
