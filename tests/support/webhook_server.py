"""A receiver of webhooks that does as it is told: what came can be looked at, and all can go wrong.

    with WebhookServer() as server:
        server.plan(answer(500), DROP)      # once each, then 200 again
        ... post to server.url ...
        [request] = server.received

Each connection has its own thread. What stalls goes on when the server stops.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Request:
    """What came."""

    path: str
    headers: Mapping[str, str]  # names in small letters
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def webhook_id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """What a receiver's own library makes of it; it insists on the present time."""
        return Webhook(secret).verify(self.body, dict(self.headers))


@dataclass(frozen=True)
class Act:
    """What to do with a request: wait, then answer, or hang up without a word."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    stall: bool = False
    drip: bool = False  # byte after byte, for ever
    first: Callable[[], None] | None = None  # called before all else


def answer(status: int, body: str = "", **headers: str) -> Act:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Act(status, named, body.encode())


DROP = Act(None)
STALL = Act(200, stall=True)
DRIP = Act(200, drip=True)


class WebhookServer:
    """Listens on a free port of this machine, until the end of the block."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Request] = []
        self._usual: Callable[[Request], Act] = lambda _: answer(200, "ok")
        self._planned: deque[Act] = deque()
        self._stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._tls = tls
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/hooks"

    def plan(self, *acts: Act) -> None:
        self._planned.extend(acts)

    def always(self, act: Act) -> None:
        self._usual = lambda _: act

    def judge(self, judgement: Callable[[Request], Act]) -> None:
        """Let what is not planned depend on what came."""
        self._usual = judgement

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Let go of what stalls, unanswered."""
        self._stopping.set()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._http.shutdown()
        self._http.server_close()

    def take(self, request: Request) -> Act:
        self.received.append(request)
        return self._planned.popleft() if self._planned else self._usual(request)

    def wait(self, seconds: float) -> bool:
        """Wait; say whether the server stops."""
        return self._stopping.wait(seconds)


def _handler(server: WebhookServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            act = server.take(Request(self.path, headers, body))
            if act.first is not None:
                act.first()
            if act.stall:
                server.wait(60)
            while act.drip and not server.wait(0.02):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
            if act.status is not None and not act.stall and not act.drip:
                self._answer(act, act.status)

        def _answer(self, act: Act, status: int) -> None:
            self.send_response(status)
            for name, value in act.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(act.body)))
            self.end_headers()
            self.wfile.write(act.body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
