"""The body of a request as a log: taken in to a file, unpacked as it is read, never beyond a bound.

The file has no name, so nothing of it stays, whatever ends the process.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from rollout.domain.errors import BadInput

BLOCK = 1 << 20
MOST_SENT = 64 << 20  # bytes of a body as it is sent
MOST_UNPACKED = 512 << 20  # bytes of what is in it
IN_MEMORY = 1 << 20


class TooLarge(BadInput):
    """A body, or what is in it, is larger than is taken in."""


class Damaged(BadInput):
    """A body is not what its encoding says."""


async def receive(body: AsyncIterator[bytes], file: IO[bytes]) -> None:
    """Write a body to a file; raise ``TooLarge`` as soon as it is."""
    size = 0
    async for chunk in body:
        size += len(chunk)
        if size > MOST_SENT:
            raise too_large_to_send()
        file.write(chunk)


def temporary_file() -> IO[bytes]:
    """Return a file without a name, on disk only when it is large."""
    return SpooledTemporaryFile(IN_MEMORY)


def too_large_to_send() -> TooLarge:
    """Say what may be sent."""
    return TooLarge(
        f"the body is larger than {MOST_SENT >> 20} MB",
        fix="send it in pieces: what was counted before does not count again",
    )


class Upload:
    """Implements ``services.ports.Log``; it can be read more than once."""

    first_line = 1

    def __init__(self, name: str, file: IO[bytes], *, gzipped: bool) -> None:
        self.name = name
        self._file = file
        self._gzipped = gzipped
        self._digest = hashlib.sha256()

    def blocks(self) -> Iterator[bytes]:
        """Read on from the beginning; raise ``Damaged`` or ``TooLarge`` where that is so."""
        self._digest = hashlib.sha256()
        self._file.seek(0)
        content = gzip.GzipFile(fileobj=self._file, mode="rb") if self._gzipped else self._file
        size = 0
        while block := self._read(content):
            size += len(block)
            if size > MOST_UNPACKED:
                raise TooLarge(
                    f"what is in the body is larger than {MOST_UNPACKED >> 20} MB",
                    fix="send it in pieces: what was counted before does not count again",
                )
            self._digest.update(block)
            yield block

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes read so far."""
        return self._digest.digest()

    def check(self) -> bytes:
        """Read it once to its end, so that nothing begins that could not be finished."""
        for _ in self.blocks():
            pass
        return self.digest()

    def _read(self, content: IO[bytes] | gzip.GzipFile) -> bytes:
        try:
            return content.read(BLOCK)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Damaged(
                f"the gzip data of the body is damaged or cut off ({error}); nothing was kept"
            ) from error
