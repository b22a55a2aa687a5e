"""``rollout usage summary|burn-down``: how many keys are used, and how many are left."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any

import typer

from rollout.cli.options import AsJson, parse_cohort, parse_day_or_instant, parse_length
from rollout.cli.output import print_json, print_list, say
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import (
    At,
    OfCohort,
    OfDeprecation,
    OfIntegration,
    OfTier,
    Prefix,
    say_coverage,
    usage,
)
from rollout.domain.usage.coverage import spoken
from rollout.services.ports.usage_questions import GroupBy, KeyFilter
from rollout.services.usage.questions import BurnDown, KeyCounts, Summary

COUNTS = ("active", "used", "older", "never", "in_use", "unused", "unknown")
NAMED = 7  # integrations, in a sentence
WEEK = 7

Window = Annotated[
    timedelta | None,
    typer.Option(parser=parse_length, metavar="LENGTH", help="what `used` means; 30d if not given"),
]
By = Annotated[GroupBy | None, typer.Option("--by", help="count each of these apart")]


def parse_day(text: str) -> date:
    """Read a day."""
    moment = parse_day_or_instant(text)
    return moment.date() if isinstance(moment, datetime) else moment


@usage.command()
def summary(
    at: At = None,
    window: Window = None,
    by: By = None,
    deprecation: OfDeprecation = None,
    cohort: OfCohort = None,
    tier: OfTier = None,
    integration: OfIntegration = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Count the active keys: used within the window, used before that, and never seen.

    The same keys are also counted by usage: silence is `unused` only where feeds would have seen a
    use. A key that serves several integrations counts for each of them.

    Example: rollout usage summary --at 2024-08-31T00:00:00Z --window 30d --by tier
    """
    of, name = parse_cohort(deprecation, cohort)
    if by is GroupBy.COHORT and of is None:
        raise typer.BadParameter("--by cohort needs --deprecation: cohorts are those of one")
    which = KeyFilter(
        deprecation=of, cohort=name, tier=tier, integration=integration, prefix=prefix
    )
    with open_rollout() as rollout:
        found = rollout.usage_questions.summary(which, at=at, window=window, by=by)
    if as_json:
        print_json(_summary(found, by))
        return
    rows = [_group(by, group or "none", counts) for group, counts in found.groups.items()]
    rows.append(_group(by, "all", found.total))
    say(f"as of {found.at:%Y-%m-%d %H:%M:%S} UTC; used: within {spoken(found.window)}")
    print_list(rows, ((by.value,) if by else ()) + COUNTS, as_json=False)
    say_coverage(found.coverage)


def _summary(found: Summary, by: GroupBy | None) -> dict[str, Any]:
    return {
        "at": found.at,
        "window_seconds": found.window.total_seconds(),
        "coverage": found.coverage,
        "total": asdict(found.total),
        "items": [_group(by, group, counts) for group, counts in found.groups.items()],
    }


def _group(by: GroupBy | None, group: str | None, counts: KeyCounts) -> dict[str, Any]:
    return ({by.value: group} if by else {}) | asdict(counts)


@usage.command("burn-down")
def burn_down(
    deprecation: Annotated[str, typer.Argument(metavar="DEPRECATION")],
    on: Annotated[
        date | None,
        typer.Option(
            parser=parse_day, metavar="DATE", help="how many are left then; else, the last deadline"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many keys are in use by day, how many will be left, and what explains them.

    A key counts on each day on which, or on one of the six days before which, it was used. The last
    eight weeks are shown, as far as feeds listened.

    Example: rollout usage burn-down api-keys --on 2027-04-13
    """
    with open_rollout() as rollout:
        found = rollout.usage_questions.burn_down(deprecation, on=on)
    if as_json:
        print_json(_burn_down(found))
        return
    weekly = found.series[::-WEEK][::-1]
    rows = [{"day": day.isoformat(), "keys_in_use": keys} for day, keys in weekly]
    if rows:
        print_list(rows, ("day", "keys_in_use"), as_json=False)
    else:
        say("Of no day is it known how many keys were in use.")
    for sentence in _sentences(found):
        say(sentence)
    say_coverage(found.coverage)


def _burn_down(found: BurnDown) -> dict[str, Any]:
    explained = found.explained
    return {
        "deprecation": found.deprecation,
        "coverage": found.coverage,
        "items": [{"day": day, "keys": keys} for day, keys in found.series],
        "on": found.on,
        "forecast": asdict(found.forecast) if found.forecast else None,
        "explained": explained and asdict(explained) | {"covered": round(explained.covered, 3)},
    }


def _sentences(found: BurnDown) -> list[str]:
    return [_forecast(found), _explained(found)]


def _forecast(found: BurnDown) -> str:
    expected = found.forecast
    if expected is None:
        return "Too few days are known to say where this is going."
    left = f"At this rate {expected.left} left on {_day(found.on)}"
    if expected.zero_on is None:
        return f"{left}; it does not lead to none."
    if expected.per_day == 0:
        return f"{left}; there are none since {_day(expected.zero_on)}."
    return f"{left}; none from {_day(expected.zero_on)} on ({expected.per_day:+.1f} a day)."


def _explained(found: BurnDown) -> str:
    explained = found.explained
    if explained is None:
        return "Which accounts still use keys is not known."
    if not explained.of_accounts:
        return "No account still uses keys."
    names = explained.integrations
    if not names:
        return f"No integration is behind the {explained.of_accounts} accounts still using keys."
    shown = ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
    these = "This integration explains" if len(names) == 1 else "These integrations explain"
    return (
        f"{these} {explained.covered:.0%} of the {explained.of_accounts} accounts still using"
        f" keys: {shown}"
    ).replace("%", " %", 1)


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
