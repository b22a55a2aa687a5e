"""Who calls, by the names that callers give themselves.

A vendor or a tool is named by evidence, each piece with its weight: what the user agent says, what
the client says it is, and whose range the address lies in. A library never names anybody: it says
what a program is made with. Nor does a browser, which says that a person is at work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from itertools import chain

from rollout.domain.usage.name_patterns import compile_pattern, key_of_pattern, keys_of_name
from rollout.domain.usage.published_ranges import Network, PublishedRanges
from rollout.domain.usage.user_agent_kinds import UserAgentKind, kind_of_user_agent
from rollout.domain.usage.user_agents import normalise_user_agent

NAMED_FROM = 0.5  # of confidence; below that a candidate is not a name
CLEARLY = 0.4  # of the next best candidate's doubt is all that the best may leave

# How far one piece of evidence goes by itself. Independent pieces add up.
SAYS_ITS_NAME = 0.9
SAYS_ITS_NAME_PERHAPS = 0.7  # the pattern was not checked against the vendor's real traffic
CLIENT_SAYS = 0.8
IN_ITS_RANGE = 0.3  # others may call from there as well
IN_ITS_OWN_RANGE = 0.7
EMBEDS_A_LIBRARY = 0.6  # in a range, with somebody else's library: its product has that built in


class SignatureKind(StrEnum):
    """What a signature stands for."""

    VENDOR = "vendor"  # a company whose service calls for its customers
    TOOL = "tool"  # a program that anybody may run
    LIBRARY = "library"  # what programs are made with; never a name for who calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """How one vendor, tool or library is known. Patterns are those of ``name_patterns``."""

    name: str
    kind: SignatureKind = SignatureKind.VENDOR
    category: str = ""
    home_page: str = ""
    migration_url: str = ""  # where it says how customers move from keys to OAuth; https
    contact: str = ""
    user_agents: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()  # the header, or the OAuth client, that a feed reads
    networks: tuple[Network, ...] = ()
    exclusive: bool = False  # nobody else calls from those networks
    verified: bool = True  # its user agents were seen, or are documented
    publisher: str = ""  # of a library: the vendor whose interface it is for


@dataclass(frozen=True, slots=True)
class Named:
    """A name for who calls, how sure that is (0 to 1), and why, in short sentences."""

    name: str
    confidence: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Where in a text a signature was found."""

    signature: Signature
    start: int
    end: int

    def covers(self, other: _Found) -> bool:
        """Say whether the other's text is but a part of this one's, or the same of a library."""
        around = self.start <= other.start and other.end <= self.end
        longer = self.end - self.start > other.end - other.start
        library = self.signature.kind is SignatureKind.LIBRARY
        return around and self.signature is not other.signature and (longer or library)


_NOBODY = Named("", 0.0, ())


class _Finder:
    """Finds the signatures whose patterns match a text."""

    def __init__(self, patterns: Iterable[tuple[str, Signature]]) -> None:
        self._by_key = defaultdict(list)
        for pattern, signature in patterns:
            self._by_key[key_of_pattern(pattern)].append((compile_pattern(pattern), signature))

    def find(self, text: str) -> list[_Found]:
        """Return what matches, without what is only a part of something longer that matches."""
        keys = self._by_key.keys() & keys_of_name(text) if text else ()
        candidates = chain.from_iterable(self._by_key[key] for key in keys)
        found = [
            _Found(signature, *match.span())
            for pattern, signature in candidates
            if (match := pattern.search(text))
        ]
        if len(found) < 2:  # noqa: PLR2004 - nothing to compare
            return found
        return [one for one in found if not any(other.covers(one) for other in found)]


@dataclass(slots=True)
class _Case:
    """What speaks for one name."""

    doubt: float = 1.0
    reasons: list[str] = field(default_factory=list)

    def add(self, weight: float, reason: str) -> None:
        self.doubt *= 1 - weight
        self.reasons.append(reason)


class Signatures:
    """All signatures together. Later ones replace earlier ones of the same name."""

    def __init__(self, signatures: Iterable[Signature]) -> None:
        self._all = {signature.name: signature for signature in signatures}
        everyone = tuple(self._all.values())
        self._user_agents = _Finder((p, s) for s in everyone for p in s.user_agents)
        self._clients = _Finder((p, s) for s in everyone for p in s.clients)
        self._ranges = PublishedRanges((s.name, n) for s in everyone for n in s.networks)
        self.digest = sha256(repr(sorted(map(astuple, everyone))).encode()).digest()
        self.identify = lru_cache(maxsize=65_536)(self._identify)
        self._found_in_user_agent = lru_cache(maxsize=16_384)(self._find_in_user_agent)

    def __reduce__(self) -> tuple[type[Signatures], tuple[tuple[Signature, ...]]]:
        """Travel to another process without the caches."""
        return Signatures, (tuple(self),)

    def __iter__(self) -> Iterator[Signature]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def get(self, name: str) -> Signature | None:
        """Return the signature of that name, if there is one."""
        return self._all.get(name)

    def library(self, user_agent: str) -> Signature | None:
        """Return the library that a user agent says its program is made with, if one is known."""
        found = self._found_in_user_agent(normalise_user_agent(user_agent))
        return next((s for s in found if s.kind is SignatureKind.LIBRARY), None)

    def kind_of(self, user_agent: str) -> UserAgentKind:
        """Return what a user agent says about who calls; the file may know more libraries."""
        kind = kind_of_user_agent(user_agent)
        if kind is UserAgentKind.PRODUCT and self.library(user_agent):
            return UserAgentKind.LIBRARY
        return kind

    def candidates(self, user_agent: str, network: str = "", client: str = "") -> list[Named]:
        """Return every name for which something speaks, the most likely first.

        ``user_agent`` may be as logged or normalised; ``network`` and ``client`` may be anything.
        """
        cases: dict[str, _Case] = defaultdict(_Case)
        for found in self._clients.find(client):
            cases[found.signature.name].add(CLIENT_SAYS, "the client names it")
        if kind_of_user_agent(user_agent) is not UserAgentKind.BROWSER:
            self._hear_user_agent(cases, normalise_user_agent(user_agent))
            self._hear_network(cases, network, self.library(user_agent))
        named = [
            Named(name, round(1 - case.doubt, 2), tuple(case.reasons))
            for name, case in cases.items()
            if self._all[name].kind is not SignatureKind.LIBRARY
        ]
        return sorted(named, key=lambda one: (-one.confidence, one.name))

    def _identify(self, user_agent: str, network: str = "", client: str = "") -> Named | None:
        """Return who calls, if the evidence is good, and clearly better than for anybody else."""
        best, *others = self.candidates(user_agent, network, client)[:2] or (_NOBODY,)
        doubt_of_next = 1 - others[0].confidence if others else 1.0
        clear = 1 - best.confidence <= CLEARLY * doubt_of_next or not others
        sure = best.confidence >= NAMED_FROM and clear
        return best if sure else None

    def _find_in_user_agent(self, name: str) -> tuple[Signature, ...]:
        return tuple({found.signature: None for found in self._user_agents.find(name)})

    def _hear_user_agent(self, cases: dict[str, _Case], name: str) -> None:
        for signature in self._found_in_user_agent(name):
            if signature.verified:
                cases[signature.name].add(SAYS_ITS_NAME, "the user agent names it")
            else:
                reason = "the user agent has its name, though not in a form that was seen before"
                cases[signature.name].add(SAYS_ITS_NAME_PERHAPS, reason)

    def _hear_network(
        self, cases: dict[str, _Case], network: str, library: Signature | None
    ) -> None:
        for name in self._ranges.holders(network):
            weight = IN_ITS_OWN_RANGE if self._all[name].exclusive else IN_ITS_RANGE
            if library is not None and library.publisher not in {"", name}:
                weight = max(weight, EMBEDS_A_LIBRARY)
                made_with = f"the user agent is {library.name}, which others build in"
                cases[name].reasons.append(made_with)
            cases[name].add(weight, "the address is in a range that it publishes")
