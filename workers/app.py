"""The Celery application: every sweep is a task under its own name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from celery import Celery

from rollout.adapters.task_queue import make_celery
from rollout.bootstrap import Rollout
from workers import alarms, audit, cutoff, notices, usage, webhooks
from workers.sweep import Drain, Sweep

SWEEPS: tuple[Sweep, ...] = (
    *usage.SWEEPS,
    *notices.SWEEPS,
    *webhooks.SWEEPS,
    *cutoff.SWEEPS,
    *audit.SWEEPS,
    *alarms.SWEEPS,
)


def make_app(rollout: Rollout) -> tuple[Celery, Mapping[str, Callable[[], int]]]:
    """Return the application and its drains by task name: ring one, or call it yourself."""
    app = make_celery(rollout.redis_url)
    drains = {sweep.name: Drain(sweep, rollout) for sweep in SWEEPS}
    for name, drain in drains.items():
        # A shared task would be handed on to every later application of this process.
        app.task(shared=False, name=name)(drain.__call__)
    return app, drains
