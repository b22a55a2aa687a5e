"""Notices: who is told what, when, and what became of it.

timetable      when each step is due, and which of them is sent
states         what a message says, and the states it goes through
callers        who still calls, how often, and whether that grows
brief          the page behind the link in a message, for whoever it is forwarded to
ahead          which steps are still to come
untold         whose date is near and not promised
delivery       what comes back by mail, and what follows
return_path    addresses by which a bounce names its notice
envelope       what else a letter bears on its way, and how what comes back is read
unsubscribe    links by which readers switch optional messages off
rates          how fast the mail servers of a domain get letters
proof          whether what is kept of a letter is what was sent
guests         whom a test message may be sent to
"""

from __future__ import annotations

from rollout.domain.notices.callers import CALLERS_SEEN, TREND_OF, Caller, Trend
from rollout.domain.notices.states import (
    ADDRESS_DEAD,
    ARRIVED,
    COMPLAINED_OF,
    NOBODY_LEFT,
    UNSUBSCRIBED,
    Called,
    NoticeContext,
    NoticeKey,
    NoticeState,
    retry_delay,
)

__all__ = [
    "ADDRESS_DEAD",
    "ARRIVED",
    "CALLERS_SEEN",
    "COMPLAINED_OF",
    "NOBODY_LEFT",
    "TREND_OF",
    "UNSUBSCRIBED",
    "Called",
    "Caller",
    "NoticeContext",
    "NoticeKey",
    "NoticeState",
    "Trend",
    "retry_delay",
]
