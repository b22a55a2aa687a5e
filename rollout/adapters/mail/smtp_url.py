"""Reads ``ROLLOUT_SMTP_URL``. It holds a password, so no message here ever repeats it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl

from rollout.adapters.mail.server_url import ServerUrl, credentials
from rollout.domain.errors import BadInput

_URL = ServerUrl(
    "ROLLOUT_SMTP_URL",
    {"smtp": 25, "smtps": 465},
    "smtp://user:password@mail.example.com:587?starttls=1",
)
_NO_SPACE = re.compile(r"[,;|]\s*smtps?://")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how to hand over mail."""

    host: str
    port: int
    tls: bool  # from the first byte on (smtps)
    starttls: bool  # required, not merely tried
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """Return what may be shown: host and port."""
        return f"{self.host}:{self.port}"


def parse_smtp_urls(text: str) -> list[SmtpServer]:
    """Read one server, or several with white space between them; raise ``BadInput``."""
    if _NO_SPACE.search(text):
        raise _URL.bad("between two servers there is white space, and nothing else")
    urls = text.split()
    if len(urls) <= 1:
        return [parse_smtp_url(text.strip())]
    servers = []
    for place, url in enumerate(urls, start=1):
        try:
            servers.append(parse_smtp_url(url))
        except BadInput as error:
            raise BadInput(f"server {place} of {error.message}", fix=error.fix) from error
    return servers


def parse_smtp_url(url: str) -> SmtpServer:
    """Read ``smtp://user:password@host:25?starttls=1`` or ``smtps://…``; raise ``BadInput``."""
    parts, port = _URL.split(url)
    starttls = _starttls(parts)
    user, password = _credentials(parts)
    return SmtpServer(
        host=_host(parts),
        port=port,
        tls=parts.scheme == "smtps",
        starttls=starttls,
        user=user,
        password=password,
    )


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise _URL.bad("its host is not a host name") from error
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise _URL.bad("it names no host")
    return host


def _starttls(parts: SplitResult) -> bool:
    if parts.path not in ("", "/") or parts.fragment:
        raise _URL.bad("something other than ?starttls=1 follows the host")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    wanted = options.pop("starttls", "0")
    if options or wanted not in ("0", "1"):
        raise _URL.bad("the only option is starttls, 0 or 1")
    if wanted == "1" and parts.scheme == "smtps":
        raise _URL.bad("smtps is encrypted from the start: STARTTLS does not go with it")
    return wanted == "1"


def _credentials(parts: SplitResult) -> tuple[str, str]:
    user, password = credentials(parts)
    if bool(user) != bool(password):
        raise _URL.bad("a user needs a password, and the reverse")
    if not (user + password).isascii():
        raise _URL.bad("user and password must be ASCII: smtplib signs in with nothing else")
    return user, password
