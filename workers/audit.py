"""When facts are sealed: every second, whatever is new."""

from __future__ import annotations

from rollout.bootstrap import Rollout
from workers.sweep import Sweep


def seal(rollout: Rollout) -> int:
    """Append new facts to the hash chain."""
    return rollout.audit.seal()


SWEEPS = (Sweep(name="rollout.audit.seal", every=1, run=seal),)
