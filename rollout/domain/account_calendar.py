"""The calendar of an account: its dates, behind a link that only its people know."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

_EVENTS = UUID("5a0d3c52-9f0e-4c1b-8f57-6c1f3f0f7f11")  # a namespace of ours, as good as any
_DIGEST_BYTES = 12  # sixteen characters: nobody guesses one


@dataclass(frozen=True, slots=True)
class AccountDate:
    """When keys of an account stop working, and what became of it; what its event may say."""

    deprecation: str
    account_id: str
    account_name: str
    state: str  # scheduled, cut or exempt
    deadline: datetime
    stopped_at: datetime | None  # where they were cut by this schedule
    schedule_version: int
    set_at: datetime
    zone: str
    locale: str
    title: str
    replacement_title: str
    replacement_url: str
    guide_url: str

    @property
    def uid(self) -> str:
        """The name of the event: the same wherever its date moves."""
        return str(uuid5(_EVENTS, f"{self.deprecation}/{self.account_id}"))

    @property
    def sequence(self) -> int:
        """How often the event has changed; taking it back is a change too (RFC 5546, 3.2.5)."""
        return self.schedule_version - 1 + (self.state == "exempt")

    @property
    def changed_at(self) -> datetime:
        """When it changed last, as far as is written down: of an exemption it is not."""
        return max(self.set_at, self.stopped_at or self.set_at)


@dataclass(frozen=True, slots=True)
class AccountCalendar:
    """The dates of one account, one for each deprecation that it is enrolled in."""

    account_name: str
    locale: str
    dates: tuple[AccountDate, ...]


@dataclass(frozen=True, slots=True)
class CalendarLinks:
    """Makes and reads links to calendars: ``/calendar/<account id>.<keyed digest>.ics``.

    Each account has one, until it is renewed: then its ``version`` is another.
    """

    key: bytes = field(repr=False)
    public_url: str | None = None  # of the web service; None: only paths are known

    def path(self, account_id: str, version: int) -> str:
        """Return the path of an account's calendar."""
        return f"/calendar/{self._token(account_id, version)}.ics"

    def url(self, account_id: str, version: int) -> str | None:
        """Return the whole address, where that of the web service is known."""
        return self.public_url and self.public_url + self.path(account_id, version)

    def claimed(self, token: str) -> str | None:
        """Return the account that a token says it is of; whether that is so, ``opens`` says."""
        try:
            account_id = urlsafe_b64decode(token.partition(".")[0] + "==").decode()
        except ValueError:
            return None
        return None if "\0" in account_id else account_id  # no database takes one

    def opens(self, token: str, account_id: str, version: int) -> bool:
        """Say whether a token is the one of this account now; how wrong it is takes no time."""
        right = self._token(account_id, version)
        return hmac.compare_digest(token.encode(errors="replace"), right.encode())

    def _token(self, account_id: str, version: int) -> str:
        digest = hmac.digest(self.key, f"calendar {version} {account_id}".encode(), "sha256")
        return f"{_base64(account_id.encode())}.{_base64(digest[:_DIGEST_BYTES])}"


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")
