"""Cuts logs into lines and pieces of bounded length, and makes their texts safe to keep."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xxhash import xxh3_64_digest

from rollout.services.ports.feeds import Log

LONGEST_RECORD = 16 << 20  # bytes of one line or one JSON value; what is longer is no log record
LONGEST_FIELD = 1000  # characters; a longer user agent is somebody's payload, not a name
SHOWN = 200  # characters of a record that are shown as an example


@dataclass(slots=True)
class Piece:
    """Implements ``services.ports.Log`` over a piece of a log that stands in memory."""

    name: str
    content: bytes
    first_line: int = 1

    def blocks(self) -> Iterator[bytes]:
        """Hand out the whole."""
        yield self.content

    def digest(self) -> bytes:
        """Return the SHA-256 of the piece."""
        return hashlib.sha256(self.content).digest()


def cut_at_lines(log: Log, size: int) -> Iterator[Piece]:
    """Cut a log into pieces of whole lines, of about so many bytes.

    Of a line longer than ``LONGEST_RECORD`` only the beginning is kept, as in ``split_lines``.
    """
    first_line, parts, held, skipping = log.first_line, [], 0, False
    for block in log.blocks():
        part = block
        if skipping:  # the rest of a line that is too long
            _, newline, part = block.partition(b"\n")
            skipping = not newline
            part = newline + part
        parts.append(part)
        held += len(part)
        if held >= size:
            content = b"".join(parts)
            head, newline, tail = content.rpartition(b"\n")
            if newline:
                yield Piece(log.name, head + newline, first_line)
                first_line += head.count(b"\n") + 1
            elif len(tail) > LONGEST_RECORD:
                tail, skipping = tail[: LONGEST_RECORD + 1], True
            parts, held = [tail], len(tail)
    if held:
        yield Piece(log.name, b"".join(parts), first_line)


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
    return xxh3_64_digest(record)


def printable(text: str) -> str:
    """Make text safe to show: control characters become visible."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def example(record: str | bytes) -> str:
    """Return the shape of the beginning of a record, safe to show.

    Letters become x and digits 9: a record that cannot be read may hold a secret anywhere (K0).

    >>> example('k1,acme,s3cret-Value')
    'x9,xxxx,x9xxxx-Xxxxx'
    """
    shape = printable("".join(map(_shape, field(record[:SHOWN]))))
    return shape + ("…" if len(record) > SHOWN else "")


def _shape(character: str) -> str:
    if character.isdigit():
        return "9"
    if character.isalpha():
        return "X" if character.isupper() else "x"
    return character
