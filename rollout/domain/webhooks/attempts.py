"""How an answer is judged, and when a delivery is tried again (Standard Webhooks, "Retries")."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from zlib import crc32

OK = range(200, 300)
GONE = 410

# After each attempt that failed; all together 75 hours and a half.
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
ATTEMPTS = len(DELAYS) + 1
TRIED = timedelta(days=3.5)  # at the longest, unless the server asks for more
_SPREAD = 0.1  # of a delay: what failed together is not tried again together


class Ending(StrEnum):
    """What one attempt means for its delivery."""

    DELIVERED = "delivered"
    AGAIN = "again"
    GONE = "gone"  # nobody wants anything there any more


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request. Without a status nobody answered; ``text`` then says why."""

    status: int | None
    text: str  # one printable, bounded line without a secret
    retry_after: timedelta | None = None  # that the server asks for
    asked: bool = True  # False: for a reason of ours, nobody was

    @property
    def ending(self) -> Ending:
        """Only 2xx means that it was taken; a redirect is not followed."""
        if self.status in OK:
            return Ending.DELIVERED
        return Ending.GONE if self.status == GONE else Ending.AGAIN


def delay(webhook_id: str, attempts: int, asked: timedelta | None = None) -> timedelta | None:
    """Return how long to wait after so many attempts, or None where that was the last.

    A server may ask for more, up to the longest delay there is.
    """
    if attempts >= ATTEMPTS:
        return None
    planned = DELAYS[attempts - 1]
    spread = crc32(f"{webhook_id} {attempts}".encode()) / 0xFFFFFFFF * _SPREAD
    return max(planned * (1 + spread), min(asked or timedelta(0), DELAYS[-1]))
