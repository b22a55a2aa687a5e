"""Verification of the chain: everything that is wrong with it, by name.

Each seal is checked against the digest *stored* in the one before it, so one changed fact breaks
one link and the check goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain as concatenated

from rollout.domain.audit import GENESIS, Seal, StoredFact, chain

NAMED = 1000  # breaks that a report names; the rest are counted
EXPLAINED = 100  # bad seals that are compared with each other, to tell a move from a change


class Break(StrEnum):
    """What can be wrong."""

    CHANGED = "changed"  # a fact is not what was sealed (or a row before it came or went)
    REPLACED = "replaced"  # a seal's digest was overwritten, its fact is what was sealed
    MOVED = "moved"  # facts or seals have changed places
    REMOVED = "removed"  # a fact was sealed, or waited for it, and is gone
    MISSING = "missing"  # a position of the chain is gone
    UNSEALED = "unsealed"  # a fact that is neither sealed nor waiting
    QUEUED_TWICE = "queued-twice"  # a sealed fact waits again
    OVERDUE = "overdue"  # a fact has waited for its seal longer than the grace
    REWRITTEN = "rewritten"  # a digest that was noted elsewhere is not in the chain


@dataclass(frozen=True, slots=True)
class Finding:
    """One break, in a sentence, with the fact and the position that it is about."""

    kind: Break
    message: str
    seq: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A seal and the fact that it names, as they stand; ``fact`` is None where it is gone."""

    seal: Seal
    fact: StoredFact | None


@dataclass(frozen=True, slots=True)
class Loose:
    """A fact without a seal, or an entry of the queue; ``at`` is None where the fact is gone."""

    seq: int
    at: datetime | None
    queued: bool
    sealed: bool

    @property
    def waiting(self) -> bool:
        """Whether this is a fact that will be sealed next."""
        return self.at is not None and self.queued and not self.sealed


@dataclass(slots=True)
class Report:
    """What a verification found. ``findings`` holds the first ``NAMED`` of ``broken``."""

    sealed: int = 0
    waiting: int = 0
    head: Seal = GENESIS
    noted_at: int | None = None  # the position of the digest that was noted elsewhere
    broken: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.broken


def verify(
    sealed: Iterable[Sealed],
    loose: Iterable[Loose],
    *,
    now: datetime,
    grace: timedelta,
    noted_head: bytes | None = None,
) -> Report:
    """Check the whole chain, by position, and everything outside it, by ``seq``.

    A fact may wait for its seal for ``grace``. ``noted_head`` is the digest of some earlier head:
    whoever rewrote the chain before it could not keep it.
    """
    report = Report(noted_at=0 if noted_head == GENESIS.digest else None)

    def walked() -> Iterator[Sealed]:
        for row in sealed:
            report.sealed += 1
            report.head = row.seal
            if row.seal.digest == noted_head:
                report.noted_at = row.seal.position
            yield row

    def counted() -> Iterator[Loose]:
        for row in loose:
            report.waiting += row.waiting
            yield row

    for finding in concatenated(check_chain(walked()), check_loose(counted(), now - grace)):
        _add(report, finding)
    if noted_head is not None and report.noted_at is None:
        message = f"the noted head {noted_head.hex()} is not in the chain: it was cut or rewritten"
        _add(report, Finding(Break.REWRITTEN, message))
    return report


def _add(report: Report, finding: Finding) -> None:
    report.broken += 1
    if len(report.findings) < NAMED:
        report.findings.append(finding)


def check_loose(rows: Iterable[Loose], overdue_before: datetime) -> Iterator[Finding]:
    """Name what is wrong outside the chain."""
    for row in rows:
        if row.at is None:
            yield Finding(
                Break.REMOVED, f"fact {row.seq} was removed before it was sealed", row.seq
            )
        elif row.queued and row.sealed:
            message = f"fact {row.seq} is sealed and yet queued again, which stops the sealing"
            yield Finding(Break.QUEUED_TWICE, message, row.seq)
        elif not row.queued:
            message = (
                f"fact {row.seq} is neither sealed nor waiting:"
                " it was slipped in, or its seal was removed"
            )
            yield Finding(Break.UNSEALED, message, row.seq)
        elif row.at < overdue_before:
            message = f"fact {row.seq} has waited for its seal since {row.at}: is a worker running?"
            yield Finding(Break.OVERDUE, message, row.seq)


def check_chain(rows: Iterable[Sealed]) -> Iterator[Finding]:
    """Name what is wrong with the seals, which come by position, and with their facts."""
    previous = GENESIS
    doubts: list[_Doubt] = []
    for row in rows:
        seal, fact = row.seal, row.fact
        follows = seal.position == previous.position + 1
        if not follows:
            yield _missing(previous, seal)
        if fact is None:
            message = f"fact {seal.seq}, sealed at position {seal.position}, was removed"
            yield Finding(Break.REMOVED, message, seal.seq, seal.position)
        elif follows and chain(previous.digest, fact) != seal.digest:
            doubt = _Doubt(previous, seal, fact)
            if len(doubts) < EXPLAINED:
                doubts.append(doubt)
            else:
                yield doubt.changed()
        previous = seal
    yield from _explain(doubts)


def _missing(previous: Seal, found: Seal) -> Finding:
    first, last = previous.position + 1, found.position - 1
    positions = f"position {first} is" if first == last else f"positions {first} to {last} are"
    message = (
        f"{positions} missing from the chain,"
        f" so fact {found.seq} at position {found.position} cannot be checked"
    )
    return Finding(Break.MISSING, message, found.seq, first)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """A seal whose digest does not follow from the seal before it and its fact."""

    previous: Seal
    seal: Seal
    fact: StoredFact

    @property
    def computed(self) -> bytes:
        return chain(self.previous.digest, self.fact)

    def found(self, kind: Break, what: str) -> Finding:
        place = f"fact {self.seal.seq} at position {self.seal.position}"
        return Finding(kind, f"{place} {what}", self.seal.seq, self.seal.position)

    def changed(self) -> Finding:
        recorded, computed = self.seal.digest.hex()[:16], self.computed.hex()[:16]
        what = (
            "is not what was sealed, or a row before it was taken out or slipped in:"
            f" recorded {recorded}…, computed {computed}…"
        )
        return self.found(Break.CHANGED, what)


def _explain(doubts: list[_Doubt]) -> Iterator[Finding]:
    """Tell apart, for each bad seal, a fact that was changed, a move, and a replaced digest."""
    by_position = {doubt.seal.position: doubt for doubt in doubts}
    for doubt in doubts:
        before = by_position.get(doubt.previous.position)
        after = by_position.get(doubt.seal.position + 1)
        if before and _mends(before, doubt):
            continue  # nothing is wrong with this one but the digest before it
        if after and _mends(doubt, after):
            yield doubt.found(Break.REPLACED, "has a digest that is not the one it was sealed with")
        else:
            yield _moved(doubt, doubts) or doubt.changed()


def _mends(before: _Doubt, after: _Doubt) -> bool:
    """Whether computing the first seal anew makes the second one right."""
    return chain(before.computed, after.fact) == after.seal.digest


def _moved(doubt: _Doubt, doubts: list[_Doubt]) -> Finding | None:
    for seal in (s for other in doubts for s in (other.previous, other.seal)):
        if chain(seal.digest, doubt.fact) == doubt.seal.digest:
            was = f"the seal that now has position {seal.position}"
            return doubt.found(Break.MOVED, f"was moved: it was sealed right after {was}")
    for other in doubts:
        renumbered = replace(other.fact, seq=doubt.seal.seq)
        for fact in (other.fact, renumbered):
            if chain(doubt.previous.digest, fact) == doubt.seal.digest:
                was = f"now stands as fact {other.fact.seq}"
                return doubt.found(Break.MOVED, f"was moved: what was sealed here {was}")
    return None
