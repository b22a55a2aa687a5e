"""Feeds: what comes from each, how often it has to, and whether it sees every use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rollout.domain.audit import Fact
from rollout.domain.errors import BadInput, NotFound
from rollout.domain.usage import USAGE_FRESH
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.usage_questions import FeedRow, Interval

LONGEST_NAME = 200
SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed, and a sentence that says that it has stopped; None while it may be running."""

    row: FeedRow
    stale: str | None


class UsageFeeds:
    """Says how the feeds do, and keeps what people declare of them."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def states(self) -> Sequence[FeedState]:
        """Read all feeds."""
        with self._start() as uow:
            now = uow.now()
            stale = {s.feed: str(s) for s in uow.usage.coverage().stale(now, USAGE_FRESH)}
            return [FeedState(row, stale.get(row.feed)) for row in uow.usage_questions.feeds()]

    def declare(
        self,
        feed: str,
        *,
        every: Interval | None,
        complete: bool | None,
        new: bool,
        operator: str,
    ) -> FeedRow:
        """Note the longest time that a feed may be silent, and whether it sees every use.

        None leaves what was declared before. Raises ``NotFound`` for a feed from which nothing has
        come, unless it is to be a ``new`` one.
        """
        _check(feed, every)
        with self._start() as uow:
            declared = uow.usage_questions.declare_feed(
                feed, every=every, complete=complete, new=new
            )
            if declared is None:
                raise _unknown(uow, feed)
            data = {
                "every_seconds": declared.every and declared.every.total_seconds(),
                "complete": declared.complete,
            }
            uow.audit.append([Fact(operator, "feed.declared", f"feed:{feed}", data=data)])
            uow.commit()
        return declared


def _unknown(uow: UnitOfWork, feed: str) -> NotFound:
    known = ", ".join(row.feed for row in uow.usage_questions.feeds()) or "none yet"
    return NotFound(
        f"there is no feed {feed!r} (known: {known})",
        fix="`rollout feed declare --new` declares one before its first log comes",
    )


def _check(feed: str, every: Interval | None) -> None:
    if not feed.strip() or len(feed) > LONGEST_NAME or not feed.isprintable():
        raise BadInput(
            f"{feed!r} is no name for a feed",
            fix=f"give it at most {LONGEST_NAME} printable characters",
        )
    if every is not None and every.longest is not None and every.longest < SHORTEST:
        raise BadInput("a feed cannot be held to less than a minute", fix="declare 1m or more")
