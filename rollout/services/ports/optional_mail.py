"""What a reader decides about optional notices, asked of the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reader:
    """A contact, its row locked."""

    contact_id: int
    account_id: str
    email: str
    locale: str
    wanted: bool  # optional notices: neither unsubscribed from nor called spam


class OptionalMailRepository(Protocol):
    """Speaks inside one unit of work."""

    def reader(self, contact_id: int) -> Reader | None:
        """Return a contact, locked, or None."""
        ...

    def unsubscribe(self, reader: Reader) -> None:
        """Send nothing optional any more; what waits to be sent is skipped."""
        ...

    def resubscribe(self, reader: Reader) -> None:
        """Send what is optional again, also to who had called it spam."""
        ...
