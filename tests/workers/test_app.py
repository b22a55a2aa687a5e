"""The Celery application: every sweep is a task, and a ring makes a worker run it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from rollout.adapters.task_queue import QUEUES, CeleryTaskQueue, make_celery
from rollout.bootstrap import Rollout
from rollout.domain.audit import Fact
from tests.support.database import rows
from tests.support.processes import Crew, wait_until
from workers.app import SWEEPS, make_app

NAMES = [
    "rollout.alarms.tell",
    "rollout.alarms.watch",
    "rollout.audit.seal",
    "rollout.cutoff.enforce",
    "rollout.cutoff.sweep",
    "rollout.notices.confirm",
    "rollout.notices.deliver",
    "rollout.notices.forget",
    "rollout.notices.reap",
    "rollout.notices.schedule",
    "rollout.notices.trip",
    "rollout.usage.collect",
    "rollout.usage.drop",
    "rollout.usage.name",
    "rollout.webhooks.deliver",
]


def note(rollout: Rollout) -> None:
    """Leave something to do for `rollout.audit.seal`."""
    with rollout.start() as uow:
        uow.audit.append([Fact("olga", "account.held", "account:acme")])
        uow.commit()


def sealed(rollout: Rollout) -> int:
    return len(rows(rollout.engine, "SELECT 1 FROM seals"))


def test_every_sweep_is_a_task_under_its_own_name(wired: Rollout) -> None:
    app, drains = make_app(wired)

    assert sorted(sweep.name for sweep in SWEEPS) == NAMES
    assert sorted(name for name in app.tasks if name.startswith("rollout.")) == NAMES
    assert sorted(drains) == NAMES


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda sweep: str(sweep.name))
def test_the_rings_of_a_sweep_go_to_the_queue_of_its_stage(wired: Rollout, sweep: object) -> None:
    app, _ = make_app(wired)
    name = str(getattr(sweep, "name", ""))
    routed = app.amqp.router.route({}, name)["queue"].name

    assert routed in QUEUES
    assert name.startswith(f"rollout.{routed}.")


def test_no_queue_is_without_work() -> None:
    assert {sweep.queue for sweep in SWEEPS} == set(QUEUES)


def test_a_task_does_what_its_sweep_does(wired: Rollout) -> None:
    app, _ = make_app(wired)
    note(wired)

    assert app.tasks["rollout.audit.seal"]() == 1
    assert sealed(wired) == 1


def test_two_applications_in_one_process_keep_their_tasks_apart(wired: Rollout) -> None:
    first, second = make_app(wired)[0], make_app(wired)[0]
    name = "rollout.audit.seal"

    assert first.tasks[name].run.__self__ is not second.tasks[name].run.__self__
    note(wired)
    assert second.tasks[name]() == 1


def test_a_ring_makes_a_worker_act_that_would_not_look_by_itself_also_after_an_outage(
    wired: Rollout, settings: dict[str, str], tmp_path: Path
) -> None:
    with (
        TemporaryDirectory(prefix="rollout-test-") as directory,
        EmbeddedServers.start(place := Path(directory), postgres=False) as broker,
        Crew(settings, tmp_path) as crew,
    ):
        queue = CeleryTaskQueue(make_celery(broker.redis_url))

        def heard(count: int) -> bool:
            """Ring again and again, as the clock does: a ring is void after seconds."""
            queue.ring("rollout.audit.seal")
            return sealed(wired) == count

        note(wired)
        worker = crew.start(
            "workers.worker", "audit", ROLLOUT_POLL="3600", ROLLOUT_REDIS_URL=broker.redis_url
        )
        wait_until(lambda: sealed(wired) == 1)  # its first look, and the last for an hour
        note(wired)
        wait_until(lambda: heard(2))

        pid = running_servers(place)["Valkey"]
        assert pid is not None
        for _ in range(50):  # so that it dies with rings on their way
            queue.ring("rollout.audit.seal")
        os.kill(pid, signal.SIGKILL)
        assert not queue.ring("rollout.audit.seal")
        note(wired)
        with EmbeddedServers.start(place, postgres=False):
            wait_until(lambda: heard(3), 60)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
