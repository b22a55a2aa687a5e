"""When webhooks go out: as soon as they are due, a few at once, one at a time to each endpoint."""

from __future__ import annotations

from rollout.bootstrap import Rollout
from workers.sweep import Sweep


def deliver(rollout: Rollout) -> int:
    """Post one event that is due."""
    return rollout.webhooks.sending.sweep()


SWEEPS = (Sweep(name="rollout.webhooks.deliver", every=1, run=deliver, at_once=4),)
