"""Whether calls have grown: told only of a time to which feeds have listened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from rollout.services.usage.questions.view import View

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that were seen of late, and in as long before.

    None: there were none to be seen, since nobody listened.
    """

    recent: int | None
    before: int | None
    per_day: float | None  # of late; None: less than a day was listened to
    comparable: bool  # feeds saw every call of both times

    @property
    def change(self) -> float | None:
        """By which part the calls have grown, below 0 where they fell; None after none."""
        if not self.comparable or not self.before:
            return None
        return (self.recent or 0) / self.before - 1


@dataclass(frozen=True, slots=True)
class Listened:
    """For how long feeds that see every call have listened of late, and in as long before."""

    recent: timedelta
    before: timedelta
    throughout: bool

    @classmethod
    def to(cls, seen: View, length: timedelta) -> Self:
        """Look at the last ``length`` of time, and at as long before."""
        middle, start = seen.now - length, seen.now - 2 * length
        heard = seen.coverage.heard
        return cls(
            heard(middle, seen.now, seen.fresh),
            heard(start, middle, seen.fresh),
            seen.coverage.spans(start, seen.now, seen.fresh),
        )

    def judge(self, recent: int, before: int) -> Calls:
        """Say what the calls that were seen in both times are worth."""
        return Calls(
            recent if recent or self.recent else None,
            before if before or self.before else None,
            recent / (self.recent / ONE_DAY) if self.recent >= ONE_DAY else None,
            self.throughout,
        )
