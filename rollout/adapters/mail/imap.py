"""Fetches what came back from an IMAP mailbox (RFC 9051): unread means not taken in yet."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

from rollout.adapters.mail.server_url import ServerUrl, credentials
from rollout.adapters.one_line import one_line
from rollout.domain.errors import Unavailable

_URL = ServerUrl(
    "ROLLOUT_IMAP_URL",
    {"imaps": 993, "imap": 143},
    "imaps://user:password@mail.example.com/INBOX",
)
_TIMEOUT = 60.0  # seconds for each answer
_TROUBLE = (imaplib.IMAP4.error, OSError)


@dataclass(frozen=True, slots=True)
class ImapMailbox:
    """One folder of one account."""

    host: str
    port: int
    tls: bool  # from the first byte on (imaps); otherwise STARTTLS where it is offered
    folder: str
    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        """Return what may be shown."""
        return f"{self.folder} at {self.host}:{self.port}"

    def poll(self, take_in: Callable[[bytes], object]) -> int:
        """Take in all unread messages and mark each as read once it is stored; return how many.

        Whoever dies in between takes the message in once more, which changes nothing. Raises
        ``Unavailable`` where the mailbox cannot be reached; what ``take_in`` raises is passed on.
        """
        taken = 0
        try:
            with self._open() as line:
                for uid in _answer(line.uid("SEARCH", "UNSEEN"))[0].split():
                    take_in(_message(line, uid))
                    _answer(line.uid("STORE", uid.decode(), "+FLAGS.SILENT", r"(\Seen)"))
                    taken += 1
        except _TROUBLE as error:
            raise Unavailable(
                f"the mailbox {self} cannot be read: {one_line(str(error), 300)}",
                fix="check ROLLOUT_IMAP_URL: its host, user, password and folder",
            ) from error
        return taken

    @contextmanager
    def _open(self) -> Iterator[imaplib.IMAP4]:
        context = ssl.create_default_context()
        line: imaplib.IMAP4
        if self.tls:
            line = imaplib.IMAP4_SSL(self.host, self.port, ssl_context=context, timeout=_TIMEOUT)
        else:
            line = imaplib.IMAP4(self.host, self.port, timeout=_TIMEOUT)
        try:
            if not self.tls and "STARTTLS" in line.capabilities:
                line.starttls(context)
            line.login(self.user, self.password)
            quoted = self.folder.replace("\\", "\\\\").replace('"', '\\"')
            _answer(line.select(f'"{quoted}"'))
            yield line
        finally:
            with suppress(*_TROUBLE):
                line.logout()


def _answer(reply: tuple[str, list[bytes | None]]) -> list[bytes]:
    state, data = reply
    lines = [line for line in data if line is not None] or [b""]
    if state != "OK":
        raise imaplib.IMAP4.error(lines[0].decode(errors="replace"))
    return lines


def _message(line: imaplib.IMAP4, uid: bytes) -> bytes:
    _, data = line.uid("FETCH", uid.decode(), "(BODY.PEEK[])")
    for part in data:
        if isinstance(part, tuple):
            raw: bytes = part[1]
            return raw
    raise imaplib.IMAP4.error(f"message {uid.decode()} cannot be fetched")


def parse_imap_url(url: str) -> ImapMailbox:
    """Read ``imaps://user:password@host/folder``; raise ``BadInput`` that never repeats it."""
    parts, port = _URL.split(url)
    if not parts.hostname or not parts.username or not parts.password:
        raise _URL.bad("it must name a host, a user and a password")
    if parts.query or parts.fragment:
        raise _URL.bad("something follows the folder")
    folder = unquote(parts.path)
    user, password = credentials(parts)
    if not (folder + user + password).isascii() or not (folder + user + password).isprintable():
        raise _URL.bad("folder, user and password must be ASCII")
    return ImapMailbox(
        host=parts.hostname,
        port=port,
        tls=parts.scheme == "imaps",
        folder=folder.removeprefix("/") or "INBOX",
        user=user,
        password=password,
    )
