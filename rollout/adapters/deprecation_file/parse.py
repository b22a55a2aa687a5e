"""A deprecation's YAML file, section by section."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from datetime import timedelta

from rollout.adapters.deprecation_file.calendar import calendar, default_calendar
from rollout.adapters.deprecation_file.cohorts import cohorts
from rollout.adapters.yaml_file.document import Problem, UnusableError, Value, load, shown
from rollout.adapters.yaml_file.fields import (
    day,
    duration,
    name,
    one_of,
    some_duration,
    text,
    url,
    whole_number,
    yes_or_no,
)
from rollout.adapters.yaml_file.shape import (
    Check,
    Field,
    Read,
    Shape,
    defaults,
    did_you_mean,
    list_of,
    read_fields,
    unique,
)
from rollout.domain.errors import BadRows
from rollout.domain.inventory import KeyKind
from rollout.domain.plan import Deprecation, Guards, Only, Replacement, Step, UnknownUsage


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
    fields = read_fields(root, DEPRECATION | {"reminders": Field(_reminders(templates))})
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


def _reminders(templates: Collection[str] | None) -> Read[tuple[Step, ...]]:
    checks = [unique("step")]
    if templates is not None:
        checks.append(_templates_exist(templates))
    return list_of(_step, *checks, least=1)


def _step(value: Value) -> Step:
    fields = read_fields(value, STEP)
    step, before, after = fields.pop("step"), fields.pop("before"), fields.pop("after")
    if (before is None) == (after is None):
        raise value.unusable("exactly one of `before` and `after` is expected")
    offset = after if before is None else -before
    if problem := _only_in_vain(fields["only"], offset):
        raise (value.get("only") or value).unusable(problem)
    return Step(step, offset, fields.pop("template") or step, **fields)


def _only_in_vain(only: Only | None, offset: timedelta) -> str | None:
    """Say why a condition makes no sense at its step."""
    if only is not None and not offset:
        return "whoever is cut is told so: a step at the deadline takes no `only`"
    if only is Only.REFUSED_SINCE_CUTOFF and offset < timedelta(0):
        return f"nothing is refused before the cutoff; {only} needs `after`"
    return None


def _templates_exist(templates: Collection[str]) -> Check:
    def check(steps: list[Value]) -> Iterator[Problem]:
        for step in steps:
            named = step.get("template") or step.get("step")
            if named is None or not named.is_scalar():
                continue  # its own fault is reported where it is read
            template = named.scalar("a name")
            if template not in templates:
                close = difflib.get_close_matches(template[:100], templates, n=1)
                hint = did_you_mean(close) or f"; there are {', '.join(sorted(templates))}"
                yield named.problem(f"there is no template `{shown(template)}`{hint}")

    return check


REPLACEMENT: Shape = {"title": Field(text), "url": Field(url)}

SCOPE: Shape = {"kinds": Field(list_of(_kind, least=1))}

STEP: Shape = {
    "step": Field(name),
    "before": Field(duration, None),
    "after": Field(duration, None),
    "template": Field(name, None),
    "only": Field(one_of({only.value: only for only in Only}), None),
    "required": Field(yes_or_no, default=False),
}

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
    "cohorts": Field(cohorts),
}
