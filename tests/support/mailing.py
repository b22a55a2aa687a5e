"""What the SMTP tests share: a letter, a stopped clock and a mailer."""

from __future__ import annotations

from datetime import UTC, datetime

from rollout.adapters.mail.dkim import DkimSigner
from rollout.adapters.mail.smtp import SmtpMailer
from rollout.adapters.mail.smtp_url import parse_smtp_url
from rollout.domain.notices.envelope import Envelope
from rollout.services.ports import Letter, Mail, MailSession, Receipt
from tests.support.smtp_server import SmtpServer

LETTER = Letter("API keys of Müller stop working", "Grüße\n.\n.a dot first\n", "<p>Grüße</p>\n")


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2027, 3, 14, 9, 46, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0


class HandSetClock(StoppedClock):
    """Time passes only as a test says so."""

    def __init__(self) -> None:
        self.passed = 0.0  # seconds

    def monotonic(self) -> float:
        return self.passed


def mailer(
    url: str,
    *,
    timeout: float = 10,
    final_timeout: float = 10,
    signer: DkimSigner | None = None,
) -> SmtpMailer:
    return SmtpMailer(
        parse_smtp_url(url),
        sender="Rollout <rollout@platform.example>",
        reply_to="Help <help@platform.example>",
        timeout=timeout,
        final_timeout=final_timeout,
        clock=StoppedClock(),
        signer=signer,
    )


def signed_in(server: SmtpServer) -> str:
    return f"smtp://user:p%40ss@{server.address}"


def send_one(
    server: SmtpServer, to: str = "dev@acme.example", letter: Letter = LETTER, **timeouts: float
) -> Receipt:
    with mailer(signed_in(server), **timeouts).session() as session:
        return hand_over(session, to=to, message_id="<1@platform.example>", letter=letter)


def hand_over(
    session: MailSession,
    *,
    to: str,
    message_id: str,
    letter: Letter,
    envelope: Envelope | None = None,
) -> Receipt:
    """Write a letter out and send it, if it can be."""
    mail = session.compose(to=to, message_id=message_id, letter=letter, envelope=envelope)
    return session.send(mail) if isinstance(mail, Mail) else mail
