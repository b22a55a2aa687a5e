"""``rollout gateway`` and ``rollout web``: the two services that listen."""

from __future__ import annotations

from typing import Annotated

import typer

from rollout.adapters.logs import configure_logging
from rollout.bootstrap import bootstrap
from rollout.cli.output import err
from rollout.cli.serving import listen_on, serve
from rollout.cli.session import open_rollout, read_settings

Listen = Annotated[
    str | None, typer.Option("--listen", metavar="HOST:PORT", help="instead of the setting")
]


def gateway(listen: Listen = None) -> None:
    """Run the gateway service: it tells nginx, Envoy and others whether a key may pass.

    It starts, and answers from the verdict store, even while the database is down.

    Example: rollout gateway --listen 0.0.0.0:8081
    """
    configure_logging()
    settings = read_settings()
    address = listen or settings.gateway_listen
    with listen_on(address) as listener, bootstrap(settings, database_may_be_down=True) as rollout:
        err.print(f"gateway  http://{address}/gateway/check", soft_wrap=True)
        serve("rollout.web.gateway:make_app", rollout, listener)


def web(listen: Listen = None) -> None:
    """Run the web service: /api/v1, /healthz, /readyz and /metrics.

    Example: rollout web --listen 0.0.0.0:8080
    """
    configure_logging()
    address = listen or read_settings().web_listen
    with listen_on(address) as listener, open_rollout() as rollout:
        err.print(f"web      http://{address}/healthz", soft_wrap=True)
        serve("rollout.web.app:make_app", rollout, listener)
