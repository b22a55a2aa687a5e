"""The account of an import: what became of each record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rollout.services.ports import Counts
from rollout.services.ports.counts import EXAMPLES

MOST_DISTINCT = 1_000_000  # distinct values are counted exactly up to here, and no further


@dataclass(slots=True)
class Tally:
    """What became of the records of one or more logs; ``records`` is the sum of the next six."""

    records: int = 0
    sightings: int = 0  # uses of a key that were counted
    repeated: int = 0  # uses that had been counted before
    last_uses: int = 0  # what an authority said of a key
    ahead: int = 0  # uses of a time that has not come yet, set aside
    keyless: int = 0
    unreadable: int = 0
    first: datetime | None = None
    last: datetime | None = None
    examples: list[str] = field(default_factory=list)  # of unreadable records
    # Hashes of what was seen, so that memory does not depend on how long the texts are.
    address_hashes: set[int] = field(default_factory=set)
    user_agent_hashes: set[int] = field(default_factory=set)

    @property
    def addresses(self) -> int:
        """Return how many addresses called; ``MOST_DISTINCT`` means that many or more."""
        return len(self.address_hashes)

    @property
    def user_agents(self) -> int:
        """Return how many user agents were logged; ``MOST_DISTINCT`` means that many or more."""
        return len(self.user_agent_hashes)

    def count(self, counts: Counts) -> None:
        """Add what a piece of a log holds; which of its uses are new is not known yet."""
        self.records += counts.records
        self.last_uses += len(counts.last_uses)
        self.ahead += len(counts.ahead)
        self.keyless += counts.keyless
        self.unreadable += counts.unreadable
        self._show(counts.examples)
        self._span(counts.first, counts.last)
        _note(self.address_hashes, set(map(hash, counts.addresses)))
        _note(self.user_agent_hashes, set(map(hash, counts.user_agents)))

    def add(self, other: Tally) -> None:
        """Add what became of other logs."""
        self.records += other.records
        self.sightings += other.sightings
        self.repeated += other.repeated
        self.last_uses += other.last_uses
        self.ahead += other.ahead
        self.keyless += other.keyless
        self.unreadable += other.unreadable
        self._show(other.examples)
        self._span(other.first, other.last)
        _note(self.address_hashes, other.address_hashes)
        _note(self.user_agent_hashes, other.user_agent_hashes)

    def _show(self, examples: list[str]) -> None:
        self.examples = (self.examples + examples)[:EXAMPLES]

    def _span(self, *instants: datetime | None) -> None:
        known = [at for at in (self.first, self.last, *instants) if at is not None]
        self.first, self.last = min(known, default=None), max(known, default=None)


def _note(hashes: set[int], values: set[int]) -> None:
    if len(hashes) < MOST_DISTINCT:
        hashes |= values
