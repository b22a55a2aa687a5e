"""Callers that keep using their keys through the gateway, and note what it answers."""

from __future__ import annotations

import base64
import http.client
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from rollout.cli.demo.company import SampleKey
from rollout.domain.clock import Clock

PAUSE = 0.02  # seconds between two calls


@dataclass(slots=True)
class Caller:
    """One client of the API and what it has seen."""

    key: SampleKey
    name: str
    passed: int = 0
    refused: int = 0
    first_refused: datetime | None = None
    explained: bool = True  # every refusal said why
    other: int = 0  # answers that are neither


class Clients:
    """Calls with one key after the other, on one connection, until told to stop."""

    def __init__(self, address: str, callers: Sequence[Caller], clock: Clock) -> None:
        self.callers = callers
        self._address = address
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to call."""
        self._thread.start()

    def stop(self) -> None:
        """Stop calling."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            connection = http.client.HTTPConnection(self._address, timeout=5)
            try:
                self._round(connection)
            except (OSError, http.client.HTTPException):
                self._stopping.wait(0.2)  # the gateway is starting: its customers would call again
            finally:
                connection.close()

    def _round(self, connection: http.client.HTTPConnection) -> None:
        for caller in self.callers:
            if self._stopping.wait(PAUSE):
                return
            credentials = f"{caller.key.key_id}:{caller.key.secret}".encode()
            value = "Basic " + base64.b64encode(credentials).decode()
            before = self._clock.now()
            connection.request("GET", "/gateway/check", headers={"Authorization": value})
            answer = connection.getresponse()
            _note(caller, answer.status, answer.read(), before)


def _note(caller: Caller, status: int, body: bytes, at: datetime) -> None:
    if status in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
        caller.passed += 1
    elif status == HTTPStatus.UNAUTHORIZED:
        caller.refused += 1
        caller.first_refused = caller.first_refused or at
        caller.explained = caller.explained and b"disabled_at" in body
    else:
        caller.other += 1
