"""The stream by which gateways hand on what they saw: sums of uses, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


class UseSum(NamedTuple):
    """Uses of one key by one caller within one hour, of one endpoint and one outcome, as a sum."""

    key_id: str
    account_id: str | None  # that the gateway took the caller for
    user_agent: str  # as sent; normalised when it becomes a source
    network: str  # the caller's address
    first_at: datetime  # aware UTC, by the gateway's clock
    last_at: datetime  # within the hour of ``first_at``
    uses: int
    refused: bool
    endpoint: str = ""  # what was called, as ``domain.usage.endpoints`` writes it, if known


@dataclass(frozen=True, slots=True)
class UseBatch:
    """What one gateway saw in a moment. A gateway sends its batches in order, one at a time.

    It sends one again when nobody told it whether it had arrived; so whoever counts goes by the
    numbers, not by what the stream calls its entries.
    """

    gateway: str  # the process; a random name
    number: int  # 1, 2, 3, … of this gateway
    dropped: int  # uses that it could not keep since its last batch
    sums: Sequence[UseSum]


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry of the stream: a batch, or why it is none."""

    name: str  # given by the stream, and used to forget it
    batch: UseBatch | None
    why: str = ""


class UsageStream(Protocol):
    """The end where batches come out. Every call raises ``Unavailable`` if nobody answers."""

    def read(self, limit: int) -> Sequence[StreamEntry]:
        """Read the first entries that are not forgotten, in the order in which they came in."""
        ...

    def forget(self, names: Sequence[str]) -> None:
        """Take entries out for good; those that are gone already do not matter."""
        ...


class UsageSink(Protocol):
    """The end where batches go in."""

    async def append(self, batch: UseBatch) -> None:
        """Append a batch; raise ``Unavailable`` if nobody can say whether it arrived."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
