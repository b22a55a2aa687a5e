"""The calendar of an account, to which its people subscribe: an event moves when its date moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollout.domain.account_calendar import CalendarLinks
from rollout.domain.audit import Fact
from rollout.domain.errors import NotFound, no_account
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.account_calendar import CalendarWriter


@dataclass(frozen=True, slots=True)
class Feed:
    """A calendar as it is handed out."""

    body: bytes
    changed_at: datetime | None  # None: nothing is in it


class AccountCalendars:
    """Hands out calendars to whoever shows the right link, and makes the links."""

    def __init__(
        self, start: StartUnitOfWork, links: CalendarLinks, writer: CalendarWriter
    ) -> None:
        self._start = start
        self._links = links
        self._writer = writer

    def read(self, token: str) -> Feed:
        """Return a calendar; raise ``NotFound`` for a wrong link, whatever is wrong with it."""
        account_id = self._links.claimed(token) or ""
        with self._start() as uow:
            version = uow.calendars.version(account_id) or 0  # 0 is never valid
            right = self._links.opens(token, account_id, version)
            calendar = uow.calendars.read(account_id) if right and version else None
        if calendar is None:
            raise NotFound("there is no such calendar")
        changed_at = max((date.changed_at for date in calendar.dates), default=None)
        return Feed(self._writer.write(calendar), changed_at)

    def link(self, account_id: str) -> str:
        """Return the address of an account's calendar; its path, where ours is not known."""
        with self._start() as uow:
            return self._address(account_id, uow.calendars.version(account_id))

    def renew(self, account_id: str, *, operator: str) -> str:
        """Make every earlier link to the calendar void; return the new one."""
        with self._start() as uow:
            version = uow.calendars.renew(account_id)
            address = self._address(account_id, version)
            action, data = "account.calendar-renewed", {"version": version}
            uow.audit.append([Fact(operator, action, f"account:{account_id}", None, data)])
            uow.commit()
        return address

    def _address(self, account_id: str, version: int | None) -> str:
        if version is None:
            raise no_account(account_id)
        return self._links.url(account_id, version) or self._links.path(account_id, version)
