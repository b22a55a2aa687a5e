"""Which keys are used, one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from rollout.domain.errors import NotFound
from rollout.domain.plan import ANY_INTEGRATION, Deprecation
from rollout.domain.usage import HOLIDAYS, Judgement, Usage
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.usage import KeyRow
from rollout.services.ports.usage_questions import KeyFilter
from rollout.services.usage.questions.view import View, view

FEW = 1_000  # keys that are read first: enough for whoever looks at the beginning, or for few
SHOWN = 20  # names, in an error that helps


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and what we may conclude about its use."""

    row: KeyRow
    judged: Judgement


class Scope(Enum):
    """Which keys are meant where a deprecation is named."""

    INSIDE = "of its kinds, of accounts that are enrolled"
    OUTSIDE = "of other kinds, of whichever account"


def key_uses(
    start: StartUnitOfWork,
    which: KeyFilter,
    *,
    usage: Usage | None,
    at: datetime | None,
    scope: Scope,
) -> Iterator[KeyUse]:
    """Read keys in the order of their ids; what was named is looked up before the first."""
    with start() as uow:
        deprecation = check(uow, which)
        seen = view(uow, at=at, guards=deprecation.guards if deprecation else None)
    which = _near(in_scope(which, deprecation, scope), usage, seen)
    return _read(start, which, usage, seen)


def check(uow: UnitOfWork, which: KeyFilter) -> Deprecation | None:
    """Return the deprecation that is named; raise ``NotFound`` for what is not there."""
    named = which.integration
    if named not in (None, ANY_INTEGRATION) and uow.usage_questions.integration(named) is None:
        raise unknown_integration(uow, named)
    if which.deprecation is None:
        return None
    deprecation = uow.plan.deprecation(which.deprecation)
    known = [state.cohort for state in uow.guards.cohorts(which.deprecation)]
    if which.cohort is not None and which.cohort not in known:
        raise NotFound(
            f"{which.deprecation} has no cohort {which.cohort!r} (known: {', '.join(known)})"
        )
    return deprecation


def unknown_integration(uow: UnitOfWork, name: str) -> NotFound:
    """Say which there are."""
    known = [row.integration for row in uow.usage_questions.integrations()[:SHOWN]]
    return NotFound(
        f"there is no integration {name!r} (known: {', '.join(known) or 'none yet'})",
        fix="`rollout usage integrations` lists them all",
    )


def in_scope(
    which: KeyFilter, deprecation: Deprecation | None, scope: Scope = Scope.INSIDE
) -> KeyFilter:
    """Keep to the keys within the deprecation that is named, or to those outside."""
    if deprecation is None:
        return which
    kinds = frozenset(map(str, deprecation.kinds))
    if scope is Scope.INSIDE:
        return replace(which, kinds=kinds)
    return replace(which, other_than_kinds=kinds, deprecation=None, cohort=None)


def _near(which: KeyFilter, usage: Usage | None, seen: View) -> KeyFilter:
    """Leave to the database what it can tell: the rest is judged key by key."""
    if usage is Usage.IN_USE:
        return replace(which, used_since=seen.now - seen.window)
    if usage is None:
        return which
    return replace(which, not_used_since=seen.now - min(seen.window, HOLIDAYS))


def _read(
    start: StartUnitOfWork, which: KeyFilter, usage: Usage | None, seen: View
) -> Iterator[KeyUse]:
    with start() as uow:
        few = list(uow.usage_questions.keys(which, seen.at, seen.now, after="", limit=FEW))
    yield from _judged(few, usage, seen)
    if len(few) == FEW:
        last = few[-1].key_id
        with start() as uow:
            rest = uow.usage_questions.keys(which, seen.at, seen.now, after=last, limit=None)
            yield from _judged(rest, usage, seen)


def _judged(rows: Iterable[KeyRow], usage: Usage | None, seen: View) -> Iterator[KeyUse]:
    for row in rows:
        judged = seen.judge(row.history)
        if usage in (None, judged.usage):
            yield KeyUse(row, judged)
