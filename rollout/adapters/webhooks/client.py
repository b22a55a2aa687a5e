"""Posts to webhooks: the least of HTTP that does it, on the standard library."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse

from rollout.adapters.one_line import one_line
from rollout.adapters.webhooks.line import Line
from rollout.domain.clock import Clock
from rollout.domain.webhooks.addresses import Address, Reach
from rollout.domain.webhooks.attempts import Answer

TIMEOUT = 15.0  # seconds, to the last byte that is read; looking up the name has its own
_MOST_READ = 1_000  # bytes of an answer: it is for people to look at
_MOST_SHOWN = 200  # characters
_TELLING = 6  # characters from which on a part of an address may be a secret
_MOMENT = 0.001  # seconds: a socket takes 0 for "do not wait"


class HttpWebhooks:
    """Implements ``services.ports.webhooks.WebhookClient``. It follows no redirect."""

    def __init__(
        self,
        reach: Reach,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._tls = tls or ssl.create_default_context()
        self._timeout = timeout

    def post(self, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        """Try once. Never raises for what a server or a network does."""
        line = Line(address, self._reach, self._tls, self._countdown())
        try:
            line.request("POST", address.target, body, {"Host": address.authority, **headers})
            return self._read(address, line.getresponse())
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout:g} s")
        except (OSError, HTTPException, UnicodeError) as error:
            said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return Answer(None, _shown(said, address))
        finally:
            line.hang_up()

    def _countdown(self) -> Callable[[], float]:
        end = self._clock.monotonic() + self._timeout

        def left() -> float:
            return max(end - self._clock.monotonic(), _MOMENT)

        return left

    def _read(self, address: Address, response: HTTPResponse) -> Answer:
        status = f"{response.status} {response.reason}".strip()
        try:
            said = response.read(_MOST_READ).decode("utf-8", errors="replace").strip()
        except (OSError, HTTPException):
            said = ""  # the status is the answer
        text = f"{status}: {said}" if said else status
        asked = _asked(response.getheader("Retry-After"), response.getheader("Date"))
        return Answer(response.status, _shown(text, address), asked)


def _shown(text: str, address: Address) -> str:
    """Make a server's words fit to be kept: without what it may repeat of our own address."""
    for part in re.split(r"[/?&=]", address.target):
        if len(part) >= _TELLING:
            text = text.replace(part, "…")
    return one_line(text, _MOST_SHOWN)


def _asked(retry_after: str | None, date: str | None) -> timedelta | None:
    """Read ``Retry-After``: seconds, or an instant by the server's own clock (RFC 9110, 10.2.3)."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return timedelta(seconds=int(retry_after[:9]))
    until, now = _instant(retry_after), _instant(date or "")
    return max(until - now, timedelta(0)) if until and now else None


def _instant(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year that no clock has
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
