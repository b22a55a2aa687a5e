"""The inventory stage: take in accounts, contacts and keys from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollout.domain.audit import Fact
from rollout.domain.errors import BadRows
from rollout.domain.inventory_rows import COLUMNS, Entry, Problem, Register, RowReader
from rollout.services.plan.late_keys import reopen
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.inventory import RowSource

MAX_PROBLEMS = 10_000  # with more, it is not the file that was meant


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What a file did, or would have done where ``kept`` is false: then nothing was changed."""

    file: str
    register: Register
    new: int
    changed: int
    unchanged: int
    problems: tuple[Problem, ...]  # in the order of the file
    kept: bool

    @property
    def bad(self) -> int:
        """How many rows have problems."""
        return len({problem.line for problem in self.problems})

    @property
    def bad_rows(self) -> list[str]:
        """The problems, each as a sentence with file, line and field."""
        return [f"{self.file}:{problem}" for problem in self.problems]


class Inventory:
    """Keeps the registers of accounts, contacts and keys."""

    def __init__(
        self,
        start: StartUnitOfWork,
        *,
        pepper: bytes,
        canonical_locale: Callable[[str], str | None],
    ) -> None:
        self._start = start
        self._pepper = pepper
        self._canonical_locale = canonical_locale

    def import_file(
        self,
        register: Register,
        source: RowSource,
        *,
        operator: str,
        partial: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Take in a file, in one transaction; the same file again changes nothing.

        Bad rows are in the report; with any, nothing is kept unless ``partial`` asks for the good
        ones. Raises ``BadInput`` for a file that cannot be used as a whole, ``BadRows`` for one
        with more than ``MAX_PROBLEMS``, ``Conflict`` while another import is running.
        """
        reader = RowReader(register, pepper=self._pepper, canonical_locale=self._canonical_locale)
        problems: list[Problem] = []
        with self._start() as uow:
            staged = uow.inventory.stage(register, _entries(source, reader, register, problems))
            rejected = uow.inventory.reject(register, MAX_PROBLEMS + 1)
            _note(source, problems, rejected)
            merged = uow.inventory.merge(register)
            report = ImportReport(
                file=source.name,
                register=register,
                new=merged.new,
                changed=merged.changed,
                unchanged=staged - len(rejected) - merged.new - merged.changed,
                problems=tuple(sorted(problems)),
                kept=not dry_run and (partial or not problems),
            )
            if report.kept and (report.new or report.changed):
                reopen(uow)
                uow.audit.append([_imported(report, source.sha256, operator)])
                uow.commit()
        return report


def _entries(
    source: RowSource, reader: RowReader, register: Register, problems: list[Problem]
) -> Iterator[tuple[int, Entry]]:
    """Stream what the file says; note what is wrong with it."""
    for row in source.rows(COLUMNS[register]):
        entry = [row] if isinstance(row, Problem) else reader.read(row)
        if isinstance(entry, list):
            _note(source, problems, entry)
        else:
            yield row.line, entry


def _note(source: RowSource, problems: list[Problem], found: list[Problem]) -> None:
    problems += found
    if len(problems) > MAX_PROBLEMS:
        raise BadRows(
            f"{source.name} has more than {MAX_PROBLEMS:,} bad rows; nothing was changed",
            [f"{source.name}:{problem}" for problem in sorted(problems)],
            fix="is it the right file? The accounts of contacts and keys are imported first",
        )


def _imported(report: ImportReport, sha256: str, operator: str) -> Fact:
    return Fact(
        actor=operator,
        action="inventory.imported",
        subject=f"file:{report.file}",
        data={
            "kind": report.register,
            "new": report.new,
            "changed": report.changed,
            "unchanged": report.unchanged,
            "bad": report.bad,
            "sha256": sha256,
        },
    )
