"""Which feeds were listening, and since when: what silence is worth.

A use is evidence by itself; silence only where a feed that sees all traffic was listening. Such
feeds may take turns: each alone would have shown a use while it ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

_TIMES = "%Y-%m-%d %H:%M UTC"
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


@dataclass(frozen=True, slots=True)
class Feed:
    """A log, and when it has shown events of any key.

    ``reported`` are spans from one event to another, aware UTC, in any order. ``every`` is the
    longest time in which a healthy feed is quiet; None where nobody declared it.
    """

    name: str
    every: timedelta | None
    complete: bool  # it sees every call with a key; the silence of another proves nothing
    reported: tuple[tuple[datetime, datetime], ...]

    @property
    def newest(self) -> datetime | None:
        """The instant of its newest event."""
        return max((last for _, last in self.reported), default=None)

    def quiet(self, fresh: timedelta) -> timedelta:
        """Return how long it may be quiet and still be running."""
        return fresh if self.every is None else self.every

    def stale(self, now: datetime, fresh: timedelta) -> Stale | None:
        """Say that it has stopped, or return None while it may be running."""
        quiet, newest = self.quiet(fresh), self.newest
        return Stale(self.name, newest, quiet) if newest is None or newest < now - quiet else None

    def spans(self, fresh: timedelta) -> Iterator[_Span]:
        """Yield the spans in which it listened: those it reported, without its usual quiet."""
        quiet = self.quiet(fresh)
        start = end = None
        for first, last in sorted(self.reported):
            if start is None or end is None:
                start, end = first, last
            elif first - end <= quiet:
                end = max(end, last)
            else:
                yield _Span(start, end, self)
                start, end = first, last
        if start is not None and end is not None:
            yield _Span(start, end, self)


@dataclass(frozen=True, slots=True)
class _Span:
    first: datetime
    last: datetime
    feed: Feed


@dataclass(frozen=True, slots=True)
class Stale:
    """A feed that has stopped: nothing since ``since`` (None: ever)."""

    feed: str
    since: datetime | None
    quiet: timedelta  # how long it may be quiet

    def __str__(self) -> str:
        """Say so to an operator."""
        if self.since is None:
            return f"feed {self.feed} has never reported"
        return (
            f"feed {self.feed} has been silent since {self.since:{_TIMES}},"
            f" and {spoken(self.quiet)} is the longest that it may be"
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """The feeds that report uses of a platform's keys.

    ``fresh`` is everywhere how old the newest event may be for silence to be evidence; a feed
    that declares a shorter interval is held to that.
    """

    feeds: tuple[Feed, ...] = ()
    # A batch of keys is judged as of one instant: the chain that leads to it is looked for once.
    _chains: dict[tuple[datetime, timedelta], Sequence[_Span]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def spans(self, start: datetime, end: datetime, fresh: timedelta) -> bool:
        """Say whether every use from ``start`` to ``end`` would have been seen.

        The newest event may be older than ``end`` by ``fresh``, or by the feed's own interval.
        """
        since = self.since(end, fresh)
        return since is not None and since <= start

    def since(self, end: datetime, fresh: timedelta) -> datetime | None:
        """Return from when on feeds have listened without a break until ``end``, or None."""
        return min((span.first for span in self._chain(end, fresh)), default=None)

    def heard(self, start: datetime, end: datetime, fresh: timedelta) -> timedelta:
        """Return for how long, from ``start`` to ``end``, feeds that see all traffic listened."""
        heard, until = timedelta(), start
        spans = (span for feed in self.feeds if feed.complete for span in feed.spans(fresh))
        for span in sorted(spans, key=attrgetter("first")):
            last = min(span.last, end)
            heard += max(timedelta(), last - max(span.first, until))
            until = max(until, last)
        return heard

    def until(self, at: datetime) -> Coverage:
        """Return what had been covered by then."""
        return Coverage(
            tuple(
                replace(f, reported=tuple((a, min(b, at)) for a, b in f.reported if a <= at))
                for f in self.feeds
            )
        )

    def stale(self, now: datetime, fresh: timedelta) -> tuple[Stale, ...]:
        """Return the feeds that have been quiet for longer than a running one may be."""
        found = (feed.stale(now, fresh) for feed in self.feeds)
        return tuple(stale for stale in found if stale is not None)

    def describe(self, now: datetime, fresh: timedelta) -> tuple[str, ...]:
        """Say in sentences what was listened to, what has stopped, and what sees only a part."""
        partial = [feed.name for feed in self.feeds if not feed.complete]
        sentences = [str(stale) for stale in self.stale(now, fresh)]
        if partial:
            see = "sees" if len(partial) == 1 else "see"
            sentences.append(f"{_named(partial)} {see} only a part of the traffic")
        newest = max((f.newest for f in self.feeds if f.complete and f.newest), default=None)
        if newest is None:
            return ("no feed that sees all traffic has reported", *sentences)
        chain = self._chain(newest, fresh)
        age = f"{spoken(now - newest)} old" if newest <= now else "ahead of our clock"
        whole = (
            f"{_named([span.feed.name for span in chain])}, complete from"
            f" {min(span.first for span in chain):%Y-%m-%d} to {newest:{_TIMES}},"
            f" newest event {age}"
        )
        return (whole, *sentences)

    def gap(self, start: datetime, now: datetime, fresh: timedelta) -> str | None:
        """Say why a use after ``start`` could have been missed; None where it could not."""
        if not self.feeds:
            return "no feed reports uses"
        complete = [feed for feed in self.feeds if feed.complete]
        if not complete:
            see = "sees" if len(self.feeds) == 1 else "see"
            names = _named([feed.name for feed in self.feeds])
            return f"{names} {see} only a part of the traffic"
        since = self.since(now, fresh)
        if since is None:
            return "; ".join(_unfresh(feed, now, fresh) for feed in complete)
        if since > start:
            chain = self._chain(now, fresh)
            return (
                f"{_named([span.feed.name for span in chain])} listened without a break only"
                f" since {since:{_TIMES}}"
            )
        return None

    def _chain(self, end: datetime, fresh: timedelta) -> Sequence[_Span]:
        """Return the spans that lead back from ``end``, each begun before the next was over."""
        if (end, fresh) not in self._chains:
            self._chains[end, fresh] = self._find_chain(end, fresh)
        return self._chains[end, fresh]

    def _find_chain(self, end: datetime, fresh: timedelta) -> Sequence[_Span]:
        spans = [span for feed in self.feeds if feed.complete for span in feed.spans(fresh)]
        spans.sort(key=attrgetter("last"), reverse=True)
        chain = [s for s in spans if s.last >= end - min(s.feed.quiet(fresh), fresh)]
        start = min((span.first for span in chain), default=end)
        for span in spans if chain else ():
            if span.last < start:
                break
            if span.first < start:
                chain.append(span)
                start = span.first
        return chain


def spoken(length: timedelta) -> str:
    """Write a length of time in its largest unit, rounded down: ``19 d``, ``4 min``."""
    seconds = max(0, int(length.total_seconds()))
    unit, size = next(((u, size) for u, size in _UNITS if seconds >= size), _UNITS[-1])
    return f"{seconds // size} {unit}"


def _unfresh(feed: Feed, now: datetime, fresh: timedelta) -> str:
    """Say why the silence of a complete feed that does not reach ``now`` proves nothing."""
    stale = feed.stale(now, fresh)
    if stale is not None:
        return str(stale)
    return (
        f"the newest event of feed {feed.name} is of {feed.newest:{_TIMES}},"
        f" and silence is evidence for {spoken(fresh)} after the newest at most"
    )


def _named(names: Sequence[str]) -> str:
    """Write ``feed A`` or ``feeds A, B and C``, each name once."""
    once = [name for name, _ in groupby(sorted(names))]
    if len(once) == 1:
        return f"feed {once[0]}"
    return f"feeds {', '.join(once[:-1])} and {once[-1]}"
