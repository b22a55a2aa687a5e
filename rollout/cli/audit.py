"""``rollout audit``: the trail of facts, and the proof that nobody touched it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from rollout.cli.options import AsJson, parse_instant
from rollout.cli.output import SHOWN_ROWS, err, out, print_json, print_list
from rollout.cli.session import open_rollout
from rollout.domain.audit import FactFilter, StoredFact
from rollout.domain.audit_check import Report
from rollout.domain.errors import BadInput, Unavailable

audit = typer.Typer(help="Who decided what, when, on what evidence.", no_args_is_help=True)

COLUMNS = ("seq", "at", "actor", "action", "subject", "reason", "data")
TABLE_ROWS = 100  # that a person is shown unless --limit says otherwise
DIGEST_BYTES = 32


def parse_digest(text: str) -> bytes:
    """Read the head of a chain, 64 hexadecimal digits."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise typer.BadParameter(f"{text!r} is no digest: it has 64 hexadecimal digits")
    return digest


Since = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="from then on")
]
Until = Annotated[
    datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="before then")
]


@audit.command("list")
def list_facts(
    subject: Annotated[str | None, typer.Option(help="such as account:acme or key:k1")] = None,
    account: Annotated[
        str | None, typer.Option(help="of this account and each of its keys")
    ] = None,
    action: Annotated[str | None, typer.Option(help="such as key.cut")] = None,
    actor: Annotated[str | None, typer.Option(help="an operator, or rollout")] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the newest so many only")] = None,
    as_json: AsJson = False,
) -> None:
    """List facts, the newest first: all of them as JSON, the newest 100 as a table.

    Example: rollout audit list --account acme --since 2027-02-02
    """
    which = FactFilter(
        subject=subject, account=account, action=action, actor=actor, since=since, until=until
    )
    rows = limit if as_json or limit else TABLE_ROWS
    with open_rollout() as rollout:
        facts = rollout.audit.facts(which, rows)
        if as_json:
            print_list(map(_parsed, facts), COLUMNS, as_json=True)
            return
        shown = [asdict(fact) for fact in facts]
    print_list(shown, COLUMNS, as_json=False)
    if rows != limit and len(shown) == rows:
        err.print(f"These are the newest {rows}; --limit shows more.")


def _parsed(fact: StoredFact) -> dict[str, Any]:
    return asdict(fact) | {"data": json.loads(fact.data)}


@audit.command()
def verify(
    head: Annotated[
        bytes | None,
        typer.Option(parser=parse_digest, metavar="HEX", help="a head that was noted elsewhere"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every fact and every seal; exit with 1 and name what is broken.

    Example: rollout audit verify --json
    """
    with open_rollout() as rollout:
        report = rollout.audit.verify(head)
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if not report.intact:
        raise typer.Exit(1)


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "intact": report.intact,
        "sealed": report.sealed,
        "waiting": report.waiting,
        "head": report.head.digest.hex(),
        "noted_at": report.noted_at,
        "broken": report.broken,
        "findings": [asdict(finding) for finding in report.findings],
    }


def _show(report: Report) -> None:
    verdict = "[bold green]intact[/]" if report.intact else f"[bold red]{report.broken} broken[/]"
    out.print(f"{verdict}: {report.sealed} facts sealed, {report.waiting} not sealed yet")
    for finding in report.findings[:SHOWN_ROWS]:
        out.print(f"  {finding.kind}: {escape(finding.message)}", soft_wrap=True)
    if report.broken > SHOWN_ROWS:
        out.print(f"  … and {report.broken - SHOWN_ROWS} more")
    out.print(f"head: {report.head.digest.hex()}", soft_wrap=True)
    if report.noted_at is not None:
        out.print(f"the noted head is at position {report.noted_at}")


@audit.command()
def export(
    file: Annotated[str, typer.Argument(help="a new file, or - for standard output")],
) -> None:
    """Write all sealed facts with their digests as NDJSON; the last line names the head.

    Example: rollout audit export evidence.ndjson
    """
    with open_rollout() as rollout:
        lines = rollout.audit.export()
        if file == "-":
            sys.stdout.buffer.writelines(lines)
            return
        summary = _write(lines, Path(file))
    err.print(f"{summary['count']} facts, head {summary['head']}", soft_wrap=True)


def _write(lines: Iterable[bytes], path: Path) -> dict[str, Any]:
    """Write a file that appears when it is complete; return its last line."""
    if path.exists():
        raise BadInput(f"{path} exists already", fix="name another file: evidence is kept")
    part = path.with_name(f"{path.name}.part")
    line = b""
    try:
        with part.open("wb") as out_file:
            for line in lines:
                out_file.write(line)
        part.rename(path)
    except OSError as error:
        raise Unavailable(
            f"cannot write {path}: {error.strerror}",
            fix="name a file in a directory that exists, with room, and in which you may write",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    summary: dict[str, Any] = json.loads(line)
    return summary
