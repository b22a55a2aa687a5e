"""Third parties found by fan-out: one source that uses the keys of many unrelated accounts.

Two ways to be found. A program with a name of its own is one party, wherever it runs. A program
without one (a bare ``python-requests``) is a hundred people's scripts, and one party only in a
network that shows nothing else and comes back for the same accounts: an office shows many programs,
and whoever shares the addresses of build machines is seldom seen at the same one again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from math import log

from rollout.domain.usage.published_ranges import is_anybodys_address

NAMING = 0.6  # confidence from which an inference may be shown under a name
LEAST_ACCOUNTS = 3  # unrelated ones; two may be an agency and its client
SURE_ACCOUNTS = 50  # from here on, more of them add nothing
OWN_SERVERS = 0.5  # of the accounts through one network; less may be an office or a shared range

# These four make 1 together.
OWN_NAME = 0.45  # what a name of its own is worth
FAN_OUT = 0.35  # many accounts
ONE_PLACE = 0.1  # servers of its own
STEADY = 0.1  # at work over time
SURE_DAYS = 20  # of activity

NAMELESS_ACCOUNTS = 10  # that a network comes back for, before one without a name is a candidate
RETURNING = 0.5  # of its accounts; less may be strangers who share an address
NAMELESS_LEAST = 0.2
NAMELESS_MOST = 0.5  # never enough for a name

SHOWN = 100  # characters of a user agent in a sentence
READ = 1_000  # characters of it that are looked at

# Words that programs call themselves when nobody gave them a name.
# fmt: off
_COMMON_WORDS = frozenset({
    "agent", "api", "app", "application", "backend", "bot", "cli", "client", "crawler", "curl",
    "custom", "daemon", "default", "demo", "dev", "example", "fetch", "fetcher", "frontend",
    "http", "https", "integration", "job", "lib", "library", "localhost", "my", "none", "null",
    "plugin", "prod", "production", "requests", "script", "sdk", "server", "service", "staging",
    "sync", "test", "tester", "testing", "tool", "undefined", "unknown", "user", "useragent",
    "web", "webhook", "worker",
})
# fmt: on
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one normalised user agent did, over all networks. Instants are aware UTC.

    ``accounts`` are unrelated: those of one owner count once.
    """

    user_agent: str
    kind: str  # browser, library, none or product
    accounts: int
    keys: int
    networks: int
    busiest_network_accounts: int  # accounts that it calls for through the network with most
    active_days: int  # UTC days with a use
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class NetworkFingerprint:
    """What one normalised user agent did in one network. Instants are aware UTC.

    ``accounts`` are unrelated: those of one owner count once. ``returning`` are those of them that
    it called for again a day later or more.
    """

    network: str  # as logged
    programs: int  # that the network shows; two of them stand for more
    user_agent: str
    kind: str  # browser, library, none or product
    accounts: int
    returning: int
    keys: int
    first_at: datetime
    last_at: datetime

    @property
    def candidate(self) -> str:
        """What it is called until somebody gives it a name."""
        return f"{_program(self)} from {self.network}"


@dataclass(frozen=True, slots=True)
class Inference:
    """That a third party is behind it: how sure that is from 0 to 1, and why, in sentences."""

    confidence: float
    reasons: tuple[str, ...]

    @property
    def may_name(self) -> bool:
        """Whether it is sure enough to be shown under a name, not as a candidate only."""
        return self.confidence >= NAMING


def infer(seen: Fingerprint) -> Inference | None:
    """Say whether one user agent is a third party; None where nothing speaks for it.

    Browsers are people, and programs without a name of their own are never one party across
    networks: for those see ``infer_network``.
    """
    if not _named(seen.kind, seen.user_agent) or seen.accounts < LEAST_ACCOUNTS:
        return None
    part = min(1.0, seen.busiest_network_accounts / seen.accounts)
    own_servers = seen.busiest_network_accounts >= LEAST_ACCOUNTS and part >= OWN_SERVERS
    confidence = (
        OWN_NAME
        + FAN_OUT * _many(seen.accounts)
        + ONE_PLACE * (part if own_servers else 0)
        + STEADY * min(1.0, seen.active_days / SURE_DAYS)
    )
    return Inference(
        round(confidence, 2),
        (
            _accounts(seen.accounts, seen.keys),
            f"its user agent {_shown(seen.user_agent)} is the name of a product",
            _places(seen, own_servers=own_servers),
            _days(seen.active_days, seen.first_at, seen.last_at),
        ),
    )


def infer_network(seen: NetworkFingerprint) -> Inference | None:
    """Say whether one network is a third party whose program has no name of its own.

    Only a candidate, never sure enough for a name: and only where the network shows no second
    program, since an office or a proxy shows many, and comes back for most of its accounts, since a
    shared range of build machines or telephones does not.
    """
    if seen.programs != 1 or not _is_place(seen):
        return None
    if seen.kind == "browser" or _named(seen.kind, seen.user_agent):
        return None
    if seen.returning < max(NAMELESS_ACCOUNTS, RETURNING * seen.accounts):
        return None
    sure = _many(seen.returning) * seen.returning / seen.accounts
    return Inference(
        round(NAMELESS_LEAST + (NAMELESS_MOST - NAMELESS_LEAST) * sure, 2),
        (
            _accounts(seen.accounts, seen.keys),
            (
                f"all of it comes from the network {_shown(seen.network)}, which shows"
                f" {_shown(_program(seen))} and nothing else: an office would show many programs"
            ),
            (
                f"it came back for {seen.returning} of these accounts on another day, from"
                f" {seen.first_at:%Y-%m-%d} to {seen.last_at:%Y-%m-%d}: who shares an address with"
                " strangers seldom does"
            ),
            "it gives itself no name of its own, so this is a candidate only",
        ),
    )


def has_own_name(user_agent: str) -> bool:
    """Say whether a product's user agent holds a word that is more than what anybody would write.

    >>> has_own_name("stratus-red-team"), has_own_name("my-test-client"), has_own_name("-")
    (True, False, False)
    """
    words = _WORD.findall(user_agent[:READ].lower())
    return any(len(word) > 1 and word not in _COMMON_WORDS for word in words)


def _program(seen: NetworkFingerprint) -> str:
    return "no user agent" if seen.kind == "none" else seen.user_agent


def _is_place(seen: NetworkFingerprint) -> bool:
    """Say whether the log tells from where, and not only which machine of ours passed it on."""
    return seen.network != "" and not (seen.kind == "none" and is_anybodys_address(seen.network))


def _named(kind: str, user_agent: str) -> bool:
    return kind == "product" and has_own_name(user_agent)


def _many(accounts: int) -> float:
    """Return 0 for the least number of accounts and 1 for enough, by equal factors."""
    return min(1.0, log(accounts / LEAST_ACCOUNTS) / log(SURE_ACCOUNTS / LEAST_ACCOUNTS))


def _accounts(accounts: int, keys: int) -> str:
    return f"it uses {_count(keys, 'key')} of {accounts} unrelated accounts"


def _places(seen: Fingerprint, *, own_servers: bool) -> str:
    if own_servers:
        return (
            f"{seen.busiest_network_accounts} of these accounts are called for from one network,"
            f" of {seen.networks}: servers of its own"
        )
    networks, most = seen.networks, seen.busiest_network_accounts
    return (
        f"it calls from {_count(networks, 'network')}, from none of them for more than"
        f" {_count(most, 'account')}: it runs where its users are"
    )


def _days(active: int, first_at: datetime, last_at: datetime) -> str:
    return (
        f"it was at work on {_count(active, 'day')} from {first_at:%Y-%m-%d} to {last_at:%Y-%m-%d}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shown(logged: str) -> str:
    """Quote what a stranger wrote: short, and without control characters."""
    return ascii(logged if len(logged) <= SHOWN else f"{logged[:SHOWN]}...")
