"""Who uses the servers of a data directory, kept by ``flock``.

The kernel drops a lock when the last copy of its descriptor is closed, so a user that is killed is
forgotten without help. The descriptors are not inherited by programs we execute (PEP 446), so the
servers never hold them. A *fork* does copy them: workers forked by a user share its one lock, which
outlives that user until they end too; but when that user leaves by itself, it leaves for all of
them. Whoever forks therefore ends its children first, or they start the servers for themselves.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollout.domain.errors import Unavailable


class Use:
    """One use of the servers: a shared lock, from creation until ``leave``."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def is_last(self) -> bool:
        """Whether nobody else uses the servers; asked just before leaving, it may drop the lock."""
        return _seize(self._descriptor)

    def leave(self) -> None:
        """Give the lock up, also for forked children."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Close this copy only: what a forked child does, so that its parent keeps the lock."""
        os.close(self._descriptor)


@contextmanager
def one_at_a_time(path: Path, *, timeout: float) -> Iterator[None]:
    """Start or stop servers alone; ``Unavailable`` after ``timeout`` seconds of waiting."""
    descriptor = _open(path)
    deadline = time.monotonic() + timeout
    try:
        while not _seize(descriptor):
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"another command has been starting or stopping the servers for {timeout:.0f} s"
                    f" (it holds {path})",
                    fix=f"wait for it, or see who it is: fuser {path}",
                )
            time.sleep(0.02)
        yield
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _seize(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
