"""Facts: what happened to what, by whom, why; and the hash chain over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the audit trail. ``subject`` is ``kind:id``, such as ``account:acme``."""

    actor: str  # an operator's name, or `rollout` for what happens by itself
    action: str  # `noun.verb-in-the-past`, such as `key.cut`
    subject: str
    reason: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


ROLLOUT = "rollout"  # the actor of everything that nobody asked for by hand


@dataclass(frozen=True, slots=True)
class StoredFact:
    """A fact as the database holds it. ``at`` is aware.

    ``data`` is the JSON text that the database writes for it: keys in one order, none twice,
    numbers with all their digits. Parsing it would lose some of them.
    """

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str | None
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactFilter:
    """Which facts to list: all that is given must match. ``since <= at < until``."""

    subject: str | None = None
    account: str | None = None  # the account itself, and each of its keys
    notice_id: int | None = None  # that the fact is about; give its account as well
    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain: the fact ``seq`` was sealed as the ``position``-th."""

    position: int
    seq: int
    digest: bytes


# What the first seal follows. The text names the format of the chain.
GENESIS = Seal(0, 0, hashlib.sha256(b"rollout audit chain, format 1").digest())

_quote = json.JSONEncoder(ensure_ascii=False).encode


def canonical(fact: StoredFact) -> bytes:
    """Return the bytes that are sealed: one JSON object, UTF-8, its keys always in this order.

    ``at`` is RFC 3339 in UTC with microseconds. Two facts that differ anywhere differ here.
    """
    at = fact.at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return (
        f'{{"seq": {fact.seq}, "at": "{at}Z", "actor": {_quote(fact.actor)},'
        f' "action": {_quote(fact.action)}, "subject": {_quote(fact.subject)},'
        f' "reason": {_quote(fact.reason)}, "data": {fact.data}}}'
    ).encode()


def chain(previous: bytes, fact: StoredFact) -> bytes:
    """Return the digest that seals a fact behind the digest of the seal before it (SHA-256)."""
    return hashlib.sha256(previous + canonical(fact)).digest()


def seal_behind(head: Seal, facts: Iterable[StoredFact]) -> Iterator[Seal]:
    """Seal facts one behind the other, the first behind ``head``."""
    for fact in facts:
        head = Seal(head.position + 1, fact.seq, chain(head.digest, fact))
        yield head
