"""A log that is still written: its new lines, whatever becomes of the file.

Seen through are a file that is renamed and made anew, one that is copied and cut to nothing, one
that does not exist yet, and a last line that is only half written.
"""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import IO

from rollout.adapters.feeds.reading import LONGEST_RECORD, Piece, printable

MOST = 16 << 20  # bytes of one batch
HEAD = 256  # bytes by which a file is recognised, beside its inode, which may be used again


class GrowingFile:
    """Hands out what was written since it was last asked."""

    def __init__(self, path: Path, position: str) -> None:
        self.path = path
        self.name = printable(str(path))
        self._known = position
        self._file: IO[bytes] | None = None
        self._inode = 0
        self._head = b""
        self._offset = 0
        self._line = 1

    @property
    def position(self) -> str:
        """Where it has come, for whoever goes on after a restart; empty before anything."""
        return f"{self._inode}:{self._offset}:{self._line}:{self._digest()}" if self._head else ""

    def next_piece(self) -> Piece | None:
        """Return the next whole lines; None where there are none yet."""
        if self._file is None and not self._open():
            return None
        assert self._file is not None  # noqa: S101 - said by _open
        if os.fstat(self._file.fileno()).st_size < self._offset:  # cut to nothing
            self._restart()
        piece = self._read(self._file)
        if piece is None and self._was_replaced():
            piece = self._last_line(self._file)
            self._file.close()
            self._file = None
        return piece

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> bool:
        try:
            self._file = self.path.open("rb")
        except OSError:
            return False  # not there yet, or between two names
        self._inode = os.fstat(self._file.fileno()).st_ino
        self._head = self._file.read(HEAD)
        self._offset, self._line = 0, 1
        inode, offset, line, digest = (self._known + ":::").split(":")[:4]
        self._known = ""
        if inode == str(self._inode) and digest == self._digest(int(offset)):
            self._offset, self._line = int(offset), int(line)
        return True

    def _digest(self, offset: int | None = None) -> str:
        """Recognise the file by its beginning, as far as that had been written."""
        return sha256(self._head[: self._offset if offset is None else offset]).hexdigest()[:16]

    def _restart(self) -> None:
        self._offset, self._line, self._head = 0, 1, b""

    def _read(self, file: IO[bytes]) -> Piece | None:
        file.seek(self._offset)
        content = file.read(MOST)
        whole = content[: content.rfind(b"\n") + 1]
        if not whole and len(content) < min(MOST, LONGEST_RECORD):
            return None  # the line is not finished
        return self._piece(file, whole or content)

    def _last_line(self, file: IO[bytes]) -> Piece | None:
        """Nobody will finish the line: the file has another name now."""
        file.seek(self._offset)
        content = file.read(MOST)
        return self._piece(file, content) if content else None

    def _piece(self, file: IO[bytes], content: bytes) -> Piece:
        if len(self._head) < HEAD:
            file.seek(0)
            self._head = file.read(HEAD)
        piece = Piece(self.name, content, self._line)
        self._offset += len(content)
        self._line += content.count(b"\n")
        return piece

    def _was_replaced(self) -> bool:
        with suppress(OSError):
            return self.path.stat().st_ino != self._inode
        return False  # between two names: look again
