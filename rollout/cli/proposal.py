"""How the proposal of a plan is shown: each cohort in numbers, and every date that moves."""

from __future__ import annotations

from typing import Any

from rich.markup import escape

from rollout.cli.output import out, print_json, print_list, printable, rfc3339, say
from rollout.domain.plan_draft import CohortSummary, Draft
from rollout.domain.plan_moves import Move
from rollout.services.plan.drafting import Proposal

EXAMPLES = 5  # of the accounts that no cohort takes
SHOWN = 10  # moves of one cohort; with a zone for each account there may be dozens
COLUMNS = (
    *("cohort", "accounts", "keys", "exempt", "new", "moved", "unreachable"),
    *("first_deadline", "last_deadline", "messages"),
)


def show_proposal(proposal: Proposal, then: str, *, as_json: bool) -> None:
    """Print a proposal; ``then`` says what comes next, unless nothing changes at all."""
    cohorts = proposal.draft.cohorts.values()
    unchanged = proposal.applied and not any(c.new or c.moved for c in cohorts)
    summaries = [_summary(proposal, cohort) for cohort in cohorts]
    if as_json:
        print_json(
            {
                "deprecation": proposal.deprecation.name,
                "unchanged": unchanged,
                "items": summaries,
                "unassigned": proposal.draft.unassigned_count,
                "problems": list(proposal.problems),
            }
        )
        return
    print_list(summaries, COLUMNS, as_json=False)
    for cohort in cohorts:
        _say_moves(cohort)
    _say_unassigned(proposal.draft)
    for problem in proposal.problems:
        out.print(f"[bold red]Problem:[/] {escape(printable(problem))}", soft_wrap=True)
    if unchanged or then:
        say("This is applied already: nothing changes." if unchanged else then)


def _summary(proposal: Proposal, cohort: CohortSummary) -> dict[str, Any]:
    steps = len(proposal.deprecation.reminders)
    return {
        "cohort": cohort.cohort,
        "accounts": cohort.accounts,
        "keys": cohort.keys,
        "exempt": cohort.exempt,
        "new": cohort.new,
        "moved": cohort.moved,
        "unreachable": cohort.unreachable,
        "first_deadline": cohort.first_deadline,
        "last_deadline": cohort.last_deadline,
        "messages": cohort.contacts * steps,  # at most: conditional steps may be left out
        "moves": [_move(move) for move in cohort.moves.values()],
        "shifts": dict(cohort.shifts),
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "from": move.before,
        "to": move.after,
        "accounts": move.accounts,
        "because": move.because,
        "examples": move.examples,
    }


def _say_moves(cohort: CohortSummary) -> None:
    moves = sorted(cohort.moves.values(), key=lambda move: move.accounts, reverse=True)
    for move in moves[:SHOWN]:
        stays = move.before == move.after
        dates = f"{rfc3339(move.before)} {'stays' if stays else f'→ {rfc3339(move.after)}'}"
        say(f"  {cohort.cohort}: {dates} ({_who(move)}), because {move.because}")
    if len(moves) > SHOWN:
        say(f"  {cohort.cohort}: … and {len(moves) - SHOWN} more moves; --json lists all of them")
    for why, count in cohort.shifts.items():
        dates = "1 deadline is" if count == 1 else f"{count} deadlines are"
        say(f"  {cohort.cohort}: {dates} not the date asked for: {why}")


def _who(move: Move) -> str:
    named = ", ".join(move.examples)
    if move.accounts == len(move.examples):
        return f"{_accounts(move.accounts)}: {named}"
    return f"{_accounts(move.accounts)}, such as {named}"


def _say_unassigned(draft: Draft) -> None:
    if not draft.unassigned_count:
        return
    out.print(f"[yellow]No cohort takes {_accounts(draft.unassigned_count)}[/]:")
    if draft.unassigned_count == 1:
        say(f"  none selects it, or its date is too soon to be told. It is {draft.unassigned[0]}")
        return
    say("  none selects them, or its date is too soon to be told. Such as")
    say("  " + ", ".join(draft.unassigned[:EXAMPLES]))


def _accounts(count: int) -> str:
    return "1 account" if count == 1 else f"{count} accounts"
