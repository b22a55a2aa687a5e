"""Whether a key is in use, unused or unknown, and why: from its uses, its rhythm and the feeds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rollout.domain.usage.coverage import Coverage, Feed, spoken
from rollout.domain.usage.rhythm import HOLIDAYS, Days, Rhythm, learn
from rollout.domain.usage.verdicts import Usage

ATTESTED = "last-use report"  # the name of an authority's word where it is shown among the feeds
_EVER = datetime.min.replace(tzinfo=UTC)
_TIMES = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one key's uses. Instants are aware UTC, days are UTC days.

    ``attested_at``: an authority that sees every use (AWS IAM, say) told as of then when the last
    one was, or that there was none; ``last_seen`` has its word in it.
    """

    last_seen: datetime | None
    days: Days = ()
    attested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A usage, a sentence that says why, and for an unknown one when waiting will settle it.

    ``until`` is the first instant at which the key is unused if it stays silent and the feeds keep
    listening; None where waiting alone settles nothing.
    """

    usage: Usage
    why: str
    until: datetime | None = None


def judge_usage(
    history: History,
    coverage: Coverage,
    *,
    now: datetime,
    window: timedelta,
    fresh: timedelta,
) -> Judgement:
    """Say whether a key is in use, unused, or unknown as of ``now``.

    A use within ``window`` (its first instant included) is evidence by itself, unless the rhythm
    of the key says that it has stopped since. Silence is evidence only where feeds listened for
    the whole window and until ``fresh`` before now, and only once the rhythm does not expect the
    key back: from the latest instant at which it may have been used unseen.
    """
    last = history.last_seen
    recent = last is not None and last >= now - window
    if last is not None and recent and now - last < HOLIDAYS:  # no rhythm stops sooner
        return _in_use(last, window)
    rhythm = None if last is None else learn(history.days)
    if last is not None and recent and (rhythm is None or not rhythm.steady):
        return _in_use(last, window)
    heard = _with_authority(history, coverage)
    silence = _judge_silence(last, rhythm, heard, now=now, window=window, fresh=fresh)
    if last is not None and recent and silence.usage is Usage.UNKNOWN:
        return _in_use(last, window)
    return silence


def _judge_silence(
    last: datetime | None,
    rhythm: Rhythm | None,
    heard: Coverage,
    *,
    now: datetime,
    window: timedelta,
    fresh: timedelta,
) -> Judgement:
    """Say what the silence since the last use is worth: unused or unknown."""
    since = heard.since(now, fresh)
    if since is None:
        return Judgement(Usage.UNKNOWN, f"{_last_use(last)}, but {heard.gap(now, now, fresh)}")
    listened = since + window
    if last is not None and rhythm is not None:
        back = rhythm.expected_by(max(last, since))
        if back > max(now, listened):
            return _awaited(last, rhythm, back)
    if listened > now:
        gap = heard.gap(now - window, now, fresh)
        why = f"{_last_use(last)}, but {gap}, and not yet for {spoken(window)}"
        return Judgement(Usage.UNKNOWN, why, listened)
    return Judgement(Usage.UNUSED, _unused(last, rhythm, since, now=now))


def _with_authority(history: History, coverage: Coverage) -> Coverage:
    """Take an authority's word for a feed that has listened for ever until then."""
    if history.attested_at is None:
        return coverage
    word = Feed(ATTESTED, None, complete=True, reported=((_EVER, history.attested_at),))
    return Coverage((*coverage.feeds, word))


def _in_use(last: datetime, window: timedelta) -> Judgement:
    return Judgement(Usage.IN_USE, f"{_last_use(last)}, within the last {spoken(window)}")


def _awaited(last: datetime, rhythm: Rhythm, back: datetime) -> Judgement:
    why = f"{_last_use(last)}, normally {rhythm}: its silence says nothing until {back:{_TIMES}}"
    return Judgement(Usage.UNKNOWN, why, back)


def _unused(last: datetime | None, rhythm: Rhythm | None, since: datetime, *, now: datetime) -> str:
    heard = "" if since == _EVER else f" since {since:{_TIMES}}"
    seen = f"every use{heard} would have been seen"
    if last is None:
        return f"never seen; {seen}"
    habit = "" if rhythm is None else f", normally {rhythm}"
    return f"{_last_use(last)}{habit}, silent for {spoken(now - last)}; {seen}"


def _last_use(last: datetime | None) -> str:
    return "never seen" if last is None else f"last used {last:{_TIMES}}"
