"""Bytes become parts and texts, whatever is broken about them, in bounded time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser, HeaderParser
from email.policy import Compat32

from rollout.adapters.one_line import one_line

LONGEST = 1 << 19  # bytes of a message that are read: reports stand at the beginning
_LONGEST_HEADER = 4_000  # characters; the library takes time by the square of some
_LONGEST_TEXT = 20_000  # bytes of a part that are looked at
_PARTS = 200

# Some header of these stands at the top of anything that calls itself a mail (RFC 5322).
_OF_A_MAIL = (
    *("From", "Date", "Received", "Message-ID", "Return-Path", "Subject", "To"),
    *("Content-Type", "X-Envelope-From"),
)

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"'@]{1,64}@[\w.-]{1,190}\w")
_ID = re.compile(r"<[^<>\s]{1,250}>")


class _Bounded(Compat32):
    """Headers of any length are cut, so that reading them takes bounded time."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_LONGEST_HEADER]


_POLICY = _Bounded()


def parse(raw: bytes) -> Message:
    """Read a message; of one that is nested too deeply, only its headers."""
    try:
        return BytesParser(policy=_POLICY).parsebytes(raw[:LONGEST])
    except RecursionError:
        return BytesHeaderParser(policy=_POLICY).parsebytes(raw[:LONGEST])


def is_mail(raw: bytes) -> bool:
    """Say whether this begins with the headers of a mail."""
    message = BytesHeaderParser(policy=_POLICY).parsebytes(raw[:LONGEST])
    return any(name in message for name in _OF_A_MAIL)


def parse_headers(text: str) -> Message:
    """Read a block of header fields."""
    return HeaderParser(policy=_POLICY).parsestr(text[:_LONGEST_TEXT])


def own_parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a message that are its own: never those of a message that it returns."""
    waiting = [message]
    for _ in range(_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        yield part
        children = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(children, list):
            waiting = [child for child in children if isinstance(child, Message)] + waiting


def text_of(part: Message) -> str:
    """Return the text of a part, decoded as well as can be, at most its beginning."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        payload = None
    if not isinstance(payload, bytes):
        return ""
    payload = payload[:_LONGEST_TEXT]
    try:
        return payload.decode(str(part.get_content_charset("utf-8")), errors="replace")
    except (LookupError, ValueError):  # an unknown character set, or no character set at all
        return payload.decode("latin-1")


def header(message: Message, name: str, limit: int = 300) -> str:
    """Return the first header of a name as one printable line; empty where there is none."""
    return one_line(str(message.get(name, "")), limit)


def address_in(text: str) -> str | None:
    """Return the first mail address in a text."""
    found = _ADDRESS.search(text)
    return found.group() if found else None


def addresses(message: Message, names: Sequence[str]) -> Iterator[str]:
    """Yield the addresses in the headers of these names."""
    for name in names:
        for value in message.get_all(name, []):
            yield from _ADDRESS.findall(str(value))


def message_ids(message: Message, *names: str) -> Iterator[str]:
    """Yield the Message-IDs in the headers of these names."""
    for name in names:
        for value in message.get_all(name, []):
            yield from (one_line(found, 252) for found in _ID.findall(str(value)))
