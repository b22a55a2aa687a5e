"""What naming those who call asks of the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.usage.fan_out import Inference, NetworkFingerprint


@dataclass(frozen=True, slots=True)
class DueCaller:
    """A program that has called since it was last looked at, its row locked."""

    user_agent: str  # normalised
    example: str  # as logged
    integration: str | None  # what it has been called until now
    accounts: int  # unrelated ones: those of one owner count once
    keys: int
    networks: int
    busiest_network_accounts: int
    crowded: Sequence[str]  # networks through which it calls for enough accounts to be looked at
    active_days: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class TellingSource:
    """A source that says more of itself than its user agent: a client, or an address in a range."""

    source_id: bytes
    user_agent: str  # as logged
    network: str
    client: str
    integration: str | None  # what it has been called until now, if not as its program


@dataclass(frozen=True, slots=True)
class NamedCaller:
    """What a program was taken for, and what it is called: None if nobody can be sure."""

    seen: DueCaller
    kind: str  # browser, library, product or none
    candidate: str | None
    how: str | None  # signature or fan_out
    confidence: float
    reasons: Sequence[str]
    integration: str | None


@dataclass(frozen=True, slots=True)
class CrowdedSource:
    """A program in one network, with keys of many accounts."""

    source_id: bytes
    seen: NetworkFingerprint
    candidate: str | None  # what its program was taken for, over all networks
    integration: str | None  # what the source has been called until now, if not as its program


@dataclass(frozen=True, slots=True)
class NamedSource:
    """What a program was taken for in one network, and what people call it there."""

    source: CrowdedSource
    inference: Inference | None  # None: for nobody
    integration: str | None


@dataclass(frozen=True, slots=True)
class Pages:
    """What a signature says of where to read about its integration; empty where it does not."""

    home_page: str
    migration_url: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said of a candidate: its name, or that it is no integration."""

    integration: str | None
    migration_url: str | None = None  # None: nothing new; empty: there is no such page
    keep: bool = True  # what was said of its page before still holds


class CallerRepository(Protocol):
    """Speaks inside one unit of work."""

    def use_signatures(self, digest: bytes) -> bool:
        """Make every caller due if other signatures were used before; say whether that is so."""
        ...

    def claim_due(self, limit: int) -> Sequence[DueCaller]:
        """Lock programs that have called since they were last looked at."""
        ...

    def telling_sources(self, user_agents: Collection[str]) -> Sequence[TellingSource]:
        """Read the sources of these programs that say which client they are."""
        ...

    def decisions(self) -> Mapping[str, Decision]:
        """Return what people have said, by candidate."""
        ...

    def save(self, callers: Sequence[NamedCaller]) -> None:
        """Write what programs were taken for."""
        ...

    def crowded_sources(
        self, source_ids: Collection[bytes], user_agents: Collection[str]
    ) -> Sequence[CrowdedSource]:
        """Read these sources, and those that were taken for somebody in networks of the programs.

        What their own programs were taken for must have been saved.
        """
        ...

    def save_sources(
        self, crowded: Sequence[NamedSource], telling: Mapping[bytes, str | None]
    ) -> None:
        """Write what sources are, by their network or their client, other than their program."""
        ...

    def add_up(self, integrations: Collection[str], pages: Mapping[str, Pages]) -> None:
        """Count anew what these integrations do; those without a caller disappear."""
        ...

    def candidates_of(self, name: str) -> Sequence[str]:
        """Return the candidates that are called by this name, or are of it without being sure."""
        ...

    def decide(self, candidates: Sequence[str], said: Decision, owner: str) -> None:
        """Write what a person says of candidates, and look at their callers again."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names of all integrations and candidates, for an error that helps."""
        ...
