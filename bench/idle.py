"""What a tick costs while nothing is due: every sweep of the workers once.

It must not depend on how many accounts there are, nor on how many wait in a paused cohort.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from bench.figures import Figure
from bench.seed import seed
from bench.servers import Servers
from bench.size import Size
from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from workers.app import SWEEPS

WARM_UP = 20  # ticks that do not count: connections are made, plans are kept


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Tick in turn on a small database, a large one, and a large one that is paused."""
    few, many = (f"{count:,} enrollments" for count in size.idle)
    with ExitStack() as stack:
        rollouts = []
        for number, name in enumerate(("small", "large", "paused")):
            engine = stack.enter_context(servers.database(f"idle_{name}"))
            due = "-1 hour" if name == "paused" else "30 days"
            seed(engine, size.idle[min(number, 1)], due=due, next_notice="-3 days")
            environment = servers.environment(engine) | {"ROLLOUT_SMTP_URL": "smtp://127.0.0.1:9"}
            settings = Settings.from_environment(environment)
            rollouts.append(stack.enter_context(bootstrap(settings)))
        pause(rollouts[-1])
        small, large, paused = tick_in_turn(rollouts, size.ticks)
    yield from figures(f"idle tick, {few}", small, None, few)
    yield from figures(f"idle tick, {many}", large, small, few)
    yield from figures(f"idle tick, {many}, past due but paused", paused, small, few)


def pause(rollout: Rollout) -> None:
    rollout.guards.pause("api-keys", "everyone", reason="the bench", operator="bench")
    while rollout.audit.seal():
        pass


def tick_in_turn(rollouts: Sequence[Rollout], ticks: int) -> Sequence[Sequence[float]]:
    """Return the milliseconds of each tick of each; in turn, so that all see the same load."""
    for rollout in rollouts:
        while rollout.enforcement.enforce():
            pass
    taken: list[list[float]] = [[] for _ in rollouts]
    for number in range(WARM_UP + ticks):
        for rollout, times in zip(rollouts, taken, strict=True):
            milliseconds = tick(rollout)
            if number >= WARM_UP:
                times.append(milliseconds)
    return taken


def tick(rollout: Rollout) -> float:
    began = time.perf_counter()
    for sweep in SWEEPS:
        done = sweep.run(rollout)
        assert done == 0, f"{sweep.name} found {done} due: this is no idle tick"
    return (time.perf_counter() - began) * 1000


def figures(
    what: str, ticks: Sequence[float], floor: Sequence[float] | None, beside: str
) -> Iterator[Figure]:
    for name, percentile in (("p50", 50), ("p99", 99)):
        yield Figure(
            what=f"{what}, {name}",
            value=quantile(ticks, percentile),
            unit="ms",
            beside=beside,
            floor=None if floor is None else quantile(floor, percentile),
            owed="" if floor is None else "≤ 1.5",
        )


def quantile(ticks: Sequence[float], percentile: int) -> float:
    return statistics.quantiles(ticks, n=100, method="inclusive")[percentile - 1]
