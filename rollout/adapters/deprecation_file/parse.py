"""A deprecation's YAML file, section by section."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from rollout.adapters.deprecation_file.calendar import calendar, default_calendar
from rollout.adapters.deprecation_file.cohorts import cohorts
from rollout.adapters.deprecation_file.notices import notice_rules
from rollout.adapters.deprecation_file.steps import reminders
from rollout.adapters.yaml_file.document import UnusableError, Value, load
from rollout.adapters.yaml_file.fields import (
    day,
    duration,
    name,
    one_of,
    some_duration,
    text,
    url,
    whole_number,
)
from rollout.adapters.yaml_file.shape import (
    Field,
    Shape,
    defaults,
    list_of,
    read_fields,
)
from rollout.domain.errors import BadRows
from rollout.domain.inventory import KeyKind
from rollout.domain.plan import Deprecation, Guards, NoticeRules, Replacement, UnknownUsage


def read_deprecation(text: str, source: str, templates: Collection[str] | None) -> Deprecation:
    """Return the deprecation that a YAML text describes.

    ``source`` names the file in errors. Each step's template must be one of ``templates``; None
    leaves that open, for a text that was checked when it was applied. Raises BadRows with every
    fault found, each with its line. Whether the dates make sense now, ``check_dates`` says.
    """
    try:
        return _deprecation(load(text), templates)
    except UnusableError as error:
        rows = [f"{source}:{p.line}: {p.message}" for p in sorted(set(error.problems))]
    count = "1 fault" if len(rows) == 1 else f"{len(rows)} faults"
    raise BadRows(f"{source} has {count}", rows, fix="correct the lines named; nothing was changed")


def _deprecation(root: Value, templates: Collection[str] | None) -> Deprecation:
    fields = read_fields(root, DEPRECATION | {"reminders": Field(reminders(templates))})
    return Deprecation(name=fields.pop("deprecation"), kinds=fields.pop("scope"), **fields)


def _replacement(value: Value) -> Replacement:
    return Replacement(**read_fields(value, REPLACEMENT))


def _scope(value: Value) -> frozenset[KeyKind]:
    return frozenset(read_fields(value, SCOPE)["kinds"])


def _kind(value: Value) -> KeyKind:
    kind = one_of({kind.value: kind for kind in KeyKind})(value)
    if kind is not KeyKind.REST:
        raise value.unusable(f"{kind} keys are never retired; only rest may be named")
    return kind


def _guards(value: Value) -> Guards:
    return Guards(**read_fields(value, GUARDS))


REPLACEMENT: Shape = {"title": Field(text), "url": Field(url)}

SCOPE: Shape = {"kinds": Field(list_of(_kind, least=1))}

GUARDS: Shape = {
    "min_notice": Field(duration, timedelta(days=14)),
    "min_delivered": Field(whole_number(1, 1000, "; nobody is cut untold"), 1),
    "unknown_usage": Field(one_of({u.value: u for u in UnknownUsage}), UnknownUsage.HOLD),
    "max_keys_per_run": Field(whole_number(1, 1_000_000_000), 5000),
    "max_accounts_per_hour": Field(whole_number(1, 1_000_000_000), 2000),
    "approvals": Field(whole_number(0, 10), 1),
    "usage_window": Field(some_duration, timedelta(days=30)),
    "usage_fresh": Field(some_duration, timedelta(days=2)),
}

DEPRECATION: Shape = {
    "deprecation": Field(name),
    "title": Field(text),
    "replacement": Field(_replacement),
    "guide_url": Field(url),
    "scope": Field(_scope),
    "announced": Field(day),
    "calendar": Field(calendar, default_calendar()),
    "guards": Field(_guards, Guards(**defaults(GUARDS))),
    "notices": Field(notice_rules, NoticeRules()),
    "cohorts": Field(cohorts),
}
