"""When alarms open and close, and operators are told."""

from __future__ import annotations

import structlog

from rollout.bootstrap import Rollout
from workers.sweep import Sweep

log = structlog.get_logger()


def watch(rollout: Rollout) -> int:
    """Look at everything, and say what has opened or closed."""
    seen = rollout.alarms.watch()
    for trouble in seen.opened:
        log.error("alarm.opened", alarm=trouble.kind, about=trouble.subject, why=trouble.reason)
    for alarm in seen.closed:
        log.warning("alarm.closed", alarm=alarm.kind, about=alarm.subject)
    return len(seen.opened) + len(seen.closed)


def tell(rollout: Rollout) -> int:
    """Tell operators of one alarm."""
    tried = rollout.alarms.tell()
    if tried is None:
        return 0
    if tried.failed:
        log.warning("alarm.untold", alarm=tried.alarm.kind, addresses=tried.failed)
    return 1


SWEEPS = (
    Sweep(name="rollout.alarms.watch", every=10, run=watch),
    Sweep(name="rollout.alarms.tell", every=5, run=tell),
)
