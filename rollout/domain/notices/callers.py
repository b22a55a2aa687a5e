"""Who still calls with an account's keys, how often, and whether that grows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ONE_DAY = timedelta(days=1)
CALLERS_SEEN = timedelta(days=30)  # how far back callers are looked for
TREND_OF = timedelta(days=7)  # compared with as long before: weekdays weigh the same
LEAST_CALLS = 10  # in both times together: below that there is no trend to speak of
STEADY = 0.75  # the smaller number is at least this part of the larger


class Trend(StrEnum):
    """How the calls of the last seven days compare with those of the seven days before."""

    RISING = "rising"
    FALLING = "falling"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who still calls with the account's keys, by the evidence of the last 30 days."""

    name: str  # of the integration, or what the program calls itself
    network: str  # one of those that it calls from
    count: int
    last_seen: datetime
    networks: int = 1
    is_integration: bool = False  # a product of somebody else, known by name
    migration_url: str = ""  # where its maker says how to move, if that is known
    listened: timedelta = CALLERS_SEEN  # of the 30 days, to feeds that see every call
    recent: int | None = None  # calls of the last seven days, and of the seven before; None: feeds
    before: int | None = None  # did not see all of both

    @property
    def per_day(self) -> int:
        """Calls on an average day of those listened to, rounded; 0 where that was not even one."""
        return round(self.count / (self.listened / ONE_DAY)) if self.listened >= ONE_DAY else 0

    @property
    def trend(self) -> Trend | None:
        """Whether the calls grow; None where nobody can tell."""
        if self.recent is None or self.before is None or self.recent + self.before < LEAST_CALLS:
            return None
        if self.recent < STEADY * self.before:
            return Trend.FALLING
        return Trend.RISING if self.before < STEADY * self.recent else Trend.STEADY
