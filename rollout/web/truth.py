"""The database, asked from an event loop: a few look-ups at once, and never a long wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record

TIMEOUT = 0.35  # seconds; with the verdict store's 0.1 it stays below the 0.5 of nginx.conf
AT_ONCE = 8  # a flood of unknown keys at the gateway must not become one at the database


class Truth:
    """Looks keys up in threads."""

    def __init__(self, look_up: Callable[[str], Record | None]) -> None:
        self._look_up = look_up
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="truth")
        self._free = asyncio.Semaphore(AT_ONCE)

    async def read(self, key_id: str) -> Record | None:
        """Return the record of a key; raise ``Unavailable`` if it cannot be had in time."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._free.acquire()
                loop = asyncio.get_running_loop()
                work = loop.run_in_executor(self._threads, self._look_up, key_id)
                work.add_done_callback(self._done)
                # Shielded: a thread that is still at it keeps its place until it has ended.
                return await asyncio.shield(work)
        except Exception as error:  # whatever it is, it must not refuse a key
            raise Unavailable(f"the database does not answer: {type(error).__name__}") from error

    def _done(self, work: asyncio.Future[Record | None]) -> None:
        self._free.release()
        if not work.cancelled():
            work.exception()  # seen, even where nobody waits for it any more
