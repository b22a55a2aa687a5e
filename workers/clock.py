"""One clock process: ``python -m workers.clock``. APScheduler ticks; each tick rings the sweeps.

Two may run: a fenced lease in the database chooses one. What a tick does is bounded and catches
everything, because APScheduler's own thread would die of an exception in silence; a watchdog ends
the process when no tick has come for a while, and whoever started it starts it again.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.interval import IntervalTrigger

from rollout.adapters.logs import configure_logging
from rollout.adapters.task_queue import CeleryTaskQueue, make_celery
from rollout.bootstrap import Rollout, bootstrap
from rollout.services.ports import TaskQueue
from rollout.settings import Settings
from workers import alarms
from workers.app import SWEEPS
from workers.cutoff import guard
from workers.sweep import Drain, Sweep

log = structlog.get_logger()

TICK = 1  # seconds
OWN_LOOK = 10  # seconds between two looks of this process at what alarms
SILENCE = 30.0  # seconds without a tick after which the process ends itself
DEAD = 70  # the exit code of such an end


@dataclass(slots=True)
class Ticker:
    """Leads if it may, guards the database's clock, and rings."""

    rollout: Rollout
    queue: TaskQueue
    process: str
    term: int | None = None
    last_tick: float = 0.0

    def tick(self) -> None:
        """Beat, guard, lead. Never raises."""
        try:
            self.rollout.timekeeping.beat(self.process, "clock")
            guard(self.rollout)
            self.term = self.rollout.timekeeping.lead(self.process, self.term)
        except Exception as error:  # noqa: BLE001 - a tick that raises would end the clock
            self.term = None
            log.warning("clock.tick-failed", why=str(error).partition("\n")[0])
        self.last_tick = self.rollout.clock.monotonic()

    def ring(self, sweep: Sweep) -> None:
        """Ring one sweep, if this process leads."""
        if self.term is not None and not self.queue.ring(sweep.name):
            log.warning("clock.nobody-to-ring", sweep=sweep.name)


def watch(ticker: Ticker, silence: float = SILENCE) -> None:
    """End the process when no tick has come for so many seconds: it must not look alive."""
    pause = threading.Event()
    while not pause.wait(silence / 3):
        if ticker.rollout.clock.monotonic() - ticker.last_tick > silence:
            log.critical("clock.dead", silence=silence)
            os._exit(DEAD)


def main() -> None:
    """Tick until told to stop."""
    configure_logging()
    # As an interrupt, SIGTERM unwinds this, so that embedded servers are stopped too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), bootstrap(Settings.from_environment(os.environ)) as rollout:
        process = f"clock@{socket.gethostname()}:{os.getpid()}"
        ticker = Ticker(rollout, CeleryTaskQueue(make_celery(rollout.redis_url)), process)
        ticker.tick()
        scheduler = BlockingScheduler(
            timezone="UTC",
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        scheduler.add_job(ticker.tick, IntervalTrigger(seconds=TICK))
        for sweep in SWEEPS:
            scheduler.add_job(ticker.ring, IntervalTrigger(seconds=int(sweep.every)), [sweep])
        for sweep in alarms.SWEEPS:  # where no worker lives, somebody has to say so
            work = Drain(sweep, rollout).__call__
            scheduler.add_job(work, IntervalTrigger(seconds=OWN_LOOK))
        threading.Thread(target=watch, args=(ticker,), daemon=True).start()
        scheduler.start()


if __name__ == "__main__":
    main()
