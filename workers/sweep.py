"""What a sweep is: a service call that does one bounded piece of work and says how much it did."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from rollout.bootstrap import Rollout
from rollout.domain.errors import Unavailable

log = structlog.get_logger()

MAX_SECONDS = 20.0  # a sweep gives its thread back after this; the next ring goes on


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One bell: its task name, how often the clock rings it, and what it does."""

    name: str  # rollout.<queue>.<verb>
    every: float  # seconds between two rings
    run: Callable[[Rollout], int]  # one piece of work; 0: nothing was due
    at_once: int = 1  # how many threads of one process may run it

    @property
    def queue(self) -> str:
        """Return the queue that carries its rings."""
        return self.name.split(".")[1]


@dataclass(slots=True)
class Drain:
    """Runs a sweep until nothing is due, never in more threads than it allows."""

    sweep: Sweep
    rollout: Rollout
    _free: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = threading.Semaphore(self.sweep.at_once)

    def __call__(self) -> int:
        """Return how much was done. Whatever goes wrong is logged, and tried again next time."""
        if not self._free.acquire(blocking=False):
            return 0
        try:
            return self._drain()
        except Unavailable as error:
            log.warning("sweep.unavailable", sweep=self.sweep.name, why=error.message)
        except Exception:
            log.exception("sweep.failed", sweep=self.sweep.name)
        finally:
            self._free.release()
        return 0

    def _drain(self) -> int:
        clock = self.rollout.clock
        began, done = clock.monotonic(), 0
        while clock.monotonic() - began < MAX_SECONDS:
            piece = self.sweep.run(self.rollout)
            if piece == 0:
                break
            done += piece
        return done
