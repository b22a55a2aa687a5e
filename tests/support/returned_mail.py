"""Mail as it comes back: made for one message that was sent."""

from __future__ import annotations

import itertools
from datetime import datetime

from rollout.testing import Sent

_numbers = itertools.count(1)


def dsn(
    sent: Sent,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    words: str = "550 5.1.1 User unknown",
    recipient: str | None = None,
    date: datetime | None = None,
    to: str = "rollout@platform.example",
    quoted: bool = True,
    envelope_name: str | None = None,
) -> bytes:
    """Return a delivery status notification (RFC 3464); ``quoted`` names the original message."""
    envelope = f"Original-Envelope-Id: {envelope_name}\n" if envelope_name else ""
    dated = f"Date: {date:%a, %d %b %Y %H:%M:%S +0000}\n" if date else ""
    original = f"Message-ID: {sent.message_id}" if quoted else "Subject: hello"
    return f"""\
From: MAILER-DAEMON@relay.example
To: {to}
{dated}Message-ID: <dsn-{next(_numbers)}@relay.example>
Subject: Notification
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B
Content-Type: message/delivery-status

{envelope}Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; {recipient or sent.to}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--B
Content-Type: text/rfc822-headers

{original}

--B--
""".encode()


def complaint(sent: Sent) -> bytes:
    """Return a complaint (RFC 5965)."""
    return f"""\
From: feedback@isp.example
Message-ID: <arf-{next(_numbers)}@isp.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=B

--B
Content-Type: message/feedback-report

Feedback-Type: abuse
Version: 1
Original-Rcpt-To: {sent.to}

--B
Content-Type: message/rfc822

Message-ID: {sent.message_id}

--B--
""".encode()


def answer(sent: Sent, *, automatic: bool = False) -> bytes:
    """Return a person's answer, or a machine's."""
    by_machine = "Auto-Submitted: auto-replied\n" if automatic else ""
    return f"""\
From: {sent.to}
In-Reply-To: {sent.message_id}
Message-ID: <re-{next(_numbers)}@acme.example>
{by_machine}Subject: Re: {sent.letter.subject}

We are on it.
""".encode()
