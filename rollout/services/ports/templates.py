"""What is asked of the database about templates: versions, and texts of the operator's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from rollout.services.ports.mail import TemplateVersion


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """A version that letters were written with."""

    version_id: int | None  # None: of no template that is known
    digest: bytes
    specimen: bytes = field(default=b"", repr=False)  # what its letters look like


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """A version, and since when letters were written with it."""

    version: TemplateVersion
    first_used_at: datetime


class TemplateRepository(Protocol):
    """Speaks inside one unit of work."""

    def note(self, version: TemplateVersion, specimen: bytes) -> KnownVersion:
        """Note a version before its first letter; one that is known stays as it is."""
        ...

    def first_used(self, digests: Sequence[bytes]) -> Mapping[bytes, datetime]:
        """Say since when letters were written with some versions; unused ones are left out."""
        ...

    def used(self, prefix: str) -> Sequence[UsedVersion]:
        """Return the versions whose digest begins so, in hexadecimal digits; two at most."""
        ...

    def newest_change(self) -> int:
        """Return what is another as soon as a text of an operator has changed."""
        ...

    def lock(self) -> None:
        """Be the only one to change texts, until the transaction ends."""
        ...

    def texts(self) -> Mapping[str, str]:
        """Return the texts that operators have put into the database, by name."""
        ...

    def change(self, texts: Mapping[str, str | None]) -> None:
        """Put texts in; None takes one out."""
        ...
