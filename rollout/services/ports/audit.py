"""What the audit stage asks of the database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from rollout.domain.audit import Fact, FactFilter, Seal, StoredFact
from rollout.domain.audit_check import Loose, Sealed


class AuditRepository(Protocol):
    """Speaks inside one unit of work."""

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts to the trail, in the transaction that they describe."""
        ...

    def take_chain(self) -> bool:
        """Become the only one to extend the chain until the transaction ends, or say no."""
        ...

    def head(self) -> Seal:
        """Return the last seal, or ``GENESIS``."""
        ...

    def unsealed(self, limit: int) -> list[StoredFact]:
        """Return the facts that wait to be sealed, by ``seq``."""
        ...

    def seal(self, seals: Sequence[Seal]) -> None:
        """Append seals to the chain and take their facts off the queue."""
        ...

    def waiting(self) -> int:
        """Count the facts that wait to be sealed."""
        ...

    def facts(self, which: FactFilter, before: int | None, limit: int) -> list[StoredFact]:
        """Return the facts that match, the newest first, those before that ``seq`` only."""
        ...

    def sealed(self, after: int | None, limit: int) -> list[Sealed]:
        """Return the seals behind that position, in order, each with its fact."""
        ...

    def loose(self) -> Iterator[Loose]:
        """Read everything that is not, or not only, in the chain, by ``seq``."""
        ...
