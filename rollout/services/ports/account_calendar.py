"""What the calendar of an account asks of the database, and of whoever writes it down."""

from __future__ import annotations

from typing import Protocol

from rollout.domain.account_calendar import AccountCalendar


class CalendarRepository(Protocol):
    """Speaks inside one unit of work."""

    def version(self, account_id: str) -> int | None:
        """Return which link of an account is the valid one; None: there is no such account."""
        ...

    def renew(self, account_id: str) -> int | None:
        """Make all links of an account void; return the version of the new one."""
        ...

    def read(self, account_id: str) -> AccountCalendar | None:
        """Return the dates of an account, or None if there is none."""
        ...


class CalendarWriter(Protocol):
    """Writes a calendar as calendar programs read it."""

    def write(self, calendar: AccountCalendar) -> bytes:
        """Return the file: the same bytes for the same dates."""
        ...
