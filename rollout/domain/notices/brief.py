"""The brief of an account: what stops, who still calls and what to do, for whoever does it.

The mail goes to a person who is known; the work is done by another who is not. So the page behind
the link in a mail asks for no sign-in, and shows no more than the mail does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rollout.domain.keyed_ids import KeyedIds, named_id
from rollout.domain.notices.states import NoticeContext

KEPT_OPEN = timedelta(days=90)  # after the keys have stopped, or would have


@dataclass(frozen=True, slots=True)
class BriefLinks:
    """Makes and reads ``/brief/<notice id>.<keyed digest>``: one link for each notice.

    All links of an account end when its ``version`` becomes another.
    """

    key: bytes = field(repr=False)
    public_url: str | None = None  # of the web service; None: only paths are known

    def path(self, notice_id: int, version: int) -> str:
        """Return the path of the page to which a notice links."""
        return f"/brief/{self._ids(version).of(notice_id)}"

    def url(self, notice_id: int, version: int) -> str | None:
        """Return the whole address, where that of the web service is known."""
        return self.public_url and self.public_url + self.path(notice_id, version)

    def claimed(self, token: str) -> int | None:
        """Return the notice that a token says it is of; whether that is so, ``opens`` says."""
        return named_id(token)

    def opens(self, token: str, version: int) -> bool:
        """Say whether a token is genuine, and of this version of its account's links."""
        return self._ids(version).read(token) is not None

    def _ids(self, version: int) -> KeyedIds:
        return KeyedIds(self.key, f"brief {version}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the enrollment of a notice stands now, and whether its reader has answered."""

    notice_id: int
    account_id: str
    step: str
    links_version: int  # of its account
    state: str  # scheduled, cut or exempt
    deadline: datetime  # as it is now, whatever the notice told
    stopped_at: datetime | None  # where the keys were cut by the present schedule
    acknowledged_at: datetime | None

    def ended(self, now: datetime) -> bool:
        """Say whether the page has done its work, so that its link leads nowhere any more."""
        if self.state == "scheduled":
            return False
        return now >= (self.stopped_at or self.deadline) + KEPT_OPEN


@dataclass(frozen=True, slots=True)
class Brief:
    """What the page says. ``context`` is as a message would have it that is sent now."""

    standing: Standing
    context: NoticeContext
    reply_to: str  # the bare address that takes questions
