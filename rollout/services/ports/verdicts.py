"""The verdict store: what gateways read, kept fast and replaceable. PostgreSQL is the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.domain.gateway import Record


@dataclass(frozen=True, slots=True)
class Sync:
    """A full copy of the truth under way: the keys up to ``cursor`` (a key id) are written."""

    name: str  # random: a sync that was begun again is another one
    cursor: str


class VerdictStore(Protocol):
    """Holds one record per key. Every call raises ``Unavailable`` if the store does not answer."""

    def write(self, records: Sequence[Record]) -> None:
        """Write records. One whose version is not above that of the record there is left out."""
        ...

    def read(self, key_id: str) -> Record | None:
        """Return the record of a key, or None."""
        ...

    def unfinished_sync(self) -> Sync | None:
        """Return the sync that is under way, or None: the store is complete.

        A store that was emptied, or restarted (it may have come back with old data), is not
        complete any more: then a sync is begun.
        """
        ...

    def advance(self, sync: Sync, cursor: str) -> None:
        """Note how far a sync has come, unless another one has been begun or has gone further."""
        ...

    def finish(self, sync: Sync) -> None:
        """Declare the store complete, unless another sync has been begun or has gone further."""
        ...
