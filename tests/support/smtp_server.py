"""A mail server that does as it is told: a mailbox to look into, and every way to go wrong.

    with SmtpServer() as server:
        server.plan(Phase.RCPT, say("450 4.7.1 Greylisted, come again"))   # once, then normal
        server.always(Phase.DOT, say("250 2.0.0 Queued", after=0.5))
        ... send to server.url ...
        [received] = server.wait_for(1)

Standard library only; each connection has its own thread.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from enum import StrEnum
from typing import Self


class Phase(StrEnum):
    """Where in the conversation the server is asked what to do. ``DOT`` is after the final dot."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    TEXT = "text"
    DOT = "dot"
    RSET = "rset"
    QUIT = "quit"


@dataclass(frozen=True)
class Act:
    """What to do in a phase: wait, keep the message (at ``DOT``), then reply or hang up."""

    reply: str | None  # None: hang up without a word
    after: float = 0.0  # seconds, cut short when the server stops
    keep: bool = False
    first: Callable[[Received | None], None] | None = None  # called just before the reply


def say(reply: str, *, after: float = 0.0) -> Act:
    """Give this reply; at ``DOT`` a message is kept if it is a 2xx."""
    return Act(reply, after, keep=reply.startswith("2"))


DROP = Act(None)
STALL = Act(None, after=3600)
ACCEPT_THEN_DIE = Act(None, keep=True)

_USUAL = {
    Phase.CONNECT: "220 mailbox.test ESMTP",
    Phase.STARTTLS: "220 2.0.0 Ready",
    Phase.AUTH: "235 2.7.0 Signed in",
    Phase.MAIL: "250 2.1.0 Ok",
    Phase.RCPT: "250 2.1.5 Ok",
    Phase.DATA: "354 Go ahead",
    Phase.DOT: "250 2.0.0 Queued",
    Phase.RSET: "250 2.0.0 Ok",
    Phase.QUIT: "221 2.0.0 Bye",
}


@dataclass(frozen=True)
class Received:
    """A message that the server took."""

    sender: str
    recipient: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.raw, policy=SMTP)
        assert isinstance(parsed, EmailMessage)
        return parsed

    def part(self, subtype: str) -> str:
        """Return the decoded text of the ``plain`` or ``html`` part, with plain line ends."""
        body = self.message.get_body((subtype,))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


class SmtpServer:
    """Listens on a free local port while the ``with`` block lasts."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, implicit_tls: bool = False) -> None:
        self.features = ["PIPELINING", "8BITMIME", "SMTPUTF8", "AUTH PLAIN"]
        self.commands: list[str] = []
        self.connections = 0
        self.tls = tls
        self.implicit_tls = implicit_tls
        self.stopping = threading.Event()
        self._received: list[Received] = []
        self._arrived = threading.Condition()
        self._planned: defaultdict[Phase, deque[Act]] = defaultdict(deque)
        self._standing: dict[Phase, Act] = {}
        self._server = _Listener(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def address(self) -> str:
        """The address as ``host:port``."""
        return f"localhost:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address as ``ROLLOUT_SMTP_URL`` takes it."""
        return f"{'smtps' if self.implicit_tls else 'smtp'}://{self.address}"

    @property
    def received(self) -> list[Received]:
        """The messages taken so far, oldest first."""
        with self._arrived:
            return list(self._received)

    def plan(self, phase: Phase, *acts: Act) -> None:
        """Do these the next times the phase is reached, one each, then as usual again."""
        self._planned[phase].extend(acts)

    def always(self, phase: Phase, act: Act) -> None:
        """Do this whenever the phase is reached and nothing else is planned."""
        self._standing[phase] = act

    def wait_for(self, count: int, *, timeout: float = 10.0) -> list[Received]:
        """Return the messages once there are ``count`` of them."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self._received) >= count, timeout), (
                f"{len(self._received)} of {count} messages arrived"
            )
            return list(self._received)

    def keep(self, received: Received) -> None:
        with self._arrived:
            self._received.append(received)
            self._arrived.notify_all()

    def next_act(self, phase: Phase, usual: str | None) -> Act:
        try:
            return self._planned[phase].popleft()
        except IndexError:
            return self._standing.get(phase) or say(_USUAL[phase] if usual is None else usual)


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: SmtpServer) -> None:
        self.owner = owner
        super().__init__(("localhost", 0), _Conversation, bind_and_activate=False)
        # A small window, so that a client with much to say notices when nobody reads it.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self.server_bind()
        self.server_activate()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients under test hang up in the middle of everything."""


class _HangUp(Exception):
    """The way out of a conversation."""


class _Conversation(socketserver.StreamRequestHandler):
    server: _Listener
    disable_nagle_algorithm = True

    def setup(self) -> None:
        self.owner = self.server.owner
        self.owner.connections += 1
        if self.owner.implicit_tls and self.owner.tls:
            self.request = self.owner.tls.wrap_socket(self.request, server_side=True)
        super().setup()
        self.sender = self.recipient = ""

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def handle(self) -> None:
        commands: dict[str, Callable[[str], object]] = {
            "EHLO": self.ehlo,
            "STARTTLS": self.starttls,
            "AUTH": lambda _: self.act(Phase.AUTH),
            "MAIL": self.mail,
            "RCPT": self.rcpt,
            "DATA": self.data,
            "RSET": lambda _: self.act(Phase.RSET),
        }
        try:
            if not self.act(Phase.CONNECT).startswith("220"):
                return
            while line := self.rfile.readline():
                command = line.decode().rstrip("\r\n")
                self.owner.commands.append(command)
                verb, _, rest = command.partition(" ")
                if verb.upper() == "QUIT":
                    self.act(Phase.QUIT)
                    return
                commands.get(verb.upper(), lambda _: self.write("502 5.5.1 Unknown"))(rest)
        except (_HangUp, OSError):
            return

    def act(self, phase: Phase, usual: str | None = None, kept: Received | None = None) -> str:
        """Do what is planned for a phase and return the reply that was given."""
        act = self.owner.next_act(phase, usual)
        if act.after and self.owner.stopping.wait(act.after):
            raise _HangUp
        if kept is not None and act.keep:
            self.owner.keep(kept)
        if act.first:
            act.first(kept)
        if act.reply is None:
            raise _HangUp
        self.write(act.reply)
        if act.reply.startswith("421"):
            raise _HangUp
        return act.reply

    def write(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")

    def ehlo(self, _: str) -> None:
        secure = isinstance(self.request, ssl.SSLSocket)
        features = self.owner.features + (["STARTTLS"] if self.owner.tls and not secure else [])
        lines = ["mailbox.test", *features]
        reply = [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]
        self.act(Phase.EHLO, "\r\n".join(reply))

    def starttls(self, _: str) -> None:
        if self.act(Phase.STARTTLS).startswith("220") and self.owner.tls:
            self.request = self.owner.tls.wrap_socket(self.request, server_side=True)
            super().setup()

    def mail(self, rest: str) -> None:
        self.sender = _path(rest)
        self.act(Phase.MAIL)

    def rcpt(self, rest: str) -> None:
        self.recipient = _path(rest)
        self.act(Phase.RCPT)

    def data(self, _: str) -> None:
        if not self.act(Phase.DATA).startswith("354"):
            return
        if (act := self.owner.next_act(Phase.TEXT, "")).reply is None:  # stop listening
            self.owner.stopping.wait(act.after)
            raise _HangUp
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        if not line:
            raise _HangUp  # the client went away before the dot: there is no message
        kept = Received(self.sender, self.recipient, b"".join(lines))
        self.act(Phase.DOT, kept=kept)


def _path(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
