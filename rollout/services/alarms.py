"""Alarms open and close by rule, and operators are told: claim, tell, record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.domain.alarms import (
    STALE,
    Alarm,
    AlarmKind,
    Alert,
    Blind,
    Changes,
    Lost,
    Trouble,
    alert,
    changes,
    next_telling,
    told_long_ago,
    troubles,
)
from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import Refused, Unavailable
from rollout.domain.plan import UnknownUsage
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.alarms import Alerts, Told

CLAIM = timedelta(minutes=5)  # to tell all addresses; whoever dies in it is followed after it
NEAR = timedelta(days=7)  # a cutoff that is nearer wants feeds that listen
LOOK_FOR_LOST = timedelta(minutes=10)  # between two looks, each as long as there are such notices

TEST = Alert("Test", "This is a test, made by `rollout alarm test`. Nothing is wrong.")


@dataclass(frozen=True, slots=True)
class Watched:
    """What a look at everything has changed."""

    opened: Sequence[Trouble] = ()
    closed: Sequence[Alarm] = ()


@dataclass(frozen=True, slots=True)
class Tried:
    """An alarm that operators were told, or should have been."""

    alarm: Alarm
    failed: Sequence[str]  # what those addresses are called that did not take it


class Alarms:
    """Watches and tells. Without addresses alarms stand all the same, to be listed."""

    def __init__(self, start: StartUnitOfWork, alerts: Alerts) -> None:
        self._start = start
        self._alerts = alerts
        self._looked_for_lost: datetime | None = None

    def watch(self) -> Watched:
        """Look at everything; open and close alarms by it, with their facts, in one transaction.

        Two may watch: one of them does nothing.
        """
        with self._start() as uow:
            if not uow.alarms.alone():
                return Watched()
            now, standing = uow.now(), uow.alarms.standing()
            look = self._looked_for_lost is None or now >= self._looked_for_lost + LOOK_FOR_LOST
            seen = replace(
                uow.alarms.observe(), blind=_blind(uow, now), lost=_lost(uow) if look else ()
            )
            open_kinds = {alarm.kind for alarm in standing if alarm.opened_at is not None}
            found = troubles(seen, now, open_kinds)
            done = changes(standing, found, now, () if look else (AlarmKind.NOBODY_TOLD,))
            _apply(uow, done)
            uow.commit()
        if look:
            self._looked_for_lost = now
        return Watched(done.opened, done.closed)

    def tell(self) -> Tried | None:
        """Tell operators of one alarm: that it is open, still open, or over; None: nothing is due.

        An address that has been told is not told again because another was not; once a day all
        are. Whoever dies while telling is followed by somebody who tells once more.
        """
        if not self._alerts.addresses():
            return None
        with self._start() as uow:
            telling, now = uow.alarms.claim(CLAIM, STALE), uow.now()
            uow.commit()
        if telling is None:
            return None
        alarm = telling.alarm
        again = told_long_ago(alarm, now)
        reached = frozenset() if again else telling.reached
        told = self._alerts.tell(alert(alarm, again=again), reached)
        attempts = telling.attempts + 1 if told.failed else 0
        with self._start() as uow:
            now = uow.now()
            if told.reached and (again or alarm.last_told_at is None):
                alarm = replace(alarm, last_told_at=now)  # the day of all begins with the first
            uow.alarms.told(
                telling,
                last=alarm.last_told_at,
                reached=reached | told.reached if told.failed else (),
                attempts=attempts,
                next_at=next_telling(alarm, attempts, now),
            )
            uow.commit()
        return Tried(telling.alarm, told.failed)

    def alarms(self, *, closed: bool = False) -> Sequence[Alarm]:
        """Return what is open, the newest first; with ``closed``, what was ever opened."""
        with self._start() as uow:
            return uow.alarms.alarms(closed=closed)

    def test(self, operator: str) -> Sequence[str]:
        """Tell every address that this is a test; return what they are called.

        Raises ``Refused`` where there is none, and ``Unavailable`` where one did not take it.
        """
        addresses = self._alerts.addresses()
        if not addresses:
            raise Refused("no address is known for alarms", fix="set ROLLOUT_ALERT_URLS")
        told: Told = self._alerts.tell(TEST)
        with self._start() as uow:
            data = {"addresses": len(addresses), "failed": list(told.failed)}
            uow.audit.append([Fact(operator, "alarm.tested", "alarm:test", None, data)])
            uow.commit()
        if told.failed:
            raise Unavailable(
                f"{len(told.failed)} of {len(addresses)} addresses did not take it:"
                f" {', '.join(told.failed)}",
                fix="is that address in ROLLOUT_ALERT_URLS right, and can it be reached from here?",
            )
        return addresses


def _apply(uow: UnitOfWork, done: Changes) -> None:
    facts = []
    for trouble in done.begun:
        uow.alarms.begin(trouble)
    for trouble in done.opened:
        alarm_id = uow.alarms.open(trouble)
        facts.append(_fact("opened", alarm_id, trouble))
    for trouble in done.reworded:
        uow.alarms.reword(trouble)
    for alarm in done.closed:
        uow.alarms.close(alarm)
        facts.append(_fact("closed", alarm.alarm_id, alarm))
    for alarm in done.ended:
        uow.alarms.forget(alarm)
    uow.audit.append(facts)


def _fact(what: str, alarm_id: int, about: Trouble | Alarm) -> Fact:
    data = {"alarm_id": alarm_id, "kind": about.kind.value}
    return Fact(ROLLOUT, f"alarm.{what}", about.subject, about.reason, data)


def _blind(uow: UnitOfWork, now: datetime) -> Sequence[Blind]:
    """Find deprecations that will cut soon, hold what is unknown, and have no feed that listens."""
    near = {name: at for name, at in uow.alarms.next_cutoffs().items() if at <= now + NEAR}
    if not near:
        return []
    coverage, found = uow.usage.coverage(), []
    for name, at in near.items():
        guards = uow.plan.deprecation(name).guards
        why = coverage.gap(now, now, guards.usage_fresh)
        if guards.unknown_usage is UnknownUsage.HOLD and why is not None:
            found.append(Blind(name, at, why))
    return found


def _lost(uow: UnitOfWork) -> Sequence[Lost]:
    """Find whom nobody has told, of those who would have to be told by now."""
    names = uow.plan.names()
    return uow.alarms.lost({name: uow.plan.deprecation(name).guards.min_notice for name in names})
