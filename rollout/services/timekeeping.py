"""Timekeeping: who rings the bells, who is alive, and whether the database's clock is sane."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.clock import Clock
from rollout.domain.errors import Refused
from rollout.services.ports import StartUnitOfWork, UnitOfWork

LEASE = timedelta(seconds=6)
TOLERANCE = timedelta(seconds=2)  # between the database's clock and a steady one


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database's clock said at a moment between two readings of a steady one."""

    at: datetime
    after: float
    before: float

    def jump(self, later: Reading) -> timedelta:
        """Return how far the clock has certainly jumped since, however slow the answers were."""
        advanced = (later.at - self.at).total_seconds()
        least, most = later.after - self.before, later.before - self.after
        return timedelta(seconds=advanced - min(max(advanced, least), most))


class Timekeeping:
    """Leadership saves work; it is never what keeps anybody safe."""

    def __init__(self, start: StartUnitOfWork, clock: Clock) -> None:
        self._start = start
        self._clock = clock
        self._last: Reading | None = None

    def lead(self, holder: str, term: int | None) -> int | None:
        """Renew the lease of ``term``, or try to take it; return the term held now, or None."""
        with self._start() as uow:
            if term is not None and uow.clock.renew("clock", holder, term, LEASE):
                uow.commit()
                return term
            taken = uow.clock.take("clock", holder, LEASE)
            uow.commit()
            return taken

    def beat(self, process: str, kind: str) -> None:
        """Note that a process is alive.

        Stops all cutting if it is earlier now than what a clock process has noted already.
        """
        with self._start() as uow:
            behind = uow.clock.behind()
            if behind > TOLERANCE:
                _stop(uow, -behind)
            uow.clock.beat(process, kind)
            uow.commit()

    def guard(self) -> tuple[datetime, str | None]:
        """Stop all cutting if the database's clock has jumped since the last call.

        Return what it says, and why cutting was stopped, or None: then that instant has come.
        Being late can be mended, being early cannot: a person has to say that the clock is right.
        """
        reading = self._read()
        jump = self._last.jump(reading) if self._last else timedelta(0)
        reason = None
        if abs(jump) > TOLERANCE:
            with self._start() as uow:
                reason = _stop(uow, jump)
                uow.commit()
        self._last = reading
        return reading.at, reason

    def trust(self, operator: str) -> None:
        """Say that the database's clock is right again; cutting goes on."""
        with self._start() as uow:
            if not uow.clock.unstop():
                raise Refused("cutting is not stopped")
            uow.clock.forget_the_future()
            uow.audit.append([Fact(operator, "cutting.resumed", "clock:database")])
            uow.commit()

    def _read(self) -> Reading:
        after = self._clock.monotonic()
        with self._start() as uow:
            at = uow.now()
            return Reading(at, after, before=self._clock.monotonic())


def _stop(uow: UnitOfWork, jump: timedelta) -> str:
    reason = (
        f"the database's clock jumped by {jump.total_seconds():+.1f} s;"
        " check it, then run `rollout clock --trust`"
    )
    if uow.clock.stop(reason, ROLLOUT):
        uow.audit.append([Fact(ROLLOUT, "cutting.stopped", "clock:database", reason)])
    return reason
