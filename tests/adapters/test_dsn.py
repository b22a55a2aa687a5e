"""Reports are asked for as RFC 3461 says, where they are offered and would be read."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.adapters.mail.dsn import recipient_parameters, xtext
from rollout.domain.notices.envelope import Envelope
from rollout.services.ports import Outcome
from tests.support.mailing import LETTER, hand_over, mailer
from tests.support.smtp_server import Phase, SmtpServer, say

PATH = "bounces+7.abc@bounces.platform.example"
ENVELOPE = Envelope("7.abc", PATH)


def addressed(
    envelope: Envelope | None, to: str = "dev@acme.example", *, dsn: bool = True
) -> list[str]:
    """Send a letter; return how it was addressed."""
    with SmtpServer() as server:
        server.features += ["DSN"] if dsn else []
        with mailer(server.url).session() as session:
            receipt = hand_over(
                session, to=to, message_id="<1@x>", letter=LETTER, envelope=envelope
            )
        assert receipt.outcome is Outcome.ACCEPTED
        return [c for c in server.commands if c.startswith(("MAIL", "RCPT"))]


def test_failures_and_delays_are_to_be_reported_with_the_name_of_the_notice() -> None:
    assert addressed(ENVELOPE) == [
        f"MAIL FROM:<{PATH}> RET=HDRS ENVID=7.abc",
        "RCPT TO:<dev@acme.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;dev@acme.example",
    ]


def test_an_arrival_is_to_be_reported_where_that_is_wanted() -> None:
    _, rcpt = addressed(Envelope("7.abc", PATH, confirm=True))
    assert " NOTIFY=SUCCESS,FAILURE,DELAY " in rcpt


@pytest.mark.parametrize(
    ("envelope", "offered"),
    [(ENVELOPE, False), (Envelope("7.abc", confirm=True), True), (None, True)],
    ids=["not offered", "no return path", "a trial"],
)
def test_nothing_is_asked_where_it_is_not_offered_or_nobody_would_read_it(
    envelope: Envelope | None, *, offered: bool
) -> None:
    mail, rcpt = addressed(envelope, dsn=offered)
    assert (mail.partition("> ")[2], rcpt) == ("", "RCPT TO:<dev@acme.example>")


def test_a_server_that_is_asked_again_on_the_same_line_is_asked_alike() -> None:
    with SmtpServer() as server:
        server.features.append("DSN")
        with mailer(server.url).session() as session:
            for number in (1, 2):
                to = f"{number}@acme.example"
                hand_over(session, to=to, message_id="<1@x>", letter=LETTER, envelope=ENVELOPE)
        asked = [c for c in server.commands if c.startswith("RCPT")]
    assert [re.findall("ORCPT=(.*)", command) for command in asked] == [
        ["rfc822;1@acme.example"],
        ["rfc822;2@acme.example"],
    ]


def test_an_address_beyond_ascii_is_not_given_as_the_original_one() -> None:
    mail, rcpt = addressed(ENVELOPE, "jürgen@acme.example")
    assert mail.endswith("> SMTPUTF8 BODY=8BITMIME RET=HDRS ENVID=7.abc")
    assert rcpt == "RCPT TO:<jürgen@acme.example> NOTIFY=FAILURE,DELAY"


def test_nor_is_one_that_is_too_long_when_it_is_encoded() -> None:
    assert "ORCPT" not in recipient_parameters(ENVELOPE, "+" * 200 + "@acme.example")


def test_an_address_is_encoded_so_that_nothing_else_can_be_said_by_it() -> None:
    _, rcpt = addressed(ENVELOPE, "dev+api=keys@acme.example")
    assert rcpt.endswith(" ORCPT=rfc822;dev+2Bapi+3Dkeys@acme.example")


@given(st.text(st.characters(max_codepoint=0x7F)))
@example("a b+c=d\r\nRCPT TO:<x@y>")
def test_whatever_is_encoded_is_one_word_and_read_as_it_was(text: str) -> None:
    encoded = xtext(text)

    assert re.fullmatch(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", encoded)
    decoded = re.sub(r"\+([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), encoded)
    assert decoded == text


@pytest.mark.parametrize(
    "reply",
    [
        *("501 5.5.4 Invalid arguments", "555 parameters not recognized"),
        *("550 5.5.4 Unsupported option: ORCPT", "500 line too long"),
    ],
)
def test_a_server_that_does_not_understand_what_it_is_asked_says_nothing_of_the_address(
    reply: str,
) -> None:
    with SmtpServer() as server:
        server.features.append("DSN")
        server.plan(Phase.RCPT, say(reply))
        with mailer(server.url).session() as session:
            receipt = hand_over(
                session, to="a@b.example", message_id="<1@x>", letter=LETTER, envelope=ENVELOPE
            )
    assert (receipt.outcome, receipt.recipient_refused) == (Outcome.REFUSED, False)
