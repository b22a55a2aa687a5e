"""What opens and what closes, and when an operator is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.alarms.rules import AlarmKind, Trouble

AGAIN = timedelta(days=1)  # an alarm that stays open is told so often
FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
STALE = timedelta(days=1)  # that an alarm was over is no news after so long

TITLES = {
    AlarmKind.MAIL_STUCK: "the mail server takes nothing",
    AlarmKind.SENDING_PAUSED: "sending has paused itself",
    AlarmKind.REMINDERS_LATE: "reminders are not written",
    AlarmKind.NOBODY_TOLD: "accounts that are due soon cannot be told",
    AlarmKind.USAGE_UNKNOWN: "nobody can say which keys are in use",
    AlarmKind.CUTOFF_LATE: "what is due is not cut",
    AlarmKind.CUTTING_STOPPED: "cutting has stopped itself",
    AlarmKind.GATEWAYS_BEHIND: "gateways do not know which keys are off",
    AlarmKind.AUDIT_BEHIND: "the audit trail is not sealed",
    AlarmKind.PROCESS_SILENT: "a process is silent",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alarm. All instants are aware UTC."""

    alarm_id: int
    kind: AlarmKind
    subject: str
    reason: str
    fix: str
    seen_at: datetime  # since when its rule has held
    opened_at: datetime | None  # None: its rule has not held for long enough yet
    last_told_at: datetime | None
    closed_at: datetime | None

    @property
    def name(self) -> tuple[AlarmKind, str]:
        """Return what at most one standing alarm has."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Alert:
    """What an operator is told."""

    title: str
    text: str
    over: bool = False  # it is good news


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What becomes of alarms by what is wrong now."""

    begun: tuple[Trouble, ...]  # seen for the first time; opens once it has held for long enough
    opened: tuple[Trouble, ...]
    reworded: tuple[Trouble, ...]
    closed: tuple[Alarm, ...]
    ended: tuple[Alarm, ...]  # before they had held for long enough


def changes(
    standing: Iterable[Alarm],
    found: Iterable[Trouble],
    now: datetime,
    without: Collection[AlarmKind] = (),
) -> Changes:
    """Compare what stands with what is wrong now; ``without`` are kinds not looked at now."""
    there = {alarm.name: alarm for alarm in standing if alarm.kind not in without}
    begun, opened, reworded = [], [], []
    for trouble in found:
        alarm = there.pop((trouble.kind, trouble.subject), None)
        if alarm is None or alarm.opened_at is None:
            held = now - alarm.seen_at if alarm else timedelta(0)
            if held >= trouble.kind.patience:
                opened.append(trouble)
            elif alarm is None:
                begun.append(trouble)
        elif (alarm.reason, alarm.fix) != (trouble.reason, trouble.fix):
            reworded.append(trouble)
    return Changes(
        begun=tuple(begun),
        opened=tuple(opened),
        reworded=tuple(reworded),
        closed=tuple(alarm for alarm in there.values() if alarm.opened_at is not None),
        ended=tuple(alarm for alarm in there.values() if alarm.opened_at is None),
    )


def told_long_ago(alarm: Alarm, now: datetime) -> bool:
    """Whether it is time to tell everybody that an alarm is still open, whoever was told before."""
    told = alarm.last_told_at
    return alarm.closed_at is None and told is not None and now - told >= AGAIN


def next_telling(alarm: Alarm, attempts: int, now: datetime) -> datetime | None:
    """Return when an alarm is told next; ``attempts`` have failed since it was told, or changed.

    None: there is nothing more to tell.
    """
    if attempts == 0:
        return None if alarm.closed_at else (alarm.last_told_at or now) + AGAIN
    return now + min(FIRST_RETRY * (1 << min(attempts - 1, 10)), LAST_RETRY)


def alert(alarm: Alarm, *, again: bool = False) -> Alert:
    """Say what an alarm says, as it stands; ``again``: to those who had it a day ago, or longer."""
    title = TITLES[alarm.kind]
    opened = f"{alarm.kind} ({alarm.subject}), open since {_at(alarm.opened_at)}"
    if alarm.closed_at is not None:
        text = f"{alarm.reason}\n\nThat is over since {_at(alarm.closed_at)}.\n\n{opened}."
        return Alert(f"Over: {title}", text, over=True)
    still = "Still: " if again else ""
    return Alert(f"{still}{title}", f"{alarm.reason}\n\nWhat to do: {alarm.fix}\n\n{opened}.")


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M UTC}"
