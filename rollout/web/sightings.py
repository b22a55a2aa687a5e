"""What a gateway sees, summed up in memory and handed on a few times a second.

No check ever waits for it: where the stream does not answer, sums grow and are sent later. A
gateway that is killed takes what it saw in the last fifth of a second with it, and no more.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import datetime
from itertools import islice

import structlog

from rollout.adapters.feeds.reading import field
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record
from rollout.services.ports import UsageSink, UseBatch, UseSum
from rollout.web.callers import Caller

INTERVAL = 0.2  # seconds between two batches, and between two attempts
LARGEST = 1000  # sums of a batch
MOST = 100_000  # sums held while the stream does not answer: about 50 MB
LAST_WORDS = 2.0  # seconds to hand on the rest when the server ends

Key = tuple[str, str, bytes, bytes, int, bool, str]

log = structlog.get_logger()


class Sightings:
    """The uses seen by this process and not yet handed on."""

    def __init__(self, sink: UsageSink, interval: float = INTERVAL) -> None:
        self._sink = sink
        self._interval = interval
        self._gateway = secrets.token_hex(8)
        self._number = 0  # of the last batch
        self._sums: dict[Key, _Sum] = {}  # in the order of their first uses
        self._unsure: UseBatch | None = None  # nobody has told that it arrived
        self._sending: asyncio.Task[None] | None = None
        self._silent = False
        self._dropped = 0  # uses that were dropped since the last batch was made

    def note(self, record: Record, caller: Caller, *, at: datetime, refused: bool) -> None:
        """Count one use of a key. Never waits."""
        hour = 24 * at.toordinal() + at.hour
        source = caller.user_agent, caller.network
        key = (record.key_id, record.account_id, *source, hour, refused, caller.endpoint)
        seen = self._sums.get(key)
        if seen:
            seen.add(at)
            return
        if len(self._sums) >= MOST:
            self._drop_oldest()
        self._sums[key] = _Sum(at)
        if self._sending is None:
            self._sending = asyncio.get_running_loop().create_task(self._send_now_and_then())

    async def close(self) -> None:
        """Hand on the rest, if that can be done in short time."""
        if self._sending:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._send()
        if lost := len(self._sums) + len(self._unsure.sums if self._unsure else ()):
            log.warning("gateway.sightings-lost", sums=lost)
        await self._sink.close()

    async def _send_now_and_then(self) -> None:
        try:
            while self._sums or self._unsure:
                await asyncio.sleep(self._interval)
                await self._send()
        finally:
            self._sending = None

    async def _send(self) -> None:
        """Send what is there now, the batch that may not have arrived first."""
        waiting = len(self._sums)
        while self._unsure or waiting > 0:
            if self._unsure is None:
                waiting -= LARGEST
                self._unsure = self._make_batch()
            try:
                await self._sink.append(self._unsure)
            except Unavailable as error:
                if not self._silent:
                    log.warning("gateway.sightings-wait", why=error.message)
                self._silent = True
                return
            self._unsure = None
            if self._silent:
                log.warning("gateway.sightings-go-on")
            self._silent = False

    def _make_batch(self) -> UseBatch:
        sums = []
        for key in list(islice(self._sums, LARGEST)):
            key_id, account_id, user_agent, network, _, refused, endpoint = key
            seen = self._sums.pop(key)
            source = field(user_agent), field(network)
            times = seen.first, seen.last
            sums.append(UseSum(key_id, account_id, *source, *times, seen.uses, refused, endpoint))
        self._number += 1
        dropped, self._dropped = self._dropped, 0
        return UseBatch(self._gateway, self._number, dropped, sums)

    def _drop_oldest(self) -> None:
        if not self._dropped:
            log.error("gateway.sightings-dropped", why=f"{MOST} sums wait for the stream")
        self._dropped += self._sums.pop(next(iter(self._sums))).uses


class _Sum:
    __slots__ = ("first", "last", "uses")

    def __init__(self, at: datetime) -> None:
        self.first = self.last = at
        self.uses = 1

    def add(self, at: datetime) -> None:
        self.uses += 1
        if at > self.last:
            self.last = at
        elif at < self.first:  # the machine's clock was set back
            self.first = at
