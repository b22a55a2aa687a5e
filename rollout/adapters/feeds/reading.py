"""Reads logs as bytes: plain or gzip, digested on the way, cut into lines of bounded length."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import IO, cast

from rollout.domain.errors import BadInput

BLOCK = 1 << 20
LONGEST_RECORD = 16 << 20  # bytes of one line or one JSON value; what is longer is no log record
LONGEST_FIELD = 1000  # characters; a longer user agent is somebody's payload, not a name
SHOWN = 200  # characters of a record that are shown as an example
GZIP_MAGIC = b"\x1f\x8b"


class LogFile:
    """Implements ``services.ports.Log`` over an open file."""

    first_line = 1

    def __init__(self, content: IO[bytes], name: str, progress: Callable[[], None]) -> None:
        self.name = name
        self._content = content
        self._progress = progress
        self._digest = hashlib.sha256()

    def blocks(self) -> Iterator[bytes]:
        """Read on, block by block, and report progress after each."""
        while block := self._read():
            self._digest.update(block)
            self._progress()
            yield block

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes read so far."""
        return self._digest.digest()

    def _read(self) -> bytes:
        try:
            return self._content.read(BLOCK)
        except EOFError as error:
            raise self._damaged("the gzip data is cut off") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self._damaged(f"the gzip data is damaged ({error})") from error
        except OSError as error:
            raise self._damaged(f"it cannot be read ({error.strerror})") from error

    def _damaged(self, why: str) -> BadInput:
        return BadInput(
            f"{self.name}: {why}; nothing of it was kept",
            fix="fetch the file again, then import it again",
        )


@contextmanager
def open_log(path: Path, watch: Callable[[int], None] = lambda _size: None) -> Iterator[LogFile]:
    """Open a log file, plain or gzip by its first bytes.

    ``watch`` is told after each block how many more bytes of the file have been used.
    """
    name = printable(str(path))
    used = 0

    def report() -> None:
        nonlocal used
        step, used = raw.tell() - used, raw.tell()
        watch(step)

    try:
        raw = path.open("rb")
    except OSError as error:
        raise BadInput(f"{name}: it cannot be opened ({error.strerror})") from error
    with raw:
        zipped = raw.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC)
        content = gzip.GzipFile(fileobj=raw) if zipped else raw
        yield LogFile(cast("IO[bytes]", content), name, report)


def split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks into lines, without their ends.

    Of a line longer than ``LONGEST_RECORD`` only the beginning is kept in memory; it comes out
    still longer than that, so that whoever counts lines can tell.
    """
    tail = b""
    for block in blocks:
        head, newline, rest = block.rpartition(b"\n")
        if newline:
            yield from (tail + head).split(b"\n")
            tail = b""
        tail = (tail + rest)[: LONGEST_RECORD + 1]
    if tail:
        yield tail


def field(text: str | bytes) -> str:
    """Return a field of a record as PostgreSQL can keep it, cut to ``LONGEST_FIELD`` characters.

    NUL, halves of surrogate pairs, and bytes that are not UTF-8 become replacement characters: no
    use of a key is lost for them.
    """
    if isinstance(text, bytes):
        text = text[: 4 * LONGEST_FIELD].decode("utf-8", "replace")
    text = text[:LONGEST_FIELD]
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def digest_record(record: bytes) -> bytes:
    """Return the 8 bytes that name an event by its record, the same on every machine."""
    return blake2b(record, digest_size=8).digest()


def printable(text: str) -> str:
    """Make text safe to show: control characters become visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def example(record: str | bytes) -> str:
    """Return the beginning of a record, safe to show."""
    return printable(field(record[:SHOWN])) + ("…" if len(record) > SHOWN else "")
