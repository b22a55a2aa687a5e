"""``rollout import mail``: bounces, complaints and answers, from wherever mail lies in files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from rollout.adapters.mail.mailboxes import Mail, mails_in
from rollout.adapters.mail.reports import is_mail
from rollout.bootstrap import Rollout
from rollout.cli.options import AsJson
from rollout.cli.output import out, print_error, print_json, print_list, printable
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadInput
from rollout.services.notices.reports import TakenIn

SHOWN = 20  # reports about none of our notices, of which the first are shown to a person

Paths = Annotated[
    list[Path],
    typer.Argument(
        help="a message, an mbox, a Maildir or a folder of messages; - for standard input"
    ),
]


@dataclass(slots=True)
class Outcome:
    """What became of an import."""

    mails: int = 0
    repeated: int = 0
    passed_over: list[str] = field(default_factory=list)  # found in a folder, but no mail
    failed: list[tuple[str, str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    hard: int = 0
    address_dead: int = 0
    matched: int = 0
    unmatched: list[dict[str, Any]] = field(default_factory=list)

    def add(self, name: str, taken: TakenIn) -> None:
        """Count a mail and its rows, the first time that it comes."""
        if not taken.new:
            self.repeated += 1
            return
        self.mails += 1
        for report in taken.mail.reports:
            self.kinds[report.kind.value] += 1
            self.hard += report.hard is True
            self.address_dead += report.address_dead
            if taken.notice is not None:
                self.matched += 1
                continue
            self.unmatched.append(
                {
                    "file": name,
                    "kind": report.kind.value,
                    "recipient": report.recipient,
                    "status": report.status,
                    "reason": report.reason,
                }
            )


def import_mail(paths: Paths, as_json: AsJson = False) -> None:
    """Take in what came back by mail; what was taken in before changes nothing.

    A bounce voids its notice, a complaint or a positive notification proves that it arrived, an
    answer acknowledges it. What is about none of our notices is kept: `rollout notice reports`.

    Example: rollout import mail /var/mail/bounces
    """
    outcome = Outcome()
    with open_rollout() as rollout:
        for path in paths:
            try:
                for mail in mails_in(path):
                    _take_in(rollout, mail, outcome)
            except BadInput as error:
                outcome.failed.append((str(path), error.message))
                print_error(error)
    if as_json:
        print_json(_as_json(outcome))
    else:
        _show(outcome)
    if outcome.failed:
        raise typer.Exit(1)


def _take_in(rollout: Rollout, mail: Mail, outcome: Outcome) -> None:
    if is_mail(mail.raw):
        outcome.add(mail.name, rollout.notices.reports.take_in(mail.raw))
    elif mail.found:
        outcome.passed_over.append(mail.name)
    else:
        raise BadInput(
            f"{mail.name} is no mail: it does not begin with the headers of one",
            fix="give messages as they were received (RFC 5322): .eml files, an mbox, a Maildir",
        )


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "mails": outcome.mails,
        "repeated": outcome.repeated,
        "passed_over": outcome.passed_over,
        "failed": [{"file": name, "error": error} for name, error in outcome.failed],
        "kinds": dict(sorted(outcome.kinds.items())),
        "hard": outcome.hard,
        "address_dead": outcome.address_dead,
        "matched": outcome.matched,
        "unmatched": outcome.unmatched,
    }


def _show(outcome: Outcome) -> None:
    out.print(
        f"mails: {outcome.mails} taken in, {outcome.repeated} taken in before,"
        f" {len(outcome.failed)} failed"
    )
    for name in outcome.passed_over:
        out.print(f"  passed over, no mail: {escape(printable(name))}", soft_wrap=True)
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(outcome.kinds.items()))
    out.print(
        f"reports: {outcome.kinds.total()}{f' ({kinds})' if kinds else ''};"
        f" for good: {outcome.hard}, addresses dead: {outcome.address_dead}"
    )
    out.print(f"about our notices: {outcome.matched}, about none: {len(outcome.unmatched)}")
    if outcome.unmatched:
        columns = ("file", "kind", "recipient", "status", "reason")
        print_list(outcome.unmatched[:SHOWN], columns, as_json=False)
    if len(outcome.unmatched) > SHOWN:
        out.print(f"… and {len(outcome.unmatched) - SHOWN} more: `rollout notice reports` has all")
