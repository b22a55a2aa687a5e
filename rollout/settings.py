"""Settings: environment variables ``ROLLOUT_…``, read once, here only.

Every setting can also be given as ``ROLLOUT_…_FILE``, the path of a file that holds the value
(for secrets mounted by an orchestrator). A ``ROLLOUT_…`` variable that is not known is an error,
because a misspelt setting would otherwise be silently ignored.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rollout.domain.errors import BadInput

PREFIX = "ROLLOUT_"
SHORTEST_TOKEN = 16
# Scheme, host and port: paths are put behind it.
# What can stand in a header and in HTML as it is. Mail programs call no other scheme than https
# (RFC 8058, section 3.1).
_PUBLIC = re.compile(r"https://[a-z0-9.-]+(?::\d{1,5})?(?:/[\w.~/-]*)?", re.ASCII | re.IGNORECASE)


# How a setting that is a number is read, and what it is called.
_NUMBERS: Mapping[str, tuple[Callable[[str], float], str]] = {
    "float": (float, "a number"),
    "int": (int, "a whole number"),
}


def _default_data_dir() -> Path:
    if os.name == "posix" and os.geteuid() == 0:
        return Path("/var/lib/rollout")
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "rollout"


def _operator() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"  # a container's user may have no name


def _setting(default: Any, doc: str, *, secret: bool = False) -> Any:
    metadata = {"doc": doc, "secret": secret}
    if callable(default):
        return field(default_factory=default, repr=not secret, metadata=metadata)
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings; the documentation of each is its ``doc`` (``docs/settings.md`` lists them)."""

    environment: str = _setting(
        "development",
        "`development` or `production`; production refuses embedded servers and default secrets",
    )
    data_dir: Path = _setting(
        _default_data_dir, "where embedded servers keep their data, and the generated pepper"
    )
    database_url: str | None = _setting(
        None,
        "`postgresql://user:password@host/database`; unset: an embedded PostgreSQL",
        secret=True,
    )
    redis_url: str | None = _setting(
        None,
        "`redis://host:6379/0` (Valkey or Redis: broker and verdict store);"
        " unset: an embedded Valkey",
        secret=True,
    )
    smtp_url: str | None = _setting(
        None,
        "`smtp://user:password@host:25`, `smtps://…` for implicit TLS, `?starttls=1` to require"
        " STARTTLS; several with spaces between them, the preferred one first"
        " ([sending](sending.md)); unset: notices wait",
        secret=True,
    )
    mail_from: str = _setting("Rollout <rollout@localhost>", "the From address of every notice")
    mail_reply_to: str | None = _setting(
        None, "the Reply-To address of every notice, where people ask for more time"
    )
    dkim_domain: str | None = _setting(
        None,
        "the domain in whose name messages are signed with DKIM; set all three, or none: signing is"
        " then left to the mail server",
    )
    dkim_selector: str | None = _setting(
        None, "where the public key is, in the DNS: `selector._domainkey.domain`"
    )
    dkim_key: str | None = _setting(
        None,
        "the private key in PEM, RSA or Ed25519; name its file in `ROLLOUT_DKIM_KEY_FILE`",
        secret=True,
    )
    bounce_domain: str | None = _setting(
        None,
        "the domain to which bounces come back, for each notice to an address of its own,"
        " `bounces+…@domain`; unset: to `ROLLOUT_MAIL_FROM`",
    )
    test_recipients: str | None = _setting(
        None,
        "to whom `rollout notice send-test` may send: addresses, or whole domains such as"
        " `@example.com`, separated by commas; unset: to nobody",
    )
    imap_url: str | None = _setting(
        None,
        "`imaps://user:password@host/folder`, the mailbox from which `rollout mail-in --imap`"
        " fetches what comes back by mail",
        secret=True,
    )
    ses_topic: str | None = _setting(
        None,
        "the ARN of the SNS topic by which Amazon SES reports to `POST /api/v1/mail/ses`;"
        " unset: it may not",
    )
    sendgrid_key: str | None = _setting(
        None,
        "the verification key with which SendGrid reports to `POST /api/v1/mail/sendgrid`;"
        " unset: it may not",
    )
    postmark_token: str | None = _setting(
        None,
        "the password with which Postmark, which sends for you, reports to"
        " `POST /api/v1/mail/postmark`, of at least 16 characters; unset: it may not",
        secret=True,
    )
    public_url: str | None = _setting(
        None,
        "the https address at which people reach the web service, such as"
        " `https://rollout.example.com`, for the links in notices: to switch optional ones off,"
        " to a calendar, and to a page for developers; unset: they have none",
    )
    alert_urls: str | None = _setting(
        None,
        "where operators are told of [alarms](alarms.md): Apprise URLs such as"
        " `slack://…`, `mailto://…` or `json://host/path`, separated by spaces, commas or lines;"
        " unset: alarms are listed and logged",
        secret=True,
    )
    web_listen: str = _setting("127.0.0.1:8080", "host:port of the web service")
    gateway_listen: str = _setting("127.0.0.1:8081", "host:port of the gateway service")
    mail_listen: str = _setting(
        "127.0.0.1:2525", "host:port on which `rollout mail-in` receives what comes back by mail"
    )
    pepper: str | None = _setting(
        None,
        "the key of the HMAC under which secrets are digested;"
        " unset: one is generated in the data directory",
        secret=True,
    )
    webhook_private_hosts: str | None = _setting(
        None,
        "hosts that webhooks may call though they are not public, by name or address, separated by"
        " commas; unset: none",
    )
    usage_token: str | None = _setting(
        None,
        "the token with which uses are reported to `POST /api/v1/usage`, of at least 16 characters;"
        " unset: nobody may",
        secret=True,
    )
    operator: str = _setting(
        _operator, "the name under which commands are recorded in the audit trail"
    )
    signatures: Path | None = _setting(
        None, "a file of your own with names for who calls ([signatures](signatures.md))"
    )
    templates: Path | None = _setting(
        None, "a folder with notice templates and texts of your own ([templates](templates.md))"
    )
    chromium: Path | None = _setting(
        None, "the Chromium that makes pictures of notices; unset: the one on the `PATH`"
    )
    sightings_days: float = _setting(
        0.0,
        "days for which sightings per hour and calls per day are kept, by whole months;"
        " 0: for ever",
    )
    delivery_grace: float = _setting(
        900.0, "seconds after which an accepted message that has not bounced counts as delivered"
    )
    letters_per_day: int = _setting(
        0,
        "messages that one address gets within 24 hours, at most; required ones are not held back;"
        " 0: any number",
    )
    mail_rates: str | None = _setting(
        None,
        "how fast each domain gets messages, at most, from all workers together:"
        " `gmail.com=20/s example.org=600/min *=50/s`, `*` for each other one"
        " ([sending](sending.md#not-too-fast)); unset: as fast as they go",
    )
    letters_days: float = _setting(
        400.0,
        "days for which letters are kept byte for byte; after that, only their digests are;"
        " 0: for ever",
    )
    recheck: float = _setting(30.0, "seconds between two judgements of an enrollment that is held")
    poll: float = _setting(5.0, "seconds between two polls of a worker that nobody rings")
    smtp_timeout: float = _setting(
        60.0,
        "seconds to wait for each SMTP reply, except the one after the final dot"
        " (ten minutes, RFC 5321 section 4.5.3.2.6)",
    )
    smtp_final_timeout: float = _setting(600.0, "seconds to wait for the reply after the final dot")

    @property
    def production(self) -> bool:
        """Whether this is production."""
        return self.environment == "production"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; raise ``BadInput`` for an unknown or unusable one."""
        known = {f.name: f for f in fields(cls)}
        values: dict[str, Any] = {}
        for variable, raw in environ.items():
            if not variable.startswith(PREFIX):
                continue
            name, text = _resolve(variable, raw, known)
            values[name] = _convert(variable, text, str(known[name].type))
        settings = cls(**values)
        settings.check()
        return settings

    def check(self) -> None:
        """Refuse combinations that would not be safe."""
        if self.environment not in {"development", "production"}:
            raise BadInput(
                f"ROLLOUT_ENVIRONMENT is {self.environment!r}",
                fix="set it to development or production",
            )
        for name in ("usage_token", "postmark_token"):
            token = getattr(self, name)
            if token is not None and len(token) < SHORTEST_TOKEN:
                raise BadInput(
                    f"{PREFIX}{name.upper()} has less than {SHORTEST_TOKEN} characters: it can be"
                    " guessed",
                    fix="make one with `openssl rand -hex 32`, or unset it",
                )
        if self.public_url is not None and not _PUBLIC.fullmatch(self.public_url):
            raise BadInput(
                f"ROLLOUT_PUBLIC_URL is not an https address: {self.public_url!r}",
                fix="write it like https://rollout.example.com, or https://example.com/rollout",
            )
        dkim = [self.dkim_domain, self.dkim_selector, self.dkim_key]
        if None in dkim and any(given is not None for given in dkim):
            raise BadInput(
                "DKIM needs all of ROLLOUT_DKIM_DOMAIN, ROLLOUT_DKIM_SELECTOR and"
                " ROLLOUT_DKIM_KEY_FILE",
                fix="set all three, or none: signing is then left to the mail server",
            )
        if not self.production:
            return
        missing = [
            PREFIX + name.upper()
            for name in ("database_url", "redis_url", "smtp_url", "pepper")
            if getattr(self, name) is None
        ]
        if missing:
            raise BadInput(
                f"production needs {', '.join(missing)}: embedded servers and generated secrets"
                " are for trying out",
                fix="set them, or unset ROLLOUT_ENVIRONMENT",
            )


def _resolve(variable: str, raw: str, known: Mapping[str, Any]) -> tuple[str, str]:
    name = variable.removeprefix(PREFIX).lower()
    if name in known:
        return name, raw
    if name.endswith("_file") and (base := name.removesuffix("_file")) in known:
        try:
            return base, Path(raw).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise BadInput(
                f"{variable}: cannot read {raw}: {why}",
                fix=f"name a file that this user may read, or set {variable.removesuffix('_FILE')}",
            ) from error
    raise BadInput(
        f"unknown setting {variable}",
        fix="docs/settings.md lists them all; is it misspelt?",
    )


def _convert(variable: str, text: str, kind: str) -> Any:
    if kind.startswith("Path"):
        return Path(text).expanduser()
    if kind not in _NUMBERS:
        return text
    read, wanted = _NUMBERS[kind]
    try:
        value = read(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise BadInput(f"{variable} is {text!r}", fix=f"give {wanted}, such as 30")
    return value
