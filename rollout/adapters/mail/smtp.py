"""Sends letters over SMTP and knows, for each, how far it came.

What the sender may conclude turns on the final dot. Before it is sent, a lost connection means
"not accepted"; after it, only a reply can tell (RFC 5321, sections 4.2.5 and 4.5.3.2.6).
``smtplib.sendmail`` does not say on which side of the dot it failed, so the phases are driven one
by one here.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email.headerregistry import Address

from rollout.adapters.mail.addresses import own, recipient
from rollout.adapters.mail.dkim import DkimSigner
from rollout.adapters.mail.dsn import mail_parameters, recipient_parameters
from rollout.adapters.mail.message import compose
from rollout.adapters.mail.smtp_url import SmtpServer
from rollout.adapters.mail.throttling import wants_less
from rollout.adapters.one_line import one_line
from rollout.domain.clock import Clock
from rollout.domain.notices.envelope import Envelope
from rollout.services.ports import Letter, Mail, MailSession, Outcome, Receipt

# What a server or a network can make smtplib raise. Its own exceptions are OSErrors; a broken
# base64 challenge is a ValueError.
_LINE_ERRORS = (OSError, ValueError)

# The first digit of a reply: RFC 5321, section 4.2.1.
_COMPLETED, _INTERMEDIATE, _TRANSIENT, _PERMANENT = 2, 3, 4, 5

_Replies = Iterator[tuple[int, bytes]]
HeadersOf = Callable[[Envelope | None], Mapping[str, str]]

_FINAL_DOT = b".\r\n"
_CLOSING = 421  # RFC 5321, section 4.3.2: in whatever phase, and the line is closed after it
_SIGN_IN = frozenset({530, 534, 535, 538})  # RFC 4954, section 6: our sign-in, not the letter
# Refusals that are not about a mailbox: a command or a parameter is not understood (RFC 5321,
# section 4.2.2), or policy forbids it, such as "relaying denied" (RFC 3463, sections 3.6 and 3.8).
_COMMAND = frozenset({500, 501, 502, 503, 504, 555})
_ABOUT_US = (b"5.5.1", b"5.5.2", b"5.5.4", b"5.7.")
_OUR_QUOTA = 454  # "Throttling failure", by Amazon SES and others: whoever the letter is for
_LONGEST_REPLY = 500


@dataclass(frozen=True, slots=True)
class _Office:
    """What all sessions of a mailer share."""

    server: SmtpServer
    sender: Address
    reply_to: Address | None
    timeout: float
    final_timeout: float
    clock: Clock
    signer: DkimSigner | None
    headers: HeadersOf


class SmtpMailer:
    """Hands letters to one mail server."""

    def __init__(
        self,
        server: SmtpServer,
        *,
        sender: str,
        reply_to: str | None,
        timeout: float,
        final_timeout: float,
        clock: Clock,
        signer: DkimSigner | None = None,
        headers: HeadersOf = lambda _: {},
    ) -> None:
        """Read the settings; raise ``BadInput`` for one that cannot be used.

        ``timeout`` and ``final_timeout`` are seconds: for each reply, and for the one after the
        final dot. The clock only dates the letters. Without a signer, DKIM is left to the server.
        ``headers`` are further ones that only the server is to read.
        """
        self._office = _Office(
            server=server,
            sender=own("ROLLOUT_MAIL_FROM", sender),
            reply_to=own("ROLLOUT_MAIL_REPLY_TO", reply_to) if reply_to else None,
            timeout=timeout,
            final_timeout=final_timeout,
            clock=clock,
            signer=signer,
            headers=headers,
        )

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        """Open a session; it connects with its first letter and says goodbye on leaving."""
        session = _Session(self._office)
        try:
            yield session
        finally:
            session.close()


class _Session:
    """One line to the server, used for letter after letter."""

    def __init__(self, office: _Office) -> None:
        self._office = office
        self._line: smtplib.SMTP | None = None

    def compose(
        self, *, to: str, message_id: str, letter: Letter, envelope: Envelope | None = None
    ) -> Mail | Receipt:
        """Write a letter out, and sign it where we do."""
        try:
            address = recipient(to)
        except ValueError as error:
            return Receipt(Outcome.REFUSED, _shown(error), recipient_refused=True)
        try:
            data = self._compose(letter, address, message_id, envelope)
            return Mail(address.addr_spec, data, envelope)
        except ValueError as error:
            return Receipt(Outcome.REFUSED, f"the letter cannot be written: {_shown(error)}")

    def send(self, mail: Mail) -> Receipt:
        """Try once to hand a mail over."""
        try:
            line = self._line or _connect(self._office)
            used = line is self._line
            self._line = line
            if not mail.to.isascii() and not line.has_extn("smtputf8"):
                return Receipt(
                    Outcome.REFUSED,
                    "the address has characters beyond ASCII, and the mail server offers no"
                    " SMTPUTF8",
                    recipient_refused=True,
                )
            sender = (mail.envelope and mail.envelope.return_path) or self._office.sender.addr_spec
            line, replies = self._begin(line, sender, mail.to, mail.envelope, used=used)
        except _LINE_ERRORS as error:
            return Receipt(
                Outcome.NO_LINE,
                f"no line to {self._office.server}: {_shown(error)} (nothing to do with the letter:"
                " check ROLLOUT_SMTP_URL and the mail server)",
                closing=True,
            )
        receipt = self._hand_over(line, replies, mail.data)
        return receipt if self._is_open() else replace(receipt, closing=True)

    def close(self) -> None:
        """Say goodbye, if there is a line; an impolite server is nobody's problem."""
        if self._line is not None:
            with suppress(*_LINE_ERRORS):
                self._line.quit()
            self._drop()

    def _compose(
        self, letter: Letter, to: Address, message_id: str, envelope: Envelope | None
    ) -> bytes:
        office, now = self._office, self._office.clock.now()
        data = compose(
            letter,
            sender=office.sender,
            reply_to=office.reply_to,
            to=to,
            message_id=message_id,
            date=now,
            for_the_server=office.headers(envelope),
        )
        return office.signer.sign(data, now) if office.signer else data

    def _begin(
        self, line: smtplib.SMTP, sender: str, to: str, envelope: Envelope | None, *, used: bool
    ) -> tuple[smtplib.SMTP, _Replies]:
        """Give sender and recipient; return the replies to come, and the line that they come on."""
        if used:
            with suppress(*_LINE_ERRORS):
                replies = _say(line, "RSET", *_addressed(line, sender, to, envelope))
                code, _ = next(replies)
                if code // 100 == _COMPLETED:
                    return line, replies
            self._drop()  # it was closed while we did not need it: open another one
            line = self._line = _connect(self._office)
        return line, _say(line, *_addressed(line, sender, to, envelope))

    def _hand_over(self, line: smtplib.SMTP, replies: _Replies, data: bytes) -> Receipt:
        verb = ""
        try:
            for verb in ("MAIL", "RCPT"):
                code, words = next(replies)
                if code // 100 != _COMPLETED:
                    receipt = self._not_accepted(verb, code, words)
                    if verb == "MAIL":
                        self._pass_over(replies)
                    return receipt
            verb = "DATA"
            code, words = line.docmd(verb)
            if code // 100 != _INTERMEDIATE:
                return self._not_accepted(verb, code, words)
            verb = "text"
            line.send(data.replace(b"\r\n.", b"\r\n.."))  # RFC 5321, section 4.5.2
            _set_timeout(line, self._office.final_timeout)
            line.send(_FINAL_DOT)  # if this fails, the server has not seen it
        except _LINE_ERRORS as error:
            self._drop()
            return Receipt(Outcome.TEMPORARY, f"{verb}: {_shown(error)}")
        return self._await_verdict(line)

    def _pass_over(self, replies: _Replies) -> None:
        """Read what is still to come on an open line, and is of no use."""
        if self._line is None or not self._line.has_extn("pipelining"):
            return
        try:
            for _ in replies:
                pass
        except _LINE_ERRORS:
            self._drop()

    def _await_verdict(self, line: smtplib.SMTP) -> Receipt:
        """Read the reply to the final dot. Silence means that nobody knows."""
        try:
            code, words = line.getreply()
            _set_timeout(line, self._office.timeout)
        except _LINE_ERRORS as error:
            self._drop()
            return Receipt(Outcome.UNCERTAIN, f"final dot: {_shown(error)}")
        if code // 100 == _COMPLETED:
            return Receipt(Outcome.ACCEPTED, _reply(code, words))
        if code // 100 in (_TRANSIENT, _PERMANENT):
            return self._not_accepted("final dot", code, words)
        self._drop()
        return Receipt(Outcome.UNCERTAIN, f"final dot: {_reply(code, words)}")

    def _not_accepted(self, verb: str, code: int, words: bytes) -> Receipt:
        if code == _CLOSING or code // 100 not in (_TRANSIENT, _PERMANENT):
            self._drop()  # it is closed, or the server and we no longer speak of the same thing
        reply = f"{verb}: {_reply(code, words)}"
        throttled = wants_less(code, words.decode(errors="replace"))
        if code in _SIGN_IN or (throttled and (verb == "MAIL" or code == _OUR_QUOTA)):
            return Receipt(Outcome.NO_LINE, reply, closing=True)
        if code // 100 != _PERMANENT:
            return Receipt(Outcome.TEMPORARY, reply, throttled=throttled)
        about_us = code in _COMMAND or words.startswith(_ABOUT_US)
        about_recipient = verb == "RCPT" and not about_us
        return Receipt(Outcome.REFUSED, reply, recipient_refused=about_recipient)

    def _is_open(self) -> bool:
        return self._line is not None

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


def _connect(office: _Office) -> smtplib.SMTP:
    """Open a line, encrypted and signed in as the settings say; raise one of ``_LINE_ERRORS``."""
    server = office.server
    # The name we greet with. The machine's own is often not a full one, and slow to look up.
    name = office.sender.domain
    # Made only where it is used: to read the certificates of the machine takes 25 ms.
    context = ssl.create_default_context() if server.tls or server.starttls else None
    line: smtplib.SMTP
    if server.tls:
        line = smtplib.SMTP_SSL(
            server.host, server.port, name, timeout=office.timeout, context=context
        )
    else:
        line = smtplib.SMTP(server.host, server.port, name, timeout=office.timeout)
    try:
        if line.sock is not None:  # the dot follows the text at once, without waiting for an ACK
            line.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.ehlo_or_helo_if_needed()
        if server.starttls:
            line.starttls(context=context)
        if server.user:
            line.login(server.user, server.password)
        line.ehlo_or_helo_if_needed()  # once more after STARTTLS, which forgets the first
    except _LINE_ERRORS:
        line.close()
        raise
    return line


def _addressed(
    line: smtplib.SMTP, sender: str, to: str, envelope: Envelope | None
) -> tuple[str, str]:
    """Return the commands that say from whom a letter comes, and to whom it goes.

    Reports are asked for only where they come back to an address that something reads.
    """
    mail, rcpt = f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>"
    if not to.isascii():
        mail += " SMTPUTF8 BODY=8BITMIME"
    if envelope and envelope.return_path and line.has_extn("dsn"):
        mail += mail_parameters(envelope)
        rcpt += recipient_parameters(envelope, to)
    return mail, rcpt


def _say(line: smtplib.SMTP, *commands: str) -> _Replies:
    """Yield the reply to each command. They are sent at once if the server allows it: RFC 2920."""
    line.command_encoding = "ascii" if "".join(commands).isascii() else "utf-8"
    if not line.has_extn("pipelining"):
        for command in commands:
            yield line.docmd(command)
        return
    line.send("".join(f"{command}\r\n" for command in commands))
    for _ in commands:
        yield line.getreply()


def _set_timeout(line: smtplib.SMTP, seconds: float) -> None:
    if line.sock is not None:
        line.sock.settimeout(seconds)


def _reply(code: int, words: bytes) -> str:
    return one_line(f"{code} {words.decode(errors='replace')}", _LONGEST_REPLY)


def _shown(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return _reply(error.smtp_code, words if isinstance(words, bytes) else words.encode())
    return one_line(str(error) or type(error).__name__, _LONGEST_REPLY)
