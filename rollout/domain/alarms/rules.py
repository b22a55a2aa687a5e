"""The rules: from what is observed to which alarms must stand. Nothing is remembered here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

MINUTE = timedelta(minutes=1)
SILENCE = 2 * MINUTE  # of all processes of a kind, each of which beats every few seconds
LATE_REMINDER = 15 * MINUTE
LATE_CUTOFF = timedelta(seconds=30)
LATE_GATEWAYS = timedelta(seconds=30)
LATE_SEAL = 15 * MINUTE
MANY_PUT_OFF = 20  # tries: a few may be about a few odd recipients


class AlarmKind(StrEnum):
    """What is wrong. ``docs/alarms.md`` has a section for each."""

    MAIL_STUCK = "mail-stuck"
    SENDING_PAUSED = "sending-paused"
    REMINDERS_LATE = "reminders-late"
    NOBODY_TOLD = "nobody-told"
    USAGE_UNKNOWN = "usage-unknown"
    CUTOFF_LATE = "cutoff-late"
    CUTTING_STOPPED = "cutting-stopped"
    GATEWAYS_BEHIND = "gateways-behind"
    AUDIT_BEHIND = "audit-behind"
    PROCESS_SILENT = "process-silent"

    @property
    def patience(self) -> timedelta:
        """Return how long its rule must hold, without a break, before an alarm opens."""
        return _PATIENCE.get(self, timedelta(0))


# Where lateness is measured off the rows, a minute lets what was resumed a moment ago catch up.
_PATIENCE = {
    AlarmKind.MAIL_STUCK: 15 * MINUTE,
    AlarmKind.REMINDERS_LATE: MINUTE,
    AlarmKind.USAGE_UNKNOWN: 5 * MINUTE,
    AlarmKind.CUTOFF_LATE: timedelta(seconds=30),
    AlarmKind.GATEWAYS_BEHIND: timedelta(seconds=30),
    AlarmKind.PROCESS_SILENT: 3 * MINUTE,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """That a rule holds now. One alarm stands for each kind and subject."""

    kind: AlarmKind
    subject: str  # `kind:id`, as facts have it
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Paused:
    """What paused itself: a deprecation's sending, or the cutting of a cohort."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Accounts that are due soon, and whose required notices reached nobody."""

    deprecation: str
    accounts: int
    first_deadline: datetime
    more: bool  # there may be more: no more were counted


@dataclass(frozen=True, slots=True)
class Blind:
    """A deprecation whose cutoff is near, while nobody can say which keys are used."""

    deprecation: str
    next_cutoff: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was observed at one instant. All instants are aware UTC; None: there is none."""

    # Mail, of deprecations whose sending is not paused
    due: bool = False  # a notice could be sent now, if the mail server took it
    waiting: bool = False  # some notice waits to be sent, now or later
    put_off: int = 0  # tries that the mail server put off since it last took one
    last_accepted: datetime | None = None  # to the minute, rounded up; within a day
    last_reply: str | None = None  # to a notice that is tried again
    sending_paused: Sequence[Paused] = ()  # by the circuit breaker
    # The oldest that is due and not done, where nobody has paused it
    reminder_due: datetime | None = None
    cutoff_due: datetime | None = None
    unenforced: datetime | None = None
    unsealed: datetime | None = None
    stopped: str | None = None  # why all cutting is
    cohorts_paused: Sequence[Paused] = ()  # by a rule
    heartbeats: Mapping[str, datetime] = field(default_factory=dict)  # the newest of each kind
    lost: Sequence[Lost] = ()
    blind: Sequence[Blind] = ()


def troubles(seen: Seen, now: datetime, standing: Collection[AlarmKind]) -> Iterator[Trouble]:
    """Yield what is wrong. ``standing`` are the kinds of which an alarm is open now."""
    yield from _mail(seen, now, open_already=AlarmKind.MAIL_STUCK in standing)
    yield from _notices(seen, now)
    yield from _cutoff(seen, now)
    yield from _house(seen, now)


def _mail(seen: Seen, now: datetime, *, open_already: bool) -> Iterator[Trouble]:
    """Whether the mail server takes nothing, though there is something to take.

    Once that is so, it remains so until it takes one, or nothing waits any more: between two
    tries, which may be hours apart, nothing is due.
    """
    if seen.last_accepted is not None and seen.last_accepted > now - MINUTE:
        return
    if seen.due or seen.put_off >= MANY_PUT_OFF or (open_already and seen.waiting):
        since = f"since {_at(seen.last_accepted)}" if seen.last_accepted else "that is on record"
        said = f"; of one it said: {seen.last_reply}" if seen.last_reply else ""
        yield Trouble(
            AlarmKind.MAIL_STUCK,
            "mail:server",
            f"notices are due, and the mail server has taken none {since}{said}",
            "`rollout doctor` and `rollout notice list --state retry` say more; is"
            " ROLLOUT_SMTP_URL right, and does a worker serve the queue `notices`?",
        )


def _notices(seen: Seen, now: datetime) -> Iterator[Trouble]:
    for paused in seen.sending_paused:
        name = paused.subject.partition(":")[2]
        yield Trouble(
            AlarmKind.SENDING_PAUSED,
            paused.subject,
            f"notices of {name} are not sent any more: {paused.reason}",
            f"`rollout notice list --deprecation {name} --state bounced` says which; when that is"
            f" mended: `rollout notice resume {name} --reason …`",
        )
    if _late(seen.reminder_due, now, LATE_REMINDER):
        yield Trouble(
            AlarmKind.REMINDERS_LATE,
            "notices:schedule",
            f"a reminder is due since {_at(seen.reminder_due)} and is not written",
            "does a worker serve the queue `notices`, and what does its log say?",
        )
    for lost in seen.lost:
        name = lost.deprecation
        least = "at least " if lost.more else ""
        yield Trouble(
            AlarmKind.NOBODY_TOLD,
            f"deprecation:{name}",
            f"required notices to {least}{lost.accounts:,} accounts of {name} reached nobody; the"
            f" first of them is due at {_at(lost.first_deadline)}",
            f"`rollout notice list --deprecation {name} --state bounced --state dead --state"
            " uncertain` says whose; they need another address, or more time",
        )
    for blind in seen.blind:
        yield Trouble(
            AlarmKind.USAGE_UNKNOWN,
            f"deprecation:{blind.deprecation}",
            f"{blind.deprecation} cuts next at {_at(blind.next_cutoff)}, and will hold all keys"
            f" whose usage is unknown by then: {blind.why}",
            "bring the logs in again (`rollout feed list` says what came when), or set"
            " guards.unknown_usage: as_in_use",
        )


def _cutoff(seen: Seen, now: datetime) -> Iterator[Trouble]:
    if _late(seen.cutoff_due, now, LATE_CUTOFF):
        yield Trouble(
            AlarmKind.CUTOFF_LATE,
            "cutoff:sweep",
            f"an account is due since {_at(seen.cutoff_due)}, and is neither cut nor held",
            "does a worker serve the queue `cutoff`, and what does its log say?",
        )
    if seen.stopped is not None:
        yield Trouble(
            AlarmKind.CUTTING_STOPPED,
            "clock:database",
            f"nothing is cut any more: {seen.stopped}",
            "look at the clock of the database, then `rollout clock --trust`",
        )
    for paused in seen.cohorts_paused:
        deprecation, _, cohort = paused.subject.partition(":")[2].partition("/")
        yield Trouble(
            AlarmKind.CUTTING_STOPPED,
            paused.subject,
            f"cohort {deprecation}/{cohort} has paused itself: {paused.reason}",
            f"when that is as it should be: `rollout cohort resume {deprecation} {cohort}"
            " --reason …`",
        )
    if _late(seen.unenforced, now, LATE_GATEWAYS):
        yield Trouble(
            AlarmKind.GATEWAYS_BEHIND,
            "enforcement:verdict-store",
            f"a key was changed at {_at(seen.unenforced)}, and the gateways do not know of it",
            "is the Valkey of ROLLOUT_REDIS_URL up (`rollout doctor`), and does a worker serve the"
            " queue `cutoff`?",
        )


def _house(seen: Seen, now: datetime) -> Iterator[Trouble]:
    if _late(seen.unsealed, now, LATE_SEAL):
        yield Trouble(
            AlarmKind.AUDIT_BEHIND,
            "audit:chain",
            f"a fact of {_at(seen.unsealed)} is not sealed into the chain yet",
            "does a worker serve the queue `audit`, and what does its log say?",
        )
    for kind in ("clock", "worker"):
        last = seen.heartbeats.get(kind)
        if last is None or _late(last, now, SILENCE):
            since = f"since {_at(last)}" if last else "for a day or more, if ever"
            yield Trouble(
                AlarmKind.PROCESS_SILENT,
                f"process:{kind}",
                f"no {kind} has shown a sign of life {since}",
                f"start one: `rollout {kind}`, or `rollout up`",
            )


def _late(since: datetime | None, now: datetime, allowed: timedelta) -> bool:
    return since is not None and since <= now - allowed


def _at(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M UTC}"
