"""How sending fares: when it is doing harm, so that it must stop until a person has looked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from rollout.domain.notices.states import NoticeState

# The windows in which letters are judged, by when they were tried. An address list that is stale
# shows within the hour; complaints, and bounces of servers that are slow, come in over the day.
WINDOWS = (timedelta(hours=1), timedelta(days=1))
LEAST = 50  # tried in a window: of fewer, nothing is concluded
LEAST_LOST = 10  # and so many lost: half a dozen of fifty may be chance
# Amazon SES reviews an account at bounces of 5 %, and may pause it at 10 %; of complaints, at
# 0.1 % and 0.5 %. A pause of our own has to come before one of theirs.
MOST_FAILED = 0.10
MOST_COMPLAINED = 0.005
LEAST_COMPLAINTS = 3  # one reader's mood is no reason to keep everybody uninformed

_FAILED = frozenset({NoticeState.BOUNCED, NoticeState.DEAD, NoticeState.UNCERTAIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of letters about one deprecation."""

    deprecation: str
    accepted: int = 0
    failed: int = 0  # refused by the mail server, given up, or nobody knows
    put_off: int = 0  # tries that the mail server put off; the letters are tried again
    bounced: int = 0  # of those accepted
    complained: int = 0  # of those accepted

    @property
    def tried(self) -> int:
        """Letters that came to an end, well or not."""
        return self.accepted + self.failed


def outcome(deprecation: str, state: NoticeState) -> Tally:
    """Count one letter by the state in which an attempt to send left it."""
    return Tally(
        deprecation=deprecation,
        accepted=int(state is NoticeState.SENT),
        failed=int(state in _FAILED),
        put_off=int(state is NoticeState.RETRY),
    )


def count_letters(ended: Iterable[tuple[str, int, NoticeState]]) -> Sequence[Tally]:
    """Count letters, by deprecation, letter and state of each notice: what a letter tells is one.

    Where its notices ended differently, a failure counts.
    """
    found: dict[tuple[str, int], NoticeState] = {}
    for deprecation, letter, state in ended:
        if found.get((deprecation, letter)) not in _FAILED:
            found[deprecation, letter] = state
    return [outcome(deprecation, state) for (deprecation, _), state in found.items()]


def why_stop(window: timedelta, tally: Tally) -> str | None:
    """Say why the sending of a deprecation must stop, by what became of it in a window, or None."""
    tried = tally.tried
    if tried < LEAST:
        return None
    hours = round(window / timedelta(hours=1))
    within = f"of {tried:,} messages tried within {hours} h"
    lost = tally.failed + tally.bounced
    if lost >= LEAST_LOST and lost > MOST_FAILED * tried:
        return (
            f"{within}, {lost:,} were not delivered ({tally.failed:,} failed, {tally.bounced:,}"
            f" bounced): more than {MOST_FAILED:.0%}"
        )
    if tally.complained >= LEAST_COMPLAINTS and tally.complained > MOST_COMPLAINED * tried:
        return (
            f"{within}, {tally.complained:,} were called spam by their readers: more than"
            f" {MOST_COMPLAINED:.1%}"
        )
    return None
