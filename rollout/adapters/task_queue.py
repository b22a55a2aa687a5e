"""The doorbell over Celery: a message names a sweep and carries nothing else.

The settings and their reasons: Celery on Redis loses messages when a worker is killed, whatever
the acknowledgement settings, so a message is only ever a wake-up that the next tick repeats.
"""

from __future__ import annotations

import ssl

from celery import Celery
from kombu.exceptions import OperationalError
from kombu.transport.redis import Channel

QUEUES = ("cutoff", "notices", "webhooks", "audit", "usage", "alarms")

Channel.do_restore = False  # else it writes rings that a dead broker cannot take back to /tmp


def make_celery(redis_url: str) -> Celery:
    """Return a Celery application on this Valkey; nothing is connected yet."""
    app = Celery("rollout", broker=_broker(redis_url), set_as_current=False)
    app.conf.update(
        task_ignore_result=True,  # nobody reads results: the database tells
        result_backend=None,
        task_acks_late=False,  # a late acknowledgement buys nothing: the clock rings again
        worker_prefetch_multiplier=1,
        task_routes={f"rollout.{queue}.*": {"queue": queue} for queue in QUEUES},
        task_default_queue="cutoff",
        # Without it kombu takes any certificate. What the URL says (?ssl_ca_certs=…) goes first.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED}
        if redis_url.startswith("rediss:")
        else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker outlives any outage of the broker
        broker_pool_acquire_timeout=2,
        broker_transport_options={
            "global_keyprefix": "rollout:celery:",
            # A ring is forgotten once it is heard. Closing a lost connection, kombu 5.7 else puts
            # back what is unacknowledged through that very connection, and the worker ends.
            "ack_emulation": False,
            "max_retries": 0,  # of a ring; a worker keeps on trying all the same
            "socket_timeout": 5,  # without it a half-open connection hangs for ever
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        worker_cancel_long_running_tasks_on_connection_loss=False,  # sweeps are guarded by rows
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        task_send_sent_event=False,
    )
    return app


def _broker(redis_url: str) -> str:
    """Write a Valkey URL as Celery wants it: sockets have a scheme of their own there."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        database = query.removeprefix("db=") if query else "0"
        return f"redis+socket://{path}?virtual_host={database}"
    return redis_url


class CeleryTaskQueue:
    """Rings by task name: this side never imports the workers."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def ring(self, task: str) -> bool:
        """Ask some worker to run the named sweep; say whether the broker took the ring.

        A ring that nobody heard within five seconds is void: the next tick rings again.
        """
        try:
            self._app.send_task(task, expires=5, retry=False)
        except (OperationalError, ConnectionError, OSError):
            return False
        return True
