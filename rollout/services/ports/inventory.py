"""What the inventory stage asks of the world: rows of a file, and the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from rollout.domain.inventory_rows import Columns, Entry, Problem, Register, Row


class RowSource(Protocol):
    """A file of rows, read once."""

    @property
    def name(self) -> str:
        """The name of the file, safe to store."""
        ...

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of what was read so far, decompressed."""
        ...

    def rows(self, columns: Columns) -> Iterator[Row | Problem]:
        """Stream the rows. Raises ``BadInput`` for a file that cannot be used as a whole."""
        ...


@dataclass(frozen=True, slots=True)
class Merged:
    """How many entries were not known before, and how many were known otherwise."""

    new: int
    changed: int


class InventoryRepository(Protocol):
    """Speaks inside one unit of work. An import is ``stage``, ``reject``, ``merge``, in order."""

    def stage(self, register: Register, entries: Iterable[tuple[int, Entry]]) -> int:
        """Take entries in beside the register, each with its line; return how many.

        Raises ``Conflict`` while another import is running.
        """
        ...

    def reject(self, register: Register, limit: int) -> list[Problem]:
        """Remove the staged entries that the register cannot take; say why, of up to ``limit``."""
        ...

    def merge(self, register: Register) -> Merged:
        """Write the staged entries into the register. Those that say nothing new change nothing.

        Raises ``Conflict`` when somebody else adds one of them at the same moment.
        """
        ...
