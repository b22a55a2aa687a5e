"""Makes the bytes of a message."""

from __future__ import annotations

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from rollout.services.ports import Letter


def compose(
    letter: Letter,
    *,
    sender: Address,
    reply_to: Address | None,
    to: Address,
    message_id: str,
    date: datetime,
) -> bytes:
    """Return the message with CRLF line ends, text first, HTML as its alternative.

    Seven bits only, except where the recipient's address itself needs SMTPUTF8 (RFC 6531). Raises
    ``ValueError`` for what cannot stand in a header, a line break above all.
    """
    message = EmailMessage(policy=SMTP if to.addr_spec.isascii() else SMTPUTF8)
    message["From"] = sender
    message["To"] = to
    if reply_to:
        message["Reply-To"] = reply_to
    message["Subject"] = letter.subject
    message["Date"] = date
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: vacation replies stay away
    message["X-Auto-Response-Suppress"] = "All"  # the same, for Exchange
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    return message.as_bytes()
