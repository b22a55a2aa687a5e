"""``rollout notice summary|untold``: what was told of each step, and who is not told in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Annotated, Any

import typer
from rich.markup import escape

from rollout.cli.options import AsJson, InCohort, InDeprecation, parse_cohort
from rollout.cli.output import (
    TABLE_ROWS,
    err,
    out,
    print_first,
    print_json,
    print_list,
    rfc3339,
    say,
)
from rollout.cli.session import open_rollout
from rollout.domain.notices import NoticeState
from rollout.domain.notices.untold import Act, Untold
from rollout.services.notices.overview import StepCounts
from rollout.services.ports.notice_views import NearEnrollment
from rollout.services.ports.sending import SendingPause

UNTOLD = ("deadline", "cohort", "account_id", "contacts", "who_must_act", "why")
SHOWN_REASONS = 3  # of what was skipped, in a table


def show_summary(
    deprecation: InDeprecation = None, cohort: InCohort = None, as_json: AsJson = False
) -> None:
    """Count the messages of each step by state, and the people to whom it is still to come.

    `planned` counts people at their most: whether a step's `only` is met, and who is affected,
    is seen when it is due.

    Example: rollout notice summary --deprecation api-keys
    """
    of, name = parse_cohort(deprecation, cohort)
    with open_rollout() as rollout:
        steps = rollout.notices.overview.summary(of, name)
        paused = {pause.deprecation: pause for pause in rollout.notices.breaker.pauses()}
    if as_json:
        print_json({"items": [_counts(step, paused.get(step.deprecation)) for step in steps]})
        return
    if not steps:
        print_list([], (), as_json=False)
    for number, (title, of_it) in enumerate(groupby(steps, lambda step: step.deprecation)):
        out.print(("\n" if number else "") + f"[bold]{escape(title)}[/]")
        if title in paused:
            pause = paused[title]
            say(
                f"sending is paused since {rfc3339(pause.opened_at)} by {pause.owner}:"
                f" {pause.reason}"
            )
        _print_counts(list(of_it))


def _counts(step: StepCounts, paused: SendingPause | None) -> dict[str, Any]:
    """Return a step as programs are told it: a state that no message is in counts 0."""
    return {
        "deprecation": step.deprecation,
        "step": step.step,
        "planned": step.planned,
        "planned_from": step.planned_from,
        "planned_until": step.planned_until,
        "states": {state.value: step.states.get(state.value, 0) for state in NoticeState},
        "skipped": step.skipped,
        "sending_paused": paused and paused.reason,
    }


def _print_counts(steps: Sequence[StepCounts]) -> None:
    """Print a table with those columns only that say something."""
    items = [
        {
            "step": step.step,
            "planned": step.planned or None,
            "from": step.planned_from,
            "until": None if step.planned_until == step.planned_from else step.planned_until,
            **step.states,
            "skipped_because": _reasons(step),
        }
        for step in steps
    ]
    columns = ("step", "planned", "from", "until", *NoticeState, "skipped_because")
    filled = [c for c in columns if any(item.get(c) is not None for item in items)]
    print_list(items, filled, as_json=False)


def _reasons(step: StepCounts) -> str | None:
    shown = [
        f"{reason} ({count:,})" for reason, count in islice(step.skipped.items(), SHOWN_REASONS)
    ]
    if more := len(step.skipped) - len(shown):
        shown.append(f"and {more} other reasons")
    return "; ".join(shown) or None


def list_untold(
    deprecation: InDeprecation = None,
    cohort: InCohort = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the first so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List who is not told and due in less than `min_notice`: as it is, they will not be cut.

    The earliest deadline comes first: all of them as JSON, the first 100 as a table.

    Example: rollout notice untold --deprecation api-keys
    """
    of, name = parse_cohort(deprecation, cohort)
    shown: set[Act] = set()
    with open_rollout() as rollout:
        rows = limit if as_json or limit else TABLE_ROWS + 1
        found = rollout.notices.overview.untold(of, name, rows)
        items = map(_item, found) if as_json else _rows(found, shown)
        print_first(items, UNTOLD, as_json=as_json, limit=limit, which="first")
    if not as_json:
        for act in sorted(shown):
            err.print(escape(f"{act.who}: {act} – {act.sentence}"), soft_wrap=True)


def _item(found: tuple[NearEnrollment, Untold]) -> dict[str, Any]:
    near, untold = found
    return {
        "deprecation": near.deprecation,
        "cohort": near.cohort,
        "account_id": near.account_id,
        "deadline": near.telling.deadline,
        "contacts": near.telling.reach.contacts,
        "told": near.telling.reach.told,
        "code": untold.code.value,
        "why": untold.why,
        "who_must_act": untold.act.who,
        "act": untold.act.value,
    }


def _rows(
    found: Iterable[tuple[NearEnrollment, Untold]], shown: set[Act]
) -> Iterator[dict[str, Any]]:
    """Yield items as a narrow table needs them; note what must be done about them."""
    for each in found:
        item = _item(each)
        shown.add(each[1].act)
        yield item | {
            "cohort": f"{item['deprecation']}/{item['cohort']}",
            "who_must_act": f"{item['who_must_act']}: {item['act']}",
        }
