"""Whether what a plan makes due at once may be cut at once: better said now than by the cutoff."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter

from rollout.domain.plan import Deprecation
from rollout.domain.plan_draft import Draft, Due

HOUR = timedelta(hours=1)
WAY_OUT = "split the cohort or raise the cap"


def draft_problems(draft: Draft, deprecation: Deprecation) -> list[str]:
    """Say what stands in the way of applying a draft, whatever its dates are."""
    stranded = [
        f"{cohort} has left the file, and no other cohort takes {count:,} accounts that still have"
        " its date; keep the cohort, or exempt them"
        for cohort, count in sorted(draft.stranded.items())
    ]
    return stranded + cap_problems(draft, deprecation)


def cap_problems(draft: Draft, deprecation: Deprecation) -> list[str]:
    """Say where more falls due at once than may be cut: the run would be refused (C0)."""
    guards = deprecation.guards
    at_once = [
        f"{_named(due.cohorts)}: {due.keys:,} keys fall due at {_utc(at)},"
        f" guards.max_keys_per_run is {guards.max_keys_per_run:,}; {WAY_OUT}"
        for at, due in sorted(draft.due.items(), key=itemgetter(0))
        if due.keys > guards.max_keys_per_run
    ]
    end, fullest = max(_hours(draft), key=lambda hour: hour[1].accounts, default=(None, Due()))
    if end is None or fullest.accounts <= guards.max_accounts_per_hour:
        return at_once
    within_an_hour = (
        f"{_named(fullest.cohorts)}: {fullest.accounts:,} accounts fall due in the hour that ends"
        f" at {_utc(end)}, guards.max_accounts_per_hour is {guards.max_accounts_per_hour:,};"
        f" {WAY_OUT}"
    )
    return [*at_once, within_an_hour]


def _hours(draft: Draft) -> Iterator[tuple[datetime, Due]]:
    """Yield each instant at which something is due, and all that is due in the hour up to it."""
    window: deque[tuple[datetime, Due]] = deque()
    for at, due in sorted(draft.due.items(), key=itemgetter(0)):
        window.append((at, due))
        while window[0][0] <= at - HOUR:
            window.popleft()
        within = [due for _, due in window]
        yield (
            at,
            Due(
                sum(due.keys for due in within),
                sum(due.accounts for due in within),
                set().union(*(due.cohorts for due in within)),
            ),
        )


def _named(cohorts: set[str]) -> str:
    return ", ".join(sorted(cohorts))


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
