"""What a program is taken for: what its signature says, else what follows from its fan-out."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.domain.usage.fan_out import Fingerprint, infer
from rollout.domain.usage.signatures import Signatures


@dataclass(frozen=True, slots=True)
class Taken:
    """A candidate for the name of an integration; ``candidate`` is None where nothing speaks."""

    candidate: str | None
    how: str | None  # signature or fan_out
    confidence: float
    reasons: tuple[str, ...]
    sure: bool  # enough to be shown under that name


NOBODY = Taken(None, None, 0.0, (), sure=False)


def take_for(signatures: Signatures, example: str, seen: Fingerprint | None) -> Taken:
    """Say what a program is; ``example`` is one of its user agents as they were logged.

    A signature goes before fan-out, which needs to know what the program did.
    """
    named = signatures.identify(example)
    if named is not None:
        return Taken(named.name, "signature", named.confidence, named.reasons, sure=True)
    inferred = infer(seen) if seen is not None else None
    if inferred is None or seen is None:
        return NOBODY
    found = ("fan_out", inferred.confidence, inferred.reasons)
    return Taken(seen.user_agent, *found, sure=inferred.may_name)
