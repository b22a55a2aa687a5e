"""The audit stage: seal the facts into a chain, show them, prove them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

from rollout.domain.audit import GENESIS, FactFilter, StoredFact, canonical, seal_behind
from rollout.domain.audit_check import Loose, Report, Sealed, verify
from rollout.services.ports import StartUnitOfWork

PAGE = 5000  # rows read at a time
GRACE = timedelta(minutes=15)  # a fact that waits longer for its seal is reported


class Audit:
    """The trail of facts. Whoever changes something appends its facts in that transaction."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def seal(self, limit: int = PAGE) -> int:
        """Seal up to ``limit`` waiting facts; return how many. Only one process does it at a time.

        Facts are sealed here and not where they are written, because a cutoff of a million keys
        must not queue for the head of a chain (docs/decisions/0004).
        """
        with self._start() as uow:
            if not uow.audit.take_chain():
                return 0
            seals = list(seal_behind(uow.audit.head(), uow.audit.unsealed(limit)))
            uow.audit.seal(seals)
            uow.commit()
        return len(seals)

    def verify(self, noted_head: bytes | None = None) -> Report:
        """Check every seal and every fact; see ``domain.audit_check``. Changes nothing."""
        with self._start() as uow:
            now = uow.now()
        return verify(self._sealed(), self._loose(), now=now, grace=GRACE, noted_head=noted_head)

    def facts(self, which: FactFilter, limit: int | None = None) -> Iterator[StoredFact]:
        """Read the facts that match, the newest first."""
        before: int | None = None
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(limit, PAGE)
            with self._start() as uow:
                page = uow.audit.facts(which, before, size)
            yield from page
            if len(page) < size:
                return
            before = page[-1].seq
            limit = None if limit is None else limit - size

    def export(self) -> Iterator[bytes]:
        """Write the chain as NDJSON: a line for each seal, with its fact as the bytes it seals.

        The last line counts them and names the head; a file without it is not complete.
        """
        count, head = 0, GENESIS
        for row in self._sealed():
            count, head = count + 1, row.seal
            fact = b"null" if row.fact is None else canonical(row.fact)
            start = f'{{"position": {head.position}, "digest": "{head.digest.hex()}", "fact": '
            yield start.encode() + fact + b"}\n"
        with self._start() as uow:
            waiting = uow.audit.waiting()
        summary = {"count": count, "head": head.digest.hex(), "waiting": waiting}
        yield json.dumps(summary).encode() + b"\n"

    def _sealed(self) -> Iterator[Sealed]:
        """Read the chain page by page, each in a transaction of its own.

        One snapshot over millions of rows would hold back vacuum, and a reader that pauses would
        lose it. The chain only grows at its end, so the pages fit together.
        """
        after: int | None = None
        while True:
            with self._start() as uow:
                page = uow.audit.sealed(after, PAGE)
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1].seal.position

    def _loose(self) -> Iterator[Loose]:
        with self._start() as uow:
            yield from uow.audit.loose()
