"""The reminders section: the steps before and after the deadline."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import TypeVar

from rollout.adapters.yaml_file.document import Problem, Value, shown
from rollout.adapters.yaml_file.fields import (
    duration,
    identifier,
    name,
    one_of,
    some_duration,
    yes_or_no,
)
from rollout.adapters.yaml_file.shape import (
    Check,
    Field,
    Read,
    Shape,
    did_you_mean,
    list_of,
    read_fields,
    unique,
)
from rollout.domain.inventory import INTERNAL
from rollout.domain.notices import NOBODY_LEFT
from rollout.domain.plan import Only, Step

T = TypeVar("T")


def reminders(templates: Collection[str] | None) -> Read[tuple[Step, ...]]:
    """Return a reader of the steps, each with one of ``templates``; None leaves that open."""
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
    for field, problem in (
        ("only", _only_in_vain(fields["only"], offset)),
        ("max_late", _never_late(offset, required=fields["required"])),
        ("escalate", None if fields["to"] else NOBODY_ELSE),
    ):
        if fields[field] and problem:
            raise (value.get(field) or value).unusable(problem)
    if_uncertain = fields.pop("if_uncertain")
    resend = fields["required"] if if_uncertain is None else if_uncertain
    read = Step(step, offset, fields.pop("template") or step, resend=resend, **fields)
    _leave_insiders_out(value, read)
    return read


def _leave_insiders_out(value: Value, step: Step) -> None:
    """Refuse what would take people inside the company for the customer, or the reverse."""
    if NOBODY_LEFT in (step.name, step.template):
        named = value.get("template") or value.get("step") or value
        raise named.unusable(f"`{NOBODY_LEFT}` is for people inside the company only")
    if INTERNAL in step.to:
        named = value.get("to") or value
        raise named.unusable(f"`{INTERNAL}` people are no customers: no step is for them")


NOBODY_ELSE = "a step without `to` is for everybody already; name the roles, or take this away"


def _only_in_vain(only: tuple[Only, ...], offset: timedelta) -> str | None:
    """Say why a condition makes no sense at its step."""
    if only and not offset:
        return "whoever is cut is told so: a step at the deadline takes no `only`"
    if Only.REFUSED_SINCE_CUTOFF in only and offset < timedelta(0):
        return f"nothing is refused before the cutoff; {Only.REFUSED_SINCE_CUTOFF} needs `after`"
    return None


def _never_late(offset: timedelta, *, required: bool) -> str | None:
    """Say why a step must be sent however late it is."""
    if required:
        return "a required step is sent however late it is; take `max_late` or `required` away"
    if not offset:
        return "whoever is cut is told so, however late: a step at the deadline takes no `max_late`"
    return None


def _one_or_more(read: Read[T]) -> Read[tuple[T, ...]]:
    """Return a reader of a list, or of its only item without brackets."""

    def read_them(value: Value) -> tuple[T, ...]:
        return (read(value),) if value.is_scalar() else tuple(list_of(read, least=1)(value))

    return read_them


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


STEP: Shape = {
    "step": Field(name),
    "before": Field(duration, None),
    "after": Field(duration, None),
    "template": Field(name, None),
    "only": Field(_one_or_more(one_of({only.value: only for only in Only})), ()),
    "required": Field(yes_or_no, default=False),
    "if_uncertain": Field(one_of({"resend": True, "leave": False}), None),
    "to": Field(_one_or_more(identifier), ()),
    "max_late": Field(some_duration, None),
    "escalate": Field(one_of({"unacknowledged": True}), default=False),
}
