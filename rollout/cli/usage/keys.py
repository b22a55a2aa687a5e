"""``rollout usage keys|ahead``: keys one by one, and uses that are yet to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer

from rollout.bootstrap import Rollout
from rollout.cli.options import AsJson, parse_cohort
from rollout.cli.session import open_rollout
from rollout.cli.usage.group import (
    At,
    OfCohort,
    OfDeprecation,
    OfIntegration,
    OfTier,
    Prefix,
    print_long,
    usage,
)
from rollout.domain.usage import Usage
from rollout.services.ports.usage_questions import KeyFilter
from rollout.services.usage.questions import KeyUse

KEY_COLUMNS = (
    *("key_id", "account_id", "kind", "status", "usage", "count", "refused"),
    *("first_seen", "last_seen"),
)
AHEAD_COLUMNS = ("at", "feed", "key_id", "account_id", "user_agent", "network", "noted_at")

Used = Annotated[Usage | None, typer.Option("--usage", help="only those so judged")]
Unregistered = Annotated[bool, typer.Option("--unregistered", help="keys that only logs know")]
OutOfScope = Annotated[
    str | None,
    typer.Option(
        "--out-of-scope",
        metavar="DEPRECATION",
        help="keys of kinds that it leaves alone; those in use, if --usage says nothing else",
    ),
]


@usage.command()
def keys(
    deprecation: OfDeprecation = None,
    cohort: OfCohort = None,
    tier: OfTier = None,
    integration: OfIntegration = None,
    prefix: Prefix = None,
    used: Used = None,
    unregistered: Unregistered = False,
    out_of_scope: OutOfScope = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """List keys by their ids: all of them as JSON, the first 100 as a table.

    Usage is in_use (within 30 days, or what the deprecation says), unused, or unknown: no feed has
    listened all that time. `why` says what it rests on, `until` when silence will have settled it.

    Example: rollout usage keys --cohort api-keys/everyone --usage in_use --json
    """
    of, name = parse_cohort(deprecation, cohort)
    if unregistered and (of or tier or out_of_scope):
        raise typer.BadParameter("keys that only logs know have no cohort, tier or kind")
    if of and out_of_scope:
        raise typer.BadParameter("keys out of scope have no cohort: leave one of the two out")
    which = KeyFilter(
        registered=not unregistered,
        deprecation=out_of_scope or of,
        cohort=name,
        tier=tier,
        integration=integration,
        prefix=prefix,
    )
    with open_rollout() as rollout:
        found = _find(rollout, which, used, at, out_of_scope=out_of_scope is not None)
        print_long(map(_key_item, found), KEY_COLUMNS, as_json=as_json)


def _find(
    rollout: Rollout,
    which: KeyFilter,
    used: Usage | None,
    at: datetime | None,
    *,
    out_of_scope: bool,
) -> Iterator[KeyUse]:
    questions = rollout.usage_questions
    if out_of_scope:
        return questions.keys_out_of_scope(which, usage=used or Usage.IN_USE, at=at)
    return questions.keys(which, usage=used, at=at)


def _key_item(key: KeyUse) -> dict[str, Any]:
    row = key.row
    return {
        "key_id": row.key_id,
        "account_id": row.account_id,
        "kind": row.kind,
        "status": row.status,
        "usage": key.judged.usage,
        "count": row.count,
        "refused": row.refused,
        "first_seen": row.first_seen,
        "last_seen": row.history.last_seen,
        "integrations": row.integrations,
        "why": key.judged.why,
        "until": key.judged.until,
    }


@usage.command()
def ahead(as_json: AsJson = False) -> None:
    """List uses that were set aside because their time had not come, the latest first.

    Some clock is wrong: they prove nothing, and count nowhere.

    Example: rollout usage ahead --json
    """
    with open_rollout() as rollout:
        print_long(map(asdict, rollout.usage.ahead()), AHEAD_COLUMNS, as_json=as_json)
