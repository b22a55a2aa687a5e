"""The account of an import: what became of each record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rollout.domain.usage import Sighting
from rollout.services.ports import Keyless, Unreadable

MOST_DISTINCT = 1_000_000  # distinct values are counted exactly up to here, and no further
EXAMPLES = 5  # unreadable records that are shown


@dataclass(slots=True)
class Tally:
    """What became of the records of one or more logs; ``records`` is the sum of the next four."""

    records: int = 0
    sightings: int = 0  # uses of a key that were counted
    repeated: int = 0  # uses that had been counted before
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

    def add(self, other: Tally) -> None:
        """Add what became of other logs."""
        self.records += other.records
        self.sightings += other.sightings
        self.repeated += other.repeated
        self.keyless += other.keyless
        self.unreadable += other.unreadable
        self.examples = (self.examples + other.examples)[:EXAMPLES]
        for at in (other.first, other.last):
            if at is not None:
                self._span(at)
        for mine, theirs in (
            (self.address_hashes, other.address_hashes),
            (self.user_agent_hashes, other.user_agent_hashes),
        ):
            for value in theirs:
                _note(mine, value)

    def see(self, record: Sighting | Keyless) -> None:
        """Note when and from where a record was made."""
        if record.at is not None:
            self._span(record.at)
        if record.network:
            _note(self.address_hashes, hash(record.network))
        if record.user_agent:
            _note(self.user_agent_hashes, hash(record.user_agent))

    def refuse(self, log_name: str, record: Unreadable) -> None:
        """Count a record that cannot be used; the first few are shown."""
        self.unreadable += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{log_name}: {record.where}: {record.why}: {record.example}")

    def _span(self, at: datetime) -> None:
        if self.first is None or at < self.first:
            self.first = at
        if self.last is None or at > self.last:
            self.last = at


def _note(hashes: set[int], value: int) -> None:
    if len(hashes) < MOST_DISTINCT:
        hashes.add(value)
