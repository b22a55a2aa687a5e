"""Log files: plain, gzip or zstandard by their first bytes, or standard input."""

from __future__ import annotations

import gzip
import hashlib
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import zstandard

from rollout.adapters.feeds.reading import printable
from rollout.domain.errors import BadInput

BLOCK = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
STDIN = Path("-")
STEP = 2 << 10  # packed bytes at a time: no step unpacks to more than 64 MB, whatever it holds


class LogFile:
    """Implements ``services.ports.Log`` over a file, which is open only while it is read.

    ``watch`` is told after each block how many more bytes of the file have been used.
    """

    first_line = 1

    def __init__(self, path: Path, watch: Callable[[int], None] = lambda _size: None) -> None:
        self.path = path
        self.name = "standard input" if path == STDIN else printable(str(path))
        self._watch = watch
        self._digest = hashlib.sha256()

    def blocks(self) -> Iterator[bytes]:
        """Read on, block by block, and report progress after each."""
        with self._opened() as raw:
            content = _unpacked(raw)
            used = 0
            while block := self._read(content):
                self._digest.update(block)
                if self.path != STDIN:
                    step, used = raw.tell() - used, raw.tell()
                    self._watch(step)
                yield block

    def digest(self) -> bytes:
        """Return the SHA-256 of all bytes read so far."""
        return self._digest.digest()

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        if self.path == STDIN:
            yield sys.stdin.buffer
            return
        try:
            raw = self.path.open("rb")
        except OSError as error:
            raise BadInput(
                f"{self.name}: it cannot be opened ({error.strerror})", fix="is the path right?"
            ) from error
        with raw:
            yield raw

    def _read(self, content: _Readable) -> bytes:
        try:
            return content.read(BLOCK)
        except EOFError as error:
            raise self._damaged(f"the {error.args[0]} data is cut off") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise self._damaged(f"the gzip data is damaged ({error})") from error
        except zstandard.ZstdError as error:
            raise self._damaged(f"the zstandard data is damaged ({error})") from error
        except OSError as error:
            raise self._damaged(f"it cannot be read ({error.strerror})") from error

    def _damaged(self, why: str) -> BadInput:
        return BadInput(
            f"{self.name}: {why}; nothing of it was kept",
            fix="fetch the file again, then import it again",
        )


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _unpacked(raw: IO[bytes]) -> _Readable:
    begin: bytes = raw.peek(len(ZSTD_MAGIC)) if hasattr(raw, "peek") else b""
    if begin.startswith(GZIP_MAGIC):
        return _Gzip(fileobj=raw)
    return _Zstandard(raw) if begin.startswith(ZSTD_MAGIC) else raw


class _Gzip(gzip.GzipFile):
    def read(self, size: int | None = -1) -> bytes:
        try:
            return super().read(size)
        except EOFError as error:
            raise EOFError("gzip") from error


class _Zstandard:
    """Reads frames one after the other, and notices where the last one breaks off."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._begun = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, about as many as were asked for; none at the end."""
        content = bytearray()
        while len(content) < size and (packed := self._packed()):
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            self._begun = True
            content += self._frame.decompress(packed)
        if not content and self._begun and not self._frame.eof:
            raise EOFError("zstandard")
        return bytes(content)

    def _packed(self) -> bytes:
        unused = self._frame.unused_data if self._frame.eof else b""
        return unused or self._raw.read(STEP)
