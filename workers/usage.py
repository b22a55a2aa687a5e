"""When uses are counted: every second, whatever the gateways have seen; names follow."""

from __future__ import annotations

import structlog

from rollout.bootstrap import Rollout
from workers.sweep import Sweep

log = structlog.get_logger()

SHOWN = 5  # unreadable entries that are named


def collect(rollout: Rollout) -> int:
    """Count what the gateways saw, and say what was lost on the way."""
    done = rollout.usage_collector.collect()
    if done.unreadable:
        log.error("usage.unreadable", entries=len(done.unreadable), first=done.unreadable[:SHOWN])
    if done.missing or done.dropped:
        log.error("usage.lost", batches=done.missing, dropped_uses=done.dropped)
    if done.ahead:
        log.warning("usage.ahead", sums=done.ahead, why="a gateway's clock is wrong")
    return done.entries


def name(rollout: Rollout) -> int:
    """Name those who have called lately."""
    return rollout.naming.name_due()


def drop(rollout: Rollout) -> int:
    """Drop the months of sightings that need not be kept."""
    return rollout.retention.drop_old()


SWEEPS = (
    Sweep(name="rollout.usage.collect", every=1, run=collect),
    Sweep(name="rollout.usage.name", every=10, run=name),
    Sweep(name="rollout.usage.drop", every=3600, run=drop),
)
