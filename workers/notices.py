"""When notices go out: steps become rows, rows become mails, mails become promises."""

from __future__ import annotations

from rollout.bootstrap import Rollout
from workers.sweep import Sweep


def schedule(rollout: Rollout) -> int:
    """Write a row per person for every step that is due."""
    return rollout.notices.scheduling.sweep()


def deliver(rollout: Rollout) -> int:
    """Send what is due."""
    return rollout.notices.delivery.sweep()


def confirm(rollout: Rollout) -> int:
    """Call delivered what has not bounced."""
    return rollout.notices.delivery.confirm()


def reap(rollout: Rollout) -> int:
    """Take back what a dead worker had."""
    return rollout.notices.delivery.reap()


def trip(rollout: Rollout) -> int:
    """Pause the sending of what does harm."""
    return rollout.notices.breaker.trip()


def forget(rollout: Rollout) -> int:
    """Drop the bytes of letters that need not be kept."""
    return rollout.notices.kept.drop_old()


SWEEPS = (
    Sweep(name="rollout.notices.schedule", every=1, run=schedule),
    Sweep(name="rollout.notices.deliver", every=1, run=deliver, at_once=8),
    Sweep(name="rollout.notices.confirm", every=1, run=confirm),
    Sweep(name="rollout.notices.reap", every=10, run=reap),
    Sweep(name="rollout.notices.trip", every=5, run=trip),
    Sweep(name="rollout.notices.forget", every=3600, run=forget),
)
