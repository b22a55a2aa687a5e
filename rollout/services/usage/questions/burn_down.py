"""How many keys are left, when none will be, and which integrations explain most of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from rollout.domain.usage.burn_down import Forecast, Point, forecast, share
from rollout.services.ports import StartUnitOfWork
from rollout.services.usage.questions.view import View, view

WEEKS = timedelta(weeks=8)
KEPT = timedelta(days=7)  # a key counts on the day of a use, and on the six after it
AHEAD = timedelta(days=30)  # is foreseen where no deadline is left
ONE_DAY = timedelta(days=1)
EXPLAINED = 0.8  # of the accounts that some integration serves


@dataclass(frozen=True, slots=True)
class Explanation:
    """The few integrations that serve most: how many accounts of all that still use keys."""

    integrations: Sequence[str]  # the biggest first
    accounts: int  # that use keys through at least one of these
    of_accounts: int

    @property
    def covered(self) -> float:
        """Which part of all that is, 0 to 1."""
        return self.accounts / self.of_accounts if self.of_accounts else 0.0


@dataclass(frozen=True, slots=True)
class BurnDown:
    """Keys in use by day, as far as feeds saw each of its days, up to the last day that is over."""

    deprecation: str
    coverage: Sequence[str]
    series: Sequence[Point]
    on: date
    forecast: Forecast | None  # None: too few days to say
    explained: Explanation | None  # None: no account was seen, since nobody listened


def burn_down(start: StartUnitOfWork, name: str, on: date | None) -> BurnDown:
    """Follow the keys in scope of a deprecation to a day: else, to that of its last deadline."""
    with start() as uow:
        deprecation = uow.plan.deprecation(name)
        kinds = frozenset(map(str, deprecation.kinds))
        seen, ask = view(uow, guards=deprecation.guards), uow.usage_questions
        days = _days(seen)
        series = ask.in_use_by_day(kinds, *days, KEPT) if days else []
        deadline = ask.last_deadline(name)
        on = on or (deadline or seen.now + AHEAD).date()
        since = seen.now - seen.window
        explained = _explain(ask.accounts_by_integrations(kinds, since))
        known = explained.of_accounts or seen.coverage.spans(since, seen.now, seen.fresh)
    expected = forecast(series, on)
    return BurnDown(name, seen.describe(), series, on, expected, explained if known else None)


def _days(seen: View) -> tuple[date, date] | None:
    """Return the first and the last day whose counts rest on whole days of listening.

    Where the feeds have stopped, or are late, the days since then would look like a fall.
    """
    newest = max((f.newest for f in seen.coverage.feeds if f.complete and f.newest), default=None)
    if newest is None:
        return None
    end = datetime.combine(min(newest, seen.now).date(), time(), UTC)  # of the last whole day
    since = seen.coverage.since(min(newest, seen.now), seen.fresh)
    if since is None:
        return None
    last = end.date() - ONE_DAY
    first_whole = (since + ONE_DAY - timedelta.resolution).date()
    first = max(last - WEEKS + ONE_DAY, first_whole + KEPT - ONE_DAY)
    return (first, last) if first <= last else None


def _explain(sets: Sequence[tuple[tuple[str, ...], int]]) -> Explanation:
    counts: Counter[str] = Counter()
    for integrations, accounts in sets:
        counts.update(dict.fromkeys(integrations, accounts))
    names = share(counts, EXPLAINED).names
    explained = sum(n for integrations, n in sets if not set(names).isdisjoint(integrations))
    return Explanation(names, explained, sum(n for _, n in sets))
