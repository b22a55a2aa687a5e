"""Who calls, according to logs alone: nothing is kept, and no key need be registered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from rollout.domain.usage import Sighting, Signatures, normalise_user_agent
from rollout.domain.usage.fan_out import Fingerprint
from rollout.domain.usage.taking import Taken, take_for
from rollout.services.ports import Keyless, LastUse, Log, Unreadable, UsageFeed


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One caller: an integration, or a program that is none."""

    name: str  # of the integration, or the normalised user agent
    kind: str | None  # signature or fan_out; None: it is no integration
    confidence: float | None
    reasons: Sequence[str]
    requests: int
    with_key: int
    refused: int
    keys: int
    accounts: int
    networks: int
    user_agents: int  # as logged
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(slots=True)
class _Seen:
    requests: int = 0
    with_key: int = 0
    refused: int = 0
    keys: set[str] = field(default_factory=set)
    accounts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # → networks
    networks: set[str] = field(default_factory=set)
    user_agents: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    first: datetime | None = None
    last: datetime | None = None

    def merge(self, other: _Seen) -> None:
        self.requests += other.requests
        self.with_key += other.with_key
        self.refused += other.refused
        self.keys |= other.keys
        for account, networks in other.accounts.items():
            self.accounts[account] |= networks
        self.networks |= other.networks
        self.user_agents |= other.user_agents
        self.days |= other.days
        for at in (other.first, other.last):
            self.span(at)

    def span(self, at: datetime | None) -> None:
        if at is None:
            return
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        self.days.add(at.date())


class Survey:
    """Reads logs, and says who calls."""

    def __init__(self, signatures: Signatures) -> None:
        self._signatures = signatures
        self._programs: dict[str, _Seen] = defaultdict(_Seen)
        self.records = 0
        self.unreadable = 0
        self.example = ""  # of what is unreadable
        self.passed_over: list[str] = []  # logs of which nothing can be read: of another kind

    def read(self, logs: Iterable[Log], reader: UsageFeed) -> None:
        """Read logs. Raises ``BadInput`` for a damaged one."""
        for log in logs:
            self._read(log, reader)

    def _read(self, log: Log, reader: UsageFeed) -> None:
        records = unreadable = 0
        example = ""
        for reading in reader.read(log):
            records += 1
            if isinstance(reading, Unreadable):
                unreadable += 1
                example = example or f"{log.name}, {reading.where}: {reading.why}"
            elif not isinstance(reading, LastUse):
                _note(self._programs[normalise_user_agent(reading.user_agent)], reading)
        if records and unreadable == records:
            self.passed_over.append(log.name)
            return
        self.records += records
        self.unreadable += unreadable
        self.example = self.example or example

    def callers(self) -> list[Surveyed]:
        """Return who called, the busiest first; programs of one integration are one caller."""
        parties: dict[tuple[str, bool], tuple[_Seen, Taken]] = {}
        for program, seen in self._programs.items():
            taken = self._take_for(program, seen)
            name = taken.candidate if taken.sure and taken.candidate else program
            if (name, taken.sure) in parties:
                parties[name, taken.sure][0].merge(seen)
            else:
                parties[name, taken.sure] = (seen, taken)
        surveyed = [_surveyed(name, *party) for (name, _), party in parties.items()]
        return sorted(surveyed, key=lambda one: (-one.requests, one.name))

    def _take_for(self, program: str, seen: _Seen) -> Taken:
        example = min(seen.user_agents, default="")
        return take_for(self._signatures, example, self._fingerprint(program, example, seen))

    def _fingerprint(self, program: str, example: str, seen: _Seen) -> Fingerprint | None:
        if seen.first is None or seen.last is None:
            return None
        through = Counter(network for networks in seen.accounts.values() for network in networks)
        return Fingerprint(
            user_agent=program,
            kind=self._signatures.kind_of(example),
            accounts=len(seen.accounts),
            keys=len(seen.keys),
            networks=len(seen.networks),
            busiest_network_accounts=max(through.values(), default=0),
            active_days=len(seen.days),
            first_at=seen.first,
            last_at=seen.last,
        )


def _note(seen: _Seen, reading: Sighting | Keyless) -> None:
    seen.requests += 1
    seen.networks.add(reading.network)
    seen.user_agents.add(reading.user_agent)
    seen.span(reading.at)
    if isinstance(reading, Sighting):
        seen.with_key += 1
        seen.refused += reading.refused
        seen.keys.add(reading.key_id)
    if reading.account_id:
        seen.accounts[reading.account_id].add(reading.network)


def _surveyed(name: str, seen: _Seen, taken: Taken) -> Surveyed:
    return Surveyed(
        name=name,
        kind=taken.how if taken.sure else None,
        confidence=taken.confidence if taken.sure else None,
        reasons=taken.reasons if taken.sure else (),
        requests=seen.requests,
        with_key=seen.with_key,
        refused=seen.refused,
        keys=len(seen.keys),
        accounts=len(seen.accounts),
        networks=len(seen.networks),
        user_agents=len(seen.user_agents),
        first_seen=seen.first,
        last_seen=seen.last,
    )
