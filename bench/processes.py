"""Work that is done by several processes at once, and what it takes."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of the clock, and of all processors together."""

    clock: float
    processors: float


def in_processes(number: int, work: Callable[..., None], *arguments: object) -> Spent:
    """Let so many processes work at once; say what it took, from when all of them are ready.

    ``work`` is given a barrier at which it waits before it begins, and the arguments.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(number + 1)
    processes = [context.Process(target=work, args=(ready, *arguments)) for _ in range(number)]
    for process in processes:
        process.start()
    ready.wait(timeout=60)

    def finish() -> None:
        for process in processes:
            process.join()

    spent = spend(finish)
    assert all(process.exitcode == 0 for process in processes), "a process failed"
    return spent


def drain(piece: Callable[[], int]) -> None:
    """Do pieces of work until there is none."""
    while piece():
        pass


def spend(work: Callable[[], None]) -> Spent:
    """Do the work and say what it took."""
    began, used = time.perf_counter(), processor_seconds()
    work()
    return Spent(time.perf_counter() - began, processor_seconds() - used)


def processor_seconds() -> float:
    """Return what this process and all that it has started have used, the servers included."""
    me = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (me, *me.children(recursive=True)))
