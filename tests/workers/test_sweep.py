"""A drain runs its sweep until nothing is due, in no more threads than it may, and never raises."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rollout.bootstrap import Rollout
from rollout.domain.errors import Unavailable
from workers.sweep import Drain, Sweep


def drain(rollout: Rollout, run: Callable[[Rollout], int], at_once: int = 1) -> Drain:
    return Drain(Sweep(name="rollout.audit.test", every=1, run=run, at_once=at_once), rollout)


def test_it_runs_until_nothing_is_due(wired: Rollout) -> None:
    pieces = iter([500, 500, 7, 0])
    done = drain(wired, lambda _: next(pieces))()

    assert done == 1007
    assert list(pieces) == []


def test_what_goes_wrong_is_for_the_next_time(wired: Rollout) -> None:
    def down(_: Rollout) -> int:
        raise Unavailable("the database does not answer")

    def broken(_: Rollout) -> int:
        raise ZeroDivisionError

    for run in (down, broken):
        failing = drain(wired, run)
        assert (failing(), failing()) == (0, 0)


def test_no_more_threads_than_allowed_run_it_at_once(wired: Rollout) -> None:
    running, go_on = threading.Semaphore(0), threading.Event()
    once = iter([1, 1])

    def slow(_: Rollout) -> int:
        running.release()
        go_on.wait(30)
        return next(once, 0)

    two_at_once = drain(wired, slow, at_once=2)
    threads = [threading.Thread(target=two_at_once) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert running.acquire(timeout=30)

    assert two_at_once() == 0  # a third one leaves at once
    go_on.set()
    for thread in threads:
        thread.join()
    assert two_at_once() == 0
    assert list(once) == []
