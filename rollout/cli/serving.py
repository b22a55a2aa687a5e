"""Serves an ASGI application of ``rollout.web`` in this process until it is asked to stop.

The application is named, not imported: the command line and the web are two doors of one house, and
neither goes through the other.
"""

from __future__ import annotations

import errno
import signal
import socket

import uvicorn
from uvicorn.importer import import_from_string

from rollout.bootstrap import Rollout
from rollout.domain.errors import BadInput, Unavailable

WITH = "with --listen, ROLLOUT_MAIL_LISTEN, ROLLOUT_WEB_LISTEN or ROLLOUT_GATEWAY_LISTEN"
GRACE = 10  # seconds for requests under way when it is asked to stop


def listen_on(address: str) -> socket.socket:
    """Open ``host:port`` (``[::1]:8081`` for IPv6); say what to do where that is impossible."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:  # noqa: PLR2004 - 16 bits
        raise BadInput(
            f"cannot listen on {address!r}: that is not host:port",
            fix="write something like 127.0.0.1:8081, or [::1]:8081",
        )
    bare = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        return socket.create_server((bare, int(port)), family=family, backlog=2048)
    except OSError as error:
        raise Unavailable(f"cannot listen on {address}: {_why(error)}", fix=_fix(error)) from error


def serve(factory: str, rollout: Rollout, listener: socket.socket) -> None:
    """Serve what ``module:function`` makes until SIGINT or SIGTERM; finish what is under way."""
    # uvicorn hands a caught SIGTERM on when it is done. As an interrupt it unwinds whoever called,
    # so that embedded servers are stopped too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config = uvicorn.Config(
        import_from_string(factory)(rollout),
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        return


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "somebody else listens there already"
    return str(error.strerror or error)


def _fix(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"stop the other one (`ss -ltnp` shows it), or choose another port {WITH}"
    if error.errno == errno.EACCES:
        return f"ports below 1024 need root: choose a higher one {WITH}"
    return f"choose an address of this machine {WITH}"
