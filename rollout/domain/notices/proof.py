"""Is what is kept of a letter what was sent? Judged by digests, and by the facts that name them."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from hashlib import sha256


class Proof(StrEnum):
    """How sure it is that the bytes at hand are those that were handed over."""

    PROVEN = "proven"  # they have the digest that a fact names
    UNRECORDED = "unrecorded"  # they have the digest kept with them; no fact names it (yet)
    GONE = "gone"  # no bytes are kept any longer: the digest is
    ALTERED = "altered"  # they are not what was handed over

    @property
    def sentence(self) -> str:
        """Say it to a person."""
        return _SENTENCES[self]


_SENTENCES = {
    Proof.PROVEN: "byte for byte what was sent: its SHA-256 is the one in the facts",
    Proof.UNRECORDED: "its SHA-256 is the one kept with it; no fact says yet what became of it",
    Proof.GONE: "its bytes are not kept any longer (ROLLOUT_LETTERS_DAYS); its SHA-256 is",
    Proof.ALTERED: "NOT what was sent: what is kept was altered since",
}


def prove(
    data: bytes | None,
    digest: bytes,
    *,
    spoilt: bool,
    recorded: Collection[bytes],
    kept: Collection[bytes],
) -> Proof:
    """Judge one letter of a notice.

    ``recorded`` are the digests that the facts of the notice name, ``kept`` those of all letters
    that are kept of it. Where a fact names a letter that is not there, another stands in its place.
    """
    if spoilt or (data is not None and sha256(data).digest() != digest):
        return Proof.ALTERED
    if digest not in recorded and set(recorded) - set(kept):
        return Proof.ALTERED
    if data is None:
        return Proof.GONE
    return Proof.PROVEN if digest in recorded else Proof.UNRECORDED
