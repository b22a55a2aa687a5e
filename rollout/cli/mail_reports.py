"""``rollout notice reports|report``: what came back by mail, understood or not."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rollout.cli.options import AsJson
from rollout.cli.output import TABLE_ROWS, print_first, print_json, say
from rollout.cli.session import open_rollout
from rollout.domain.notices.delivery import ReportKind

COLUMNS = ("report_id", "taken_at", "kind", "recipient", "status", "account_id", "notice_id")


def list_reports(
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="only those about none of our notices")
    ] = False,
    kind: Annotated[ReportKind | None, typer.Option(help="only of this kind")] = None,
    account: Annotated[str | None, typer.Option(help="only of this account")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List what came back by mail, the newest first: all as JSON, the newest 100 as a table.

    Example: rollout notice reports --unmatched
    """
    rows = limit if as_json or limit else TABLE_ROWS + 1
    with open_rollout() as rollout:
        items = rollout.queries.mail_reports(
            unmatched=unmatched, kind=kind.value if kind else None, account_id=account, limit=rows
        )
        print_first(items, (*COLUMNS, "reason"), as_json=as_json, limit=limit)


def show_report(
    report_id: Annotated[int, typer.Argument(metavar="REPORT")], as_json: AsJson = False
) -> None:
    """Show a report and, of a mail that was not understood, its beginning.

    Example: rollout notice report 17
    """
    with open_rollout() as rollout:
        found: dict[str, Any] = dict(rollout.queries.mail_report(report_id))
    excerpt = found.pop("excerpt")
    text = None if excerpt is None else bytes(excerpt).decode("utf-8", errors="replace")
    if as_json:
        print_json({**found, "excerpt": text})
        return
    for name, value in found.items():
        if value is not None:
            say(f"{name.replace('_', ' ')}: {value}")
    if text is not None:
        say("\n" + text.replace("\r\n", "\n"))
