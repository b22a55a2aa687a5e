"""A connection to a server that is not trusted: to a checked address, and for a limited time."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

from rollout.domain.webhooks.addresses import Address, Reach


class NotPublicError(OSError):
    """A name leads into a network that must not be reached from outside."""


class Line(HTTPConnection):
    """Speaks HTTP with one address, which was looked up once and then checked.

    No proxy of the environment is used. ``left`` says how many seconds there still are, for all of
    it together: a server that answers byte by byte gains nothing.
    """

    def __init__(
        self, address: Address, reach: Reach, tls: ssl.SSLContext, left: Callable[[], float]
    ) -> None:
        super().__init__(address.host, address.port)
        self._address = address
        self._reach = reach
        self._tls = tls
        self._left = left
        self._opened: socket.socket | None = None

    def connect(self) -> None:
        """Connect; raise ``OSError`` where nobody is there who may be called."""
        self._opened = self._reached()
        if self._address.scheme == "https":
            self._opened.settimeout(self._left())
            host = self._address.host
            self._opened = self._tls.wrap_socket(self._opened, server_hostname=host)
        self.sock = _Timed(self._opened, self._left)

    def hang_up(self) -> None:
        """Close the connection itself: ``http.client`` lets go of it while it still reads."""
        self.close()
        if self._opened is not None:
            self._opened.close()

    def _reached(self) -> socket.socket:
        """Try what the name leads to, one after the other: the very addresses that were checked."""
        host, port = self._address.host, self._address.port
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        places = dict.fromkeys(str(place[0]) for *_, place in found)
        failed: OSError = NotPublicError("no public address, so it is not called")
        for ip in places:
            if not self._reach.permits(host, ip):
                continue
            try:
                return socket.create_connection((ip, port), timeout=self._left())
            except OSError as error:
                failed = error
        raise failed


class _Timed:
    """What ``http.client`` needs of a socket; each step may take what is left of the time."""

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._socket = sock
        self._left = left

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._socket, self._left))

    def close(self) -> None:
        """Leave it open: an answer may still be read (``Line.hang_up``)."""


class _Incoming(io.RawIOBase):
    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._socket = sock
        self._left = left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._socket.settimeout(self._left())
        return self._socket.recv_into(buffer)
