"""Whose date is near and not promised yet: why, and who must act while there is time (T0)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.domain.cutoff import HoldCode, Promise, unpromised
from rollout.domain.notices.delivery import Reach, unreachable
from rollout.domain.plan import Guards

NEW_ADDRESS = (
    "bring in an address that works (`rollout import contacts`) and give it time (`rollout account"
    " extend`), or take the account out (`rollout account exempt`)"
)


class Act(StrEnum):
    """What must be done so that an account can be cut one day."""

    NEW_ADDRESS = "new address, more time"
    MORE_TIME = "more time"
    WAIT = "wait"

    @property
    def who(self) -> str:
        """Return who must do it."""
        return "rollout" if self is Act.WAIT else "operator"

    @property
    def sentence(self) -> str:
        """Say how it is done."""
        return {
            Act.NEW_ADDRESS: NEW_ADDRESS,
            Act.MORE_TIME: "give it time (`rollout account extend`), which tells it the new date",
            Act.WAIT: "a message is under way, and its people were warned in time before",
        }[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How far the present date of an enrollment was told: messages of the present schedule."""

    deadline: datetime
    reach: Reach
    warned_at: datetime | None  # when a message of this date or an earlier one first arrived
    sent: int  # accepted by a mail server, and not known to have arrived yet
    uncertain: int
    last_try: str | None  # what the mail server said of the newest that it did not take yet
    skipped: str | None  # why the newest that was skipped was
    paused: str | None  # why the cohort is
    sending_paused: str | None  # why the sending of the deprecation is


@dataclass(frozen=True, slots=True)
class Untold:
    """Why the cutoff would hold, and what must be done about it."""

    code: HoldCode
    why: str
    act: Act


def untold(telling: Telling, guards: Guards) -> Untold | None:
    """Judge as the cutoff will at the deadline, on today's evidence; None: it is promised."""
    promises = []
    if telling.warned_at is not None:
        promises = [Promise(telling.deadline, telling.warned_at, telling.reach.told)]
    hold = unpromised(promises, telling.deadline, guards)
    if hold is None:
        return None
    if hold.code is HoldCode.TOLD_TOO_LATE:
        return Untold(hold.code, hold.reason, Act.MORE_TIME)
    return Untold(hold.code, _why(telling), _act(telling, guards))


def _why(telling: Telling) -> str:
    reach = telling.reach
    lost = unreachable(reach)
    if lost is not None:
        return f"nobody can be told: {lost}"
    parts = [
        (reach.told, "told, and more must be"),
        (telling.sent, "sent, may still bounce"),
        (reach.open - telling.sent, "waiting to be sent"),
        (telling.uncertain, "uncertain: nobody knows whether it arrived"),
        (reach.failed, "bounced or given up"),
    ]
    said = [f"{words} ({count})" for count, words in parts if count]
    if telling.last_try:
        said.append(f"the newest try ended with: {telling.last_try}")
    if not said and telling.skipped:
        said = [f"skipped: {telling.skipped}"]
    if not said:
        said = ["nothing was sent about this date yet"]
    if telling.paused:
        said.append(f"the cohort is paused: {telling.paused}")
    if telling.sending_paused:
        said.append(f"sending is paused: {telling.sending_paused}")
    return "; ".join(said)


def _act(telling: Telling, guards: Guards) -> Act:
    """Whoever is only told now is told too late, unless of an earlier date before."""
    if unreachable(telling.reach) is not None:
        return Act.NEW_ADDRESS
    warned = telling.warned_at
    in_time = warned is not None and telling.deadline - warned >= guards.min_notice
    return Act.WAIT if in_time and telling.reach.open else Act.MORE_TIME
