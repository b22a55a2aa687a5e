"""Rows of a file, CSV or NDJSON, plain or gzipped, streamed: a file of any size in little memory.

A row that cannot be used comes out as a ``Problem``. Where the rows after it can no longer be told
apart, the file as a whole is refused with ``BadInput``.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

from rollout.adapters.rows_ndjson import ndjson_row
from rollout.domain.errors import BadInput
from rollout.domain.inventory_fields import did_you_mean
from rollout.domain.inventory_rows import Columns, Problem, Row

MAX_LINE = 1_000_000  # bytes
STDIN = "-"


class RowFormat(StrEnum):
    """How rows are written."""

    CSV = "csv"
    NDJSON = "ndjson"


FORMATS = {".csv": RowFormat.CSV, ".ndjson": RowFormat.NDJSON, ".jsonl": RowFormat.NDJSON}


def format_of(path: str) -> RowFormat | None:
    """Return the format that a file's name tells, or None."""
    return FORMATS.get(Path(path.lower().removesuffix(".gz")).suffix)


@contextmanager
def open_rows(path: str, written_as: RowFormat) -> Iterator[RowFile]:
    """Open a file, or the standard input for ``-``. Raises ``BadInput`` where that fails."""
    if path == STDIN:
        yield RowFile("stdin", sys.stdin.buffer, written_as)
        return
    name = Path(path).name.encode(errors="backslashreplace").decode()
    opener = gzip.open if path.lower().endswith(".gz") else open
    try:
        stream = cast("IO[bytes]", opener(path, "rb"))
    except OSError as error:
        raise _unreadable(name, error) from error
    with stream:
        yield RowFile(name, stream, written_as)


class RowFile:
    """Implements ``services.ports.inventory.RowSource`` over an open file. Read it once."""

    def __init__(self, name: str, stream: IO[bytes], written_as: RowFormat) -> None:
        self.name = name
        self._format = written_as
        self._lines = _Lines(name, stream)

    @property
    def sha256(self) -> str:
        """The SHA-256, in hex, of what was read so far, decompressed."""
        return self._lines.digest.hexdigest()

    def rows(self, columns: Columns) -> Iterator[Row | Problem]:
        """Stream the rows. Raises ``BadInput`` for a file that cannot be used as a whole."""
        if self._format is RowFormat.CSV:
            yield from self._csv(columns)
        else:
            yield from self._ndjson(columns)
        if not self._lines.number:
            raise BadInput(
                f"{self.name} is empty",
                fix="is it the right file, and was all of it written? Export it again",
            )

    def _csv(self, columns: Columns) -> Iterator[Row | Problem]:
        reader = csv.reader(self._lines, strict=True)
        header: list[str] | None = None
        while True:
            line = self._lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if damage := self._lines.take_damage():
                    raise BadInput(f"{self.name}:{line}: {damage.reason}") from error
                raise BadInput(
                    f"{self.name}:{line}: this row is not CSV: {error}",
                    fix='a quote inside a quoted field is written twice: "6"" pipe"',
                ) from error
            damage = self._lines.take_damage()
            if header is None:
                header = self._header(cells, columns, damage)
            elif damage:
                yield damage
            elif len(cells) == len(header):
                yield Row(line, dict(zip(header, cells, strict=True)))
            elif cells:  # an empty line is no row
                yield Problem(line, "", f"has {len(cells)} fields, the header has {len(header)}")

    def _header(self, cells: Sequence[str], columns: Columns, damage: Problem | None) -> list[str]:
        names = [cell.strip() for cell in cells]
        faults = [damage.reason] if damage else list(_header_faults(names, columns))
        if faults:
            raise BadInput(
                f"{self.name}:1: {'; '.join(faults)}",
                fix=f"the first line is {','.join(columns.required)}"
                + (f", and may have {','.join(columns.optional)}" if columns.optional else ""),
            )
        return names

    def _ndjson(self, columns: Columns) -> Iterator[Row | Problem]:
        for text in self._lines:
            damage = self._lines.take_damage()
            if damage:
                yield damage
            elif text.strip():
                yield from ndjson_row(self._lines.number, text, columns)


def _unreadable(name: str, error: OSError) -> BadInput:
    return BadInput(
        f"cannot read {name}: {error.strerror}",
        fix="name a file that exists and that you may read, or - for standard input",
    )


def _header_faults(names: Sequence[str], columns: Columns) -> Iterator[str]:
    """Say what is wrong with a header.

    An unknown column is told by its place: without a header, its name would be a value (K0).
    """
    known = columns.all
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        yield "the columns are not separated by commas"
        return
    for place, name in enumerate(names, start=1):
        if name not in known:
            yield f"column {place} is unknown{did_you_mean(name, known)}"
        elif names.index(name) < place - 1:
            yield f"columns {names.index(name) + 1} and {place} are both {name}"
    yield from (f"{name} is missing" for name in columns.required if name not in names)


class _Lines:
    """The lines of a file as text, counted and digested on the way."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name = name
        self._stream = stream
        self._damage: Problem | None = None
        self.number = 0
        self.digest = hashlib.sha256()

    def __iter__(self) -> Iterator[str]:
        while raw := self._read():
            self.number += 1
            self.digest.update(raw)
            if len(raw) > MAX_LINE:
                raise BadInput(
                    f"{self._name}:{self.number}: the line is longer than {MAX_LINE:,} bytes"
                )
            yield self._decode(raw)

    def take_damage(self) -> Problem | None:
        """Return what was wrong with the lines read since the last call."""
        damage, self._damage = self._damage, None
        return damage

    def _read(self) -> bytes:
        try:
            return self._stream.readline(MAX_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadInput(f"{self._name} is a damaged gzip file: {error}") from error
        except OSError as error:
            raise _unreadable(self._name, error) from error

    def _decode(self, raw: bytes) -> str:
        """Decode one line. Damage is noted, not raised: its row is bad, the others are not."""
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1} of line {self.number} is not UTF-8"
            self._damage = self._damage or Problem(self.number, "", reason)
            text = raw.decode(errors="replace")
        return text.removeprefix("\ufeff") if self.number == 1 else text
