"""A deprecation: scope, calendar, reminder steps, guards and cohorts; who gets which date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from rollout.domain.inventory import KeyKind
from rollout.domain.usage import Usage

ANY_INTEGRATION = "any"  # `select: {integration: any}`
ACCOUNT_ZONE = "account"  # `calendar.timezone: account` means each account's own zone


class UnknownUsage(StrEnum):
    """What the cutoff does with a key whose usage is unknown. Neither treats it as unused (U0)."""

    HOLD = "hold"
    AS_IN_USE = "as_in_use"


class Only(StrEnum):
    """A condition under which a step is sent."""

    IN_USE = "in_use"
    UNKNOWN = "unknown"
    NOT_MIGRATED = "not_migrated"  # in use, or nobody can tell
    HAS_INTEGRATION = "has_integration"  # one that is known by name used a key of late
    REFUSED_SINCE_CUTOFF = "refused_since_cutoff"


@dataclass(frozen=True, slots=True)
class Replacement:
    """What takes the place of the key."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """Days on which nothing is cut, both ends included."""

    start: date
    end: date
    reason: str


@dataclass(frozen=True, slots=True)
class CalendarRules:
    """When a cutoff may fall. ``weekdays`` are 0 for Monday to 6 for Sunday."""

    timezone: str  # an IANA name, or ACCOUNT_ZONE
    cutoff_time: time
    weekdays: frozenset[int]
    holidays: tuple[str, ...]  # ISO 3166 countries, or country-subdivision such as US-CA
    freezes: tuple[Freeze, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One reminder: ``offset`` is relative to the deadline, negative before it."""

    name: str
    offset: timedelta
    template: str
    only: tuple[Only, ...]  # all of them must hold
    required: bool
    resend: bool  # once more, where nobody knows whether it arrived
    to: tuple[str, ...] = ()  # roles of contacts; none: everybody
    max_late: timedelta | None = None  # a step that is sent later than this is skipped
    escalate: bool = False  # to everybody, where nobody has acknowledged a message of this date


@dataclass(frozen=True, slots=True)
class ReadingHours:
    """When people are written to, by their own clocks: not on quiet days.

    ``weekdays`` are 0 for Monday to 6 for Sunday; ``closes`` is when the hours are over.
    """

    opens: time
    closes: time
    weekdays: frozenset[int]
    quiet: tuple[Freeze, ...]

    def bar(self, day: date) -> str | None:
        """Say why nobody is written to on a day, or None."""
        if day.weekday() not in self.weekdays:
            return f"{day} is a {day:%A}"
        return next((quiet.reason for quiet in self.quiet if quiet.start <= day <= quiet.end), None)

    def includes(self, local: datetime) -> bool:
        """Say whether somebody whose clock shows ``local`` (naive) may be written to."""
        return self.opens <= local.time() < self.closes and self.bar(local.date()) is None


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """How people are written to: at any time, unless there are ``hours``."""

    hours: ReadingHours | None = None
    spacing: timedelta | None = None  # from the last warning to the cutoff; see `Deprecation`


@dataclass(frozen=True, slots=True)
class Guards:
    """What must hold before a key is cut. Caps are on by default (C0)."""

    min_notice: timedelta
    min_delivered: int
    unknown_usage: UnknownUsage
    max_keys_per_run: int
    max_accounts_per_hour: int
    approvals: int
    usage_window: timedelta
    usage_fresh: timedelta


@dataclass(frozen=True, slots=True)
class Selector:
    """Which accounts a cohort takes. Every condition given must hold; none given: everybody.

    ``percent`` is above 0 and at most 100.
    """

    usage: Usage | None = None
    tier: str | None = None
    integration: str | None = None  # a name, or ANY_INTEGRATION
    accounts: frozenset[str] | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Cohort:
    """The accounts that share a date. ``date`` is a day for the calendar, or an aware instant."""

    name: str
    select: Selector
    date: date | datetime
    bake: timedelta
    line: int = field(default=0, compare=False)  # of the file, where the date stands; 0: of none


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The retirement of one kind of key, as one YAML file describes it."""

    name: str
    title: str
    replacement: Replacement
    guide_url: str
    kinds: frozenset[KeyKind]
    announced: date
    calendar: CalendarRules
    reminders: tuple[Step, ...]
    guards: Guards
    cohorts: tuple[Cohort, ...]
    notices: NoticeRules = NoticeRules()

    @property
    def last_warning(self) -> Step | None:
        """Return the last step before the deadline that everybody gets."""
        everybody = [step for step in self.warnings if not step.only]
        return max(everybody, key=lambda step: step.offset, default=None)

    @property
    def spacing(self) -> timedelta:
        """Return how long the last warning leaves, at the least, also where it ran late.

        Unless the file says, that is half of what it leaves by the plan, or ``min_notice``.
        """
        last = self.last_warning
        if self.notices.spacing is not None or last is None:
            return self.notices.spacing or timedelta(0)
        return min(-last.offset / 2, self.guards.min_notice)

    @property
    def warnings(self) -> tuple[Step, ...]:
        """Return the steps before the deadline."""
        return tuple(step for step in self.reminders if step.offset < timedelta(0))

    @property
    def aftermath(self) -> tuple[Step, ...]:
        """Return the steps that follow the cutoff, at the deadline or later."""
        return tuple(step for step in self.reminders if step.offset >= timedelta(0))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account as the selectors see it."""

    account_id: str
    timezone: str
    tier: str
    usage: Usage
    integrations: frozenset[str] = frozenset()  # that have used its keys of late


def bucket(deprecation: str, account_id: str) -> float:
    """Return a number in [0, 100) that depends on nothing but the two names.

    A percentage therefore picks the same accounts whenever and wherever it is asked.
    """
    digest = hashlib.sha256(f"{deprecation}:{account_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * 100


def selects(select: Selector, deprecation: str, candidate: Candidate) -> bool:
    """Say whether a cohort's selector takes this account."""
    return (
        (select.usage is None or select.usage == candidate.usage)
        and (select.tier is None or select.tier == candidate.tier)
        and _through(select.integration, candidate.integrations)
        and (select.accounts is None or candidate.account_id in select.accounts)
        and (select.percent is None or bucket(deprecation, candidate.account_id) < select.percent)
    )


def _through(wanted: str | None, found: frozenset[str]) -> bool:
    return wanted is None or (bool(found) if wanted == ANY_INTEGRATION else wanted in found)


def assign(deprecation: str, cohorts: Sequence[Cohort], candidate: Candidate) -> Cohort | None:
    """Return the first cohort that takes this account, or None: nobody planned for it."""
    return next((c for c in cohorts if selects(c.select, deprecation, candidate)), None)


def covers(earlier: Selector, later: Selector) -> bool:
    """Say whether every account that ``later`` selects is selected by ``earlier`` too.

    A cohort behind another that covers it is never reached.
    """
    return (
        earlier.usage in {None, later.usage}
        and earlier.tier in {None, later.tier}
        and (
            earlier.integration in {None, later.integration}
            or (earlier.integration == ANY_INTEGRATION and later.integration is not None)
        )
        and (
            earlier.accounts is None
            or (later.accounts is not None and later.accounts <= earlier.accounts)
        )
        and (later.percent or 100) <= (earlier.percent or 100)
    )


def cohort_digest(deprecation: Deprecation, cohort: Cohort) -> bytes:
    """Return what an approval is bound to: whatever decides who is cut, when, under which guards.

    Any edit of these gives another digest, and so takes the approvals back.
    """
    bound = asdict(_Bound(deprecation.kinds, deprecation.calendar, deprecation.guards, cohort))
    del bound["cohort"]["line"]  # a comment above it decides nothing
    canonical = json.dumps(bound, default=_canonical, sort_keys=True)
    return hashlib.sha256(canonical.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Bound:
    kinds: frozenset[KeyKind]
    calendar: CalendarRules
    guards: Guards
    cohort: Cohort


def _canonical(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
