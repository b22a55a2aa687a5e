"""``rollout import``: accounts, contacts and keys from files."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from rollout.adapters.rows import STDIN, RowFormat, format_of, open_rows
from rollout.cli.output import out, print_error, print_json, printable
from rollout.cli.session import open_rollout
from rollout.domain.errors import BadRows
from rollout.domain.inventory_rows import Register
from rollout.services.inventory import ImportReport

imports = typer.Typer(
    name="import", help="Take in accounts, contacts, keys and usage.", no_args_is_help=True
)

File = Annotated[str, typer.Argument(help="CSV or NDJSON, .gz too; - for standard input")]
Format = Annotated[
    RowFormat | None,
    typer.Option("--format", help="how the file is written, where its name does not tell"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="check and count; change nothing")]
Partial = Annotated[bool, typer.Option("--partial", help="keep the good rows of a file with bad")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


@imports.command()
def accounts(
    file: File,
    written_as: Format = None,
    dry_run: DryRun = False,
    partial: Partial = False,
    as_json: AsJson = False,
) -> None:
    """Take in accounts: account_id,name,timezone,locale,tier.

    Example: rollout import accounts accounts.csv --dry-run
    """
    _import(Register.ACCOUNTS, file, written_as, dry_run, partial, as_json)


@imports.command()
def contacts(
    file: File,
    written_as: Format = None,
    dry_run: DryRun = False,
    partial: Partial = False,
    as_json: AsJson = False,
) -> None:
    """Take in contacts: account_id,email,name,role and, if they differ, locale,timezone.

    The role `internal` is for people inside your company: they are told where nobody of an account
    can be, and nothing else.

    Example: rollout import contacts contacts.ndjson.gz --partial
    """
    _import(Register.CONTACTS, file, written_as, dry_run, partial, as_json)


@imports.command()
def keys(
    file: File,
    written_as: Format = None,
    dry_run: DryRun = False,
    partial: Partial = False,
    as_json: AsJson = False,
) -> None:
    """Take in keys: key_id,account_id,kind,label,created_at and secret or secret_sha256.

    A secret is digested as it is read, and never kept.

    Example: ./export-keys | rollout import keys - --format csv --json
    """
    _import(Register.KEYS, file, written_as, dry_run, partial, as_json)


def _import(
    register: Register,
    file: str,
    written_as: RowFormat | None,
    dry_run: bool,
    partial: bool,
    as_json: bool,
) -> None:
    chosen = written_as or format_of(file)
    if chosen is None:
        what = "standard input" if file == STDIN else f"the name {file!r}"
        raise typer.BadParameter(f"{what} does not tell the format; give --format csv or ndjson")
    with open_rollout() as rollout, open_rows(file, chosen) as source:
        report = rollout.inventory.import_file(
            register,
            source,
            operator=rollout.settings.operator,
            partial=partial,
            dry_run=dry_run,
        )
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)
    if report.problems:
        raise typer.Exit(1)


def _as_json(report: ImportReport) -> dict[str, object]:
    return {
        "file": report.file,
        "register": report.register,
        "new": report.new,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "bad": report.bad,
        "kept": report.kept,
        "problems": [
            {"line": problem.line, "field": problem.field or None, "reason": problem.reason}
            for problem in report.problems
        ],
    }


def _show(report: ImportReport) -> None:
    counts = f"{report.new} new, {report.changed} changed, {report.unchanged} unchanged"
    what = "" if report.kept else " (nothing was changed)"
    out.print(f"{escape(printable(report.file))}: {counts}, {report.bad} bad{what}")
    if report.problems:
        print_error(
            BadRows(
                f"bad rows in {printable(report.file)}: {report.bad}",
                report.bad_rows,
                fix=None if report.kept else "correct them, or keep the others with --partial",
            )
        )
