"""Which replies ask for less mail, as servers have been seen to word them."""

from __future__ import annotations

import pytest

from rollout.adapters.mail.throttling import wants_less
from rollout.services.ports import Outcome, Receipt
from tests.support.mailing import send_one
from tests.support.smtp_server import Phase, SmtpServer, say

ASKS = [
    "421 4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP",
    "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume",
    "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited",
    "451 4.7.500 Server busy. Please try again later from [192.0.2.1]",
    "421 RP-001 Unfortunately, some messages from 192.0.2.1 weren't sent: rate limits exceeded",
    "450 4.7.1 Error: too much mail from 192.0.2.1",
    "421 4.7.0 mx.example Error: too many connections from 192.0.2.1",
    "450 4.7.1 Error: too many recipients from 192.0.2.1",
    "452 4.1.0 too many emails sent to this domain",
    "454 Throttling failure: Maximum sending rate exceeded.",
    "454 Throttling failure: Daily message quota exceeded.",
    "421 Too many messages in this session, slow down",
    "450 4.4.5 Mail system congestion",
    "451 4.3.2 System not accepting network messages",
]
DOES_NOT = [
    "450 4.7.1 Greylisted, come again",
    "451 4.7.1 Greylisting in action: you come back too fast, slow down",
    "450 4.2.0 <a@b.example>: Recipient address rejected: Graylisted",
    "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
    "452 4.2.2 The email account that you tried to reach is over its daily limit",
    "452 4.5.3 Too many recipients from you",
    "452 4.3.1 Insufficient system resources",
    "451 4.3.0 Later",
    "450 4.1.8 Sender address rejected: Domain not found",
    "454 4.7.1 Relay access denied",
    "421 4.3.2 Service shutting down",
    "421 4.7.0 Temporary System Problem. Try again later",
    "421 4.7.0 Error: too many errors",
    "550 5.7.1 Too many messages",
    "250 2.0.0 Queued: slow down",
]


def split(reply: str) -> tuple[int, str]:
    code, _, words = reply.partition(" ")
    return int(code), words


@pytest.mark.parametrize("reply", ASKS)
def test_a_server_that_asks_for_less_mail_is_understood(reply: str) -> None:
    assert wants_less(*split(reply))


@pytest.mark.parametrize("reply", DOES_NOT)
def test_whatever_else_puts_a_letter_off_is_no_word_about_others(reply: str) -> None:
    assert not wants_less(*split(reply))


@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DATA, Phase.DOT])
def test_what_is_said_once_the_recipient_is_known_is_about_its_domain(phase: Phase) -> None:
    with SmtpServer() as server:
        server.plan(phase, say("451 4.7.1 Rate limit reached"))
        receipt = send_one(server)
        assert server.received == []

    assert (receipt.outcome, receipt.throttled, receipt.closing) == (Outcome.TEMPORARY, True, False)


def test_a_greylisted_letter_is_not_throttled() -> None:
    with SmtpServer() as server:
        server.plan(Phase.RCPT, say("450 4.7.1 Greylisted, come again"))
        receipt = send_one(server)

    assert (receipt.outcome, receipt.throttled) == (Outcome.TEMPORARY, False)


@pytest.mark.parametrize(
    ("phase", "reply"),
    [
        (Phase.MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1"),
        (Phase.RCPT, "454 Throttling failure: Daily message quota exceeded."),
        (Phase.DATA, "454 Throttling failure: Maximum sending rate exceeded."),
        (Phase.DOT, "454 Throttling failure: Maximum sending rate exceeded."),
    ],
)
def test_what_is_said_of_us_whoever_it_goes_to_is_no_try_of_the_letter(
    phase: Phase, reply: str
) -> None:
    with SmtpServer() as server:
        server.plan(phase, say(reply))
        receipt = send_one(server)
        assert server.received == []

    verb = "final dot" if phase is Phase.DOT else phase.upper()
    assert receipt == Receipt(Outcome.NO_LINE, f"{verb}: {reply}", closing=True)
