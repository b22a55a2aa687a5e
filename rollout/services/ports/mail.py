"""Mail: a renderer, and a mailer that says exactly how each attempt ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.notices import NoticeContext
from rollout.domain.notices.brief import Brief
from rollout.domain.notices.envelope import Envelope

PEACE = timedelta(seconds=30)  # for a server that takes nothing now


@dataclass(frozen=True, slots=True)
class Source:
    """A text that letters are made of."""

    origin: str  # shipped, folder or database
    text: str


@dataclass(frozen=True, slots=True)
class TemplateVersion:
    """Everything that the letters of a template are made of, in one language."""

    template: str
    language: str  # as HTML wants it: de, pt-BR
    sources: Mapping[str, Sequence[Source]]  # by file; of a catalogue, all that are laid together
    digest: bytes  # SHA-256 of names and texts, wherever they come from


@dataclass(frozen=True, slots=True)
class Letter:
    """A rendered message: one subject line, a text part and an HTML part."""

    subject: str
    text: str
    html: str
    unsubscribe_url: str | None = None  # where its reader switches such messages off, by one POST
    version: TemplateVersion | None = None  # what it was made of; None for several in one


class Renderer(Protocol):
    """Turns a template and its context into a letter."""

    def refresh(self) -> None:
        """Take up what has changed in the templates. Asked once per batch: that is cheap.

        Raises ``BadInput`` for texts that cannot be read, and ``Unavailable`` where they are kept
        in a database that is away.
        """
        ...

    def templates(self) -> frozenset[str]:
        """Return the names of the templates that can be rendered."""
        ...

    def languages(self) -> Sequence[str]:
        """Return the locales that there are texts for; raise ``BadInput`` for unusable ones."""
        ...

    def render(self, template: str, context: NoticeContext) -> Letter:
        """Render; raise ``BadInput`` that names the template, the line and the unknown name."""
        ...

    def specimen(self, template: str, locale: str) -> Letter:
        """Return the letter to an invented account; raise ``BadInput`` as ``render`` does."""
        ...

    def source(self, name: str) -> Source:
        """Return the text of a file that counts now; raise ``NotFound``."""
        ...

    def version(self, template: str, locale: str) -> TemplateVersion:
        """Return what letters are made of now; raise ``BadInput`` for an unusable template."""
        ...

    def together(self, letters: Sequence[Letter], locale: str) -> Letter:
        """Return one letter that says what several say, and first of all which those are."""
        ...

    def short(self, template: str, context: NoticeContext) -> str:
        """Return the few lines that a chat is told; raise ``BadInput`` as ``render`` does."""
        ...

    def short_test(self, locale: str) -> str:
        """Return what a chat is told to try it; raise ``BadInput`` as ``render`` does."""
        ...

    def brief(self, brief: Brief) -> str:
        """Return the page of a brief as HTML; raise ``BadInput`` as ``render`` does."""
        ...

    def describe(self, date: AccountDate) -> tuple[str, str]:
        """Return title and text of a date in a calendar; raise ``BadInput`` as ``render`` does."""
        ...

    def name(self, calendar: AccountCalendar) -> str:
        """Return what a calendar is called; raise ``BadInput`` as ``render`` does."""
        ...


class Outcome(StrEnum):
    """How one attempt to send ended."""

    ACCEPTED = "accepted"  # the server took responsibility: 250 after the final dot
    TEMPORARY = "temporary"  # known not accepted: a 4xx reply, or the line was lost; try again
    REFUSED = "refused"  # known not accepted, for good: a 5xx reply
    UNCERTAIN = "uncertain"  # the connection died after the final dot: nobody knows
    NO_LINE = "no line"  # no connection, no sign-in, our quota: that says nothing of the letter


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one attempt and the server's own words."""

    outcome: Outcome
    reply: str
    recipient_refused: bool = False  # the refusal was about this address (RCPT TO), not the text
    closing: bool = False  # the line is gone, or the server wants no more for now
    throttled: bool = False  # there is too much mail to this domain: put off the rest of it too


@dataclass(frozen=True, slots=True)
class Mail:
    """A letter written out, signature included: the bytes that the server is handed."""

    to: str
    data: bytes = field(repr=False)
    envelope: Envelope | None = None

    def digest(self) -> bytes:
        """Return the SHA-256 of the bytes."""
        return sha256(self.data).digest()


class MailSession(Protocol):
    """An open line to a mail server; it reconnects by itself."""

    def compose(
        self, *, to: str, message_id: str, letter: Letter, envelope: Envelope | None = None
    ) -> Mail | Receipt:
        """Write a letter out. Where it cannot be sent to anybody, say why, and ask no server.

        Without an envelope, bounces go to the sender, and name nothing.
        """
        ...

    def send(self, mail: Mail) -> Receipt:
        """Try once to hand a mail over. Never raises for what a server or a network does."""
        ...


class Mailer(Protocol):
    """Hands out sessions."""

    def session(self) -> AbstractContextManager[MailSession]:
        """Open a session; it is closed on leaving."""
        ...
