"""What was sent is kept for so many days, and shown again exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rollout.domain.audit import ROLLOUT, Fact, FactFilter, StoredFact
from rollout.domain.errors import NotFound
from rollout.domain.notices.proof import Proof, prove
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.letters import KeptLetter

BATCH = 1_000
MOST_FACTS = 200


@dataclass(frozen=True, slots=True)
class ProvenLetter:
    """A letter that told a notice, or may have, and whether it is what was sent."""

    letter: KeptLetter
    proof: Proof


@dataclass(frozen=True, slots=True)
class ShownNotice:
    """Everything that is known about one notice."""

    about: Mapping[str, Any]
    facts: Sequence[StoredFact]  # the oldest first
    letters: Sequence[ProvenLetter]  # a second one only if nobody knows of the first


class KeptLetters:
    """Shows letters, and drops the bytes of old ones."""

    def __init__(self, start: StartUnitOfWork, keep: timedelta | None) -> None:
        """``keep``: how long; None: for ever."""
        self._start = start
        self._keep = keep

    def show(self, notice_id: int) -> ShownNotice:
        """Return a notice with its letters, or raise ``NotFound``."""
        with self._start() as uow:
            about = uow.letters.notice(notice_id)
            if about is None:
                raise NotFound(
                    f"there is no notice {notice_id}", fix="`rollout notice list` lists them"
                )
            subject = f"account:{about['account_id']}"
            which = FactFilter(subject=subject, notice_id=notice_id)
            facts = uow.audit.facts(which, None, MOST_FACTS)[::-1]
            letters = uow.letters.of(notice_id)
        recorded, kept = _recorded(facts), {letter.digest for letter in letters}
        proven = [
            ProvenLetter(
                letter,
                prove(
                    letter.data,
                    letter.digest,
                    spoilt=letter.spoilt,
                    recorded=recorded,
                    kept=kept,
                ),
            )
            for letter in letters
        ]
        return ShownNotice(about, facts, proven)

    def drop_old(self) -> int:
        """Drop the bytes of letters that need not be kept; their digests stay. Return how many."""
        if self._keep is None:
            return 0
        with self._start() as uow:
            before = uow.now() - self._keep
            dropped = uow.letters.empty(before, BATCH)
            if dropped:
                data = {"before": before.isoformat(), "letters": dropped}
                uow.audit.append([Fact(ROLLOUT, "letters.dropped", "letters", None, data)])
            uow.commit()
        return dropped


def _recorded(facts: Sequence[StoredFact]) -> set[bytes]:
    named = (json.loads(fact.data).get("sha256") for fact in facts)
    return {bytes.fromhex(digest) for digest in named if digest}
