"""When the cutoff runs: every second it looks for what is due, and tells the gateways."""

from __future__ import annotations

from datetime import datetime

import structlog

from rollout.bootstrap import Rollout
from workers.sweep import Sweep

log = structlog.get_logger()


def guard(rollout: Rollout) -> datetime:
    """Stop all cutting if the database's clock has jumped; return what it says."""
    at, jumped = rollout.timekeeping.guard()
    if jumped:
        log.error("clock.jumped", why=jumped)
    return at


def cut(rollout: Rollout) -> int:
    """Cut or hold whatever is due, and let the gateways know at once."""
    done = rollout.cutoff.sweep(by=guard(rollout))
    if done.cut:
        enforce(rollout)
    return done.closed


def enforce(rollout: Rollout) -> int:
    """Write what has changed to the verdict store."""
    return rollout.enforcement.enforce()


SWEEPS = (
    Sweep(name="rollout.cutoff.sweep", every=1, run=cut),
    Sweep(name="rollout.cutoff.enforce", every=1, run=enforce),
)
