"""One worker process: ``python -m workers.worker [QUEUE …]``.

It hears rings through Celery and polls by itself every few seconds, so that neither a dead clock
nor a dead broker stops the work. Threads, not forks: the work is in the database and on sockets,
and a poller beside forked children would share their locks (docs/decisions/0006).
"""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from celery.platforms import SecurityWarning

from rollout.adapters.logs import configure_logging
from rollout.adapters.task_queue import QUEUES
from rollout.bootstrap import Rollout, bootstrap
from rollout.domain.errors import Unavailable
from rollout.settings import Settings
from workers.app import SWEEPS, make_app

log = structlog.get_logger()

# The connections to a mail server that hangs, those to webhooks, and some for everything else.
THREADS = 16


def main(queues: Sequence[str]) -> None:
    """Work until told to stop."""
    configure_logging()
    # Celery warns root of pickled messages; a ring is empty, and nothing but JSON is accepted.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    with bootstrap(Settings.from_environment(os.environ)) as rollout:
        app, drains = make_app(rollout)
        # A thread each: a mail server that hangs must not keep the cutoff waiting.
        served = [drains[sweep.name] for sweep in SWEEPS if sweep.queue in queues]
        for regularly in (*served, partial(beat, rollout)):
            threading.Thread(target=poll, args=(rollout, regularly), daemon=True).start()
        app.worker_main(
            [
                "--quiet",  # no banner
                "worker",
                "--pool=threads",
                f"--concurrency={THREADS}",
                f"--queues={','.join(queues)}",
                "--loglevel=WARNING",
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ]
        )


def poll(rollout: Rollout, work: Callable[[], object]) -> None:
    """Do something now and then, for as long as this process lives."""
    pause = threading.Event()
    while True:
        work()
        pause.wait(rollout.settings.poll * random.uniform(0.8, 1.2))  # noqa: S311 - jitter only


def beat(rollout: Rollout) -> None:
    """Note that this process is alive."""
    try:
        rollout.timekeeping.beat(f"worker@{socket.gethostname()}:{os.getpid()}", "worker")
    except Unavailable as error:
        log.warning("worker.no-database", why=error.message)
    except Exception:
        log.exception("worker.no-heartbeat")


if __name__ == "__main__":
    main(sys.argv[1:] or QUEUES)
