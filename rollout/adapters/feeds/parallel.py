"""Counts pieces of logs at once: parsing is the work, and one processor is too slow.

A bulk feed uses all processors from within one process. The others need processes of their own:
pieces are counted in any order and handed on in theirs, so what comes out is what one process
would say. Few are under way at a time, so memory does not depend on the size of a log.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from multiprocessing import get_context

from rollout.adapters.feeds.packing import PackedCounts, pack
from rollout.adapters.feeds.reading import Piece, cut_at_lines
from rollout.domain.errors import BadInput
from rollout.services.ports import BulkFeed, Counting, Counts, Log, UsageFeed
from rollout.services.usage.counting import InTurn, count_log, count_piece

PIECE = 12 << 20  # bytes of whole lines: of more, counting would be faster and memory larger
WHOLE = 64 << 20  # bytes up to which a log that cannot be cut is counted elsewhere, as a whole
WORTH_IT = 8 << 20  # bytes of logs below which other processes would cost more than they save


@contextmanager
def counting(reader: UsageFeed, size: int) -> Iterator[Counting]:
    """Hand out what counts logs of so many bytes; its processes end on leaving."""
    processors = len(os.sched_getaffinity(0))
    if isinstance(reader, BulkFeed):
        yield InPieces()
    elif size < WORTH_IT or processors == 1:
        yield InTurn()
    else:
        with ProcessPoolExecutor(processors, get_context("spawn")) as pool:
            yield Parallel(pool, at_once=processors + 1)


class InPieces:
    """Implements ``services.ports.Counting`` for bulk feeds: they use all processors themselves."""

    def count(
        self, reader: UsageFeed, logs: Iterable[Log], latest: datetime
    ) -> Iterator[tuple[Log, Iterator[Counts]]]:
        """Read logs one after the other, and count each piece by piece."""
        for log in logs:
            pieces = cut_at_lines(log, PIECE)
            yield log, (count_piece(reader, piece, latest) for piece in pieces)


class Parallel:
    """Implements ``services.ports.Counting`` over a pool of processes."""

    def __init__(self, pool: ProcessPoolExecutor, at_once: int) -> None:
        self._pool = pool
        self._at_once = at_once

    def count(
        self, reader: UsageFeed, logs: Iterable[Log], latest: datetime
    ) -> Iterator[tuple[Log, Iterator[Counts]]]:
        """Read logs one after the other, the next ones ahead of time, and count their pieces."""
        ahead = _Ahead(self._pool, self._at_once, reader, logs, latest)
        while work := ahead.next():
            yield work.log, ahead.counts(work)


@dataclass(slots=True)
class _Work:
    """One log: its pieces to come, those under way, and how its reading ended."""

    log: Log
    pieces: Iterator[Log]
    under_way: deque[Future[PackedCounts] | Iterator[Counts]] = field(default_factory=deque)
    read: bool = False
    damage: BadInput | None = None


class _Ahead:
    """Keeps a number of pieces under way, of as many logs as that takes."""

    def __init__(
        self,
        pool: ProcessPoolExecutor,
        at_once: int,
        reader: UsageFeed,
        logs: Iterable[Log],
        latest: datetime,
    ) -> None:
        self._pool = pool
        self._at_once = at_once
        self._reader = reader
        self._logs = iter(logs)
        self._latest = latest
        self._works: deque[_Work] = deque()
        self._under_way = 0

    def next(self) -> _Work | None:
        """Return the next log, or None after the last."""
        self._top_up()
        return self._works.popleft() if self._works else self._open()

    def counts(self, work: _Work) -> Iterator[Counts]:
        """Hand out the counts of a log, piece by piece."""
        try:
            while part := self._next_part(work):
                if isinstance(part, Future):
                    yield part.result().unpack()
                else:
                    yield from part
        finally:  # also where a piece is damaged, or nobody wants the rest
            self._under_way -= len(work.under_way)
        if work.damage:
            raise work.damage

    def _next_part(self, work: _Work) -> Future[PackedCounts] | Iterator[Counts] | None:
        while not work.read and self._under_way < self._at_once:
            self._submit(work)
        self._top_up()
        if not work.under_way:
            return None
        self._under_way -= 1
        return work.under_way.popleft()

    def _top_up(self) -> None:
        while self._under_way < self._at_once:
            if (not self._works or self._works[-1].read) and not self._open_ahead():
                return
            self._submit(self._works[-1])

    def _open_ahead(self) -> bool:
        work = self._open()
        if work:
            self._works.append(work)
        return work is not None

    def _open(self) -> _Work | None:
        log = next(self._logs, None)
        return _Work(log, _pieces(self._reader, log)) if log else None

    def _submit(self, work: _Work) -> None:
        """Read one more piece, and let it be counted."""
        try:
            piece = next(work.pieces, None)
        except BadInput as damage:
            work.read, work.damage = True, damage
            return
        if piece is None:
            work.read = True
        elif isinstance(piece, Piece):
            future = self._pool.submit(_count, self._reader, piece, self._latest)
            work.under_way.append(future)
            self._under_way += 1
        else:  # too large to be handed over
            work.under_way.append(count_log(self._reader, piece, self._latest))
            work.read = True
            self._under_way += 1


def _count(reader: UsageFeed, piece: Piece, latest: datetime) -> PackedCounts:
    return pack(count_piece(reader, piece, latest))


def _pieces(reader: UsageFeed, log: Log) -> Iterator[Log]:
    if reader.by_line:
        yield from cut_at_lines(log, PIECE)
        return
    blocks = log.blocks()
    begun: list[bytes] = []
    held = 0
    for block in blocks:
        begun.append(block)
        held += len(block)
        if held > WHOLE:
            yield _Resumed(log.name, chain(begun, blocks))
            return
    yield Piece(log.name, b"".join(begun))


@dataclass(slots=True)
class _Resumed:
    """Implements ``services.ports.Log`` over one whose reading has begun."""

    name: str
    content: Iterator[bytes]
    first_line: int = 1

    def blocks(self) -> Iterator[bytes]:
        """Go on, from the front."""
        return self.content

    def digest(self) -> bytes:
        """Nobody asks this: the log itself is asked."""
        raise NotImplementedError
