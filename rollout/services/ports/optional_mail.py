"""What a reader decides about optional notices, asked of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reader:
    """A contact."""

    contact_id: int
    email: str
    locale: str
    wanted: bool  # optional notices: neither unsubscribed from nor called spam


class OptionalMailRepository(Protocol):
    """Speaks inside one unit of work. A wish is of an address, whichever account it is of."""

    def reader(self, contact_id: int) -> Reader | None:
        """Return a contact, or None."""
        ...

    def unsubscribe(self, reader: Reader) -> Sequence[str]:
        """Send nothing optional any more, and skip what waits; return the accounts that changed."""
        ...

    def resubscribe(self, reader: Reader) -> Sequence[str]:
        """Send what is optional again, also to who had called it spam; return as above."""
        ...
