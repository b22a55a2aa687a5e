"""Alarms: what is observed, what stands, and who is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rollout.domain.alarms import Alarm, Alert, Lost, Seen, Trouble


@dataclass(frozen=True, slots=True)
class Telling:
    """An alarm that this process may tell; whoever is done names the lease."""

    alarm: Alarm
    lease: int
    attempts: int  # that have failed so far
    reached: frozenset[str]  # addresses that have it already, by their ids


@dataclass(frozen=True, slots=True)
class Told:
    """What became of an alert: ids of addresses that took it, and names of those that did not."""

    reached: frozenset[str]
    failed: tuple[str, ...]


class Alerts(Protocol):
    """Tells operators, by whatever channels they have."""

    def addresses(self) -> Sequence[str]:
        """Return what each address is called, such as ``slack (2nd)``: never the address itself."""
        ...

    def tell(self, alert: Alert, without: Collection[str] = ()) -> Told:
        """Tell every address but those with these ids.

        It takes seconds, and never raises for what an address or a network does.
        """
        ...


class AlarmsRepository(Protocol):
    """Speaks inside one unit of work."""

    def alone(self) -> bool:
        """Keep other watchers out until the transaction ends; False where one is at it."""
        ...

    def observe(self) -> Seen:
        """Look at everything that costs the same however many accounts there are.

        What it leaves out: ``lost`` and ``blind``.
        """
        ...

    def next_cutoffs(self) -> Mapping[str, datetime]:
        """Return of each deprecation when the first account is judged that is scheduled."""
        ...

    def lost(self, horizons: Mapping[str, timedelta]) -> Sequence[Lost]:
        """Find accounts due within the horizon of their deprecation whose people are not told.

        These are accounts with a required notice of the present date that failed for good, or
        nobody knows, where nobody else was told the same or has yet to be. It takes as long as
        there are such notices.
        """
        ...

    def standing(self) -> Sequence[Alarm]:
        """Return what is open, and what may open."""
        ...

    def alarms(self, *, closed: bool) -> Sequence[Alarm]:
        """Return what is open, the newest first, or what was ever opened."""
        ...

    def begin(self, trouble: Trouble) -> None:
        """Note that a rule holds from now on."""
        ...

    def open(self, trouble: Trouble) -> int:
        """Open an alarm, and return its id; it is told from now on."""
        ...

    def reword(self, trouble: Trouble) -> None:
        """Say of an alarm what is so now."""
        ...

    def close(self, alarm: Alarm) -> None:
        """Close an alarm; that is told from now on, and nothing else of it."""
        ...

    def forget(self, alarm: Alarm) -> None:
        """Drop what was not opened."""
        ...

    def claim(self, length: timedelta, stale: timedelta) -> Telling | None:
        """Claim what is to be told first; nobody else tells it for so long.

        What has been over for longer than ``stale`` is not told any more.
        """
        ...

    def told(
        self,
        telling: Telling,
        *,
        last: datetime | None,
        reached: Collection[str],
        attempts: int,
        next_at: datetime | None,
    ) -> None:
        """Note how a telling ended, and when all were told last, unless its lease was lost."""
        ...
