"""Takes a part out of a text; an empty text means that the part is not there.

Each is a few passes over a text of bounded length, whatever the text and the parameters are.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

Cut = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class After:
    """What follows the first occurrence of a mark."""

    mark: str

    def __call__(self, text: str) -> str:
        """Cut a text."""
        return text.partition(self.mark)[2]


@dataclass(frozen=True, slots=True)
class Before:
    """What comes before the first occurrence of a mark, or all of it."""

    mark: str

    def __call__(self, text: str) -> str:
        """Cut a text."""
        return text.partition(self.mark)[0]


@dataclass(frozen=True, slots=True)
class WithoutEnd:
    """All but an ending, where the text has it."""

    ending: str

    def __call__(self, text: str) -> str:
        """Cut a text."""
        return text.removesuffix(self.ending)


@dataclass(frozen=True, slots=True)
class Quoted:
    """What stands in the so-manyth pair of double quotes."""

    number: int  # from 1

    def __call__(self, text: str) -> str:
        """Cut a text."""
        parts = text.split('"', 2 * self.number)
        return parts[2 * self.number - 1] if len(parts) > 2 * self.number else ""


@dataclass(frozen=True, slots=True)
class Query:
    """The value of a query parameter of a URL, a path or a request line."""

    name: str

    def __call__(self, text: str) -> str:
        """Cut a text."""
        query = target(text).partition("?")[2].partition("#")[0]
        pairs = (pair.partition("=") for pair in query.split("&"))
        return next((unquote_plus(value) for name, _, value in pairs if name == self.name), "")


@dataclass(frozen=True, slots=True)
class Segment:
    """The so-manyth segment of the path of a URL, a path or a request line."""

    number: int  # from 1

    def __call__(self, text: str) -> str:
        """Cut a text."""
        path = target(text).partition("?")[0].partition("#")[0]
        if "://" in path:
            path = path.partition("://")[2].partition("/")[2]
        segments = path.removeprefix("/").split("/", self.number)
        return unquote(segments[self.number - 1]) if len(segments) >= self.number else ""


@dataclass(frozen=True, slots=True)
class BasicUser:
    """The user in an ``Authorization: Basic …`` header; the password goes no further."""

    def __call__(self, text: str) -> str:
        """Cut a text."""
        scheme, _, credentials = text.strip().partition(" ")
        if scheme.lower() != "basic":
            return ""
        try:
            pair = b64decode(credentials.strip() + "==").decode("utf-8", "replace")
        except (NotBase64, ValueError):
            return ""
        user, colon, _ = pair.partition(":")
        return user if colon else ""


@dataclass(frozen=True, slots=True)
class WithoutPort:
    """An address without its port: ``10.0.0.1:4711``, ``[2001:db8::1]:4711`` or either alone."""

    def __call__(self, text: str) -> str:
        """Cut a text."""
        if text.startswith("["):
            return text[1:].partition("]")[0]
        address, _, port = text.rpartition(":")
        return address if port.isdigit() and ":" not in address and address else text


@dataclass(frozen=True, slots=True)
class PercentDecoded:
    """The text that ``%20`` and its like stand for."""

    def __call__(self, text: str) -> str:
        """Cut a text."""
        return unquote(text)


def target(text: str) -> str:
    """Return the URL or path of a request line, or the text itself if it is none."""
    words = text.split(" ", 2)
    return words[1] if len(words) > 1 else text
