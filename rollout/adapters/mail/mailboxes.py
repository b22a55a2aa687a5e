"""Where mail lies in files: one message, an mbox, a Maildir, a folder, standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rollout.domain.errors import BadInput

STDIN = Path("-")
_FROM = b"From "  # begins each message of an mbox (RFC 4155), behind an empty line


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it lies there."""

    name: str  # of its file and, in an mbox, its number
    raw: bytes
    found: bool = False  # it was not named, but found in a folder


def mails_in(path: Path) -> Iterator[Mail]:
    """Yield the messages of a file or a folder; raise ``BadInput`` for one that is not readable."""
    if path == STDIN:
        yield from _messages("standard input", sys.stdin.buffer)
    elif path.is_dir():
        for file in _files(path):
            yield from _read(file, found=True)
    else:
        yield from _read(path)


def _files(folder: Path) -> list[Path]:
    """Return all files below a folder, except what a Maildir has not taken in yet."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.is_file()
        and not (file.parent.name == "tmp" and (file.parent.parent / "cur").is_dir())
    )


def _read(path: Path, *, found: bool = False) -> Iterator[Mail]:
    try:
        with path.open("rb") as file:
            yield from _messages(str(path), file, found=found)
    except OSError as error:
        raise BadInput(
            f"cannot read {path}: {error.strerror}",
            fix="name a message, an mbox, a Maildir or a folder that this user may read",
        ) from error


def _messages(name: str, lines: Iterable[bytes], *, found: bool = False) -> Iterator[Mail]:
    """Yield the whole as one message, or the messages of an mbox."""
    message: list[bytes] = []
    number, in_mbox, after_empty = 0, False, True
    for line in lines:
        if line.startswith(_FROM) and after_empty and (in_mbox or not message):
            if message:
                number += 1
                yield Mail(f"{name} #{number}", b"".join(message), found)
            message, in_mbox, after_empty = [], True, False
            continue
        message.append(line)
        after_empty = line in {b"\n", b"\r\n"}
    if message:
        yield Mail(f"{name} #{number + 1}" if number else name, b"".join(message), found)
