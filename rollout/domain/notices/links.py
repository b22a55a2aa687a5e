"""The links of a message to pages of ours that ask for no sign-in."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.domain.account_calendar import CalendarLinks
from rollout.domain.notices.brief import BriefLinks


@dataclass(frozen=True, slots=True)
class MessageLinks:
    """Those that contexts name; there are none where our own address is not known."""

    calendar: CalendarLinks
    brief: BriefLinks

    @classmethod
    def under(cls, key: bytes, public_url: str | None) -> MessageLinks:
        """Make links under the address of the web service, if that is known."""
        address = public_url and public_url.rstrip("/")
        return cls(CalendarLinks(key, address), BriefLinks(key, address))
