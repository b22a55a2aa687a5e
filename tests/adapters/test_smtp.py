"""Each phase of the SMTP conversation, over real sockets, against a server that does as told."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.mail.addresses import recipient
from rollout.adapters.mail.message import compose
from rollout.services.ports import Letter, Outcome, Receipt
from tests.support.mailing import LETTER, StoppedClock, hand_over, mailer, send_one, signed_in
from tests.support.smtp_server import ACCEPT_THEN_DIE, DROP, STALL, Act, Phase, SmtpServer, say

BEFORE_THE_LETTER = [Phase.CONNECT, Phase.EHLO, Phase.AUTH]
BEFORE_THE_DOT = [*BEFORE_THE_LETTER, Phase.MAIL, Phase.RCPT, Phase.DATA]


def test_an_accepted_letter_arrives_whole_with_its_headers() -> None:
    with SmtpServer() as server:
        receipt = send_one(server)
        [received] = server.received
    assert receipt == Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued")
    assert (received.sender, received.recipient) == ("rollout@platform.example", "dev@acme.example")
    assert received.raw.isascii()
    message = received.message
    assert message["From"] == "Rollout <rollout@platform.example>"
    assert message["To"] == "dev@acme.example"
    assert message["Reply-To"] == "Help <help@platform.example>"
    assert message["Subject"] == LETTER.subject
    assert message["Date"].datetime == StoppedClock().now()
    assert message["Message-ID"] == "<1@platform.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message.get_content_type() == "multipart/alternative"
    assert received.part("plain") == LETTER.text
    assert received.part("html") == LETTER.html


@pytest.mark.parametrize("phase", BEFORE_THE_DOT)
@pytest.mark.parametrize(
    "act",
    [say("421 4.3.2 Closing"), say("451 4.3.0 Later"), DROP, STALL, say("gibberish")],
    ids=repr,
)
def test_trouble_before_the_dot_is_not_the_letters_fault_and_the_next_one_goes_through(
    phase: Phase, act: Act
) -> None:
    with SmtpServer() as server:
        server.plan(phase, act)
        patience = 1 if act is STALL else 10
        with mailer(signed_in(server), timeout=patience).session() as session:
            first = hand_over(session, to="a@acme.example", message_id="<1@x>", letter=LETTER)
            second = hand_over(session, to="b@acme.example", message_id="<2@x>", letter=LETTER)
        assert [r.recipient for r in server.received] == ["b@acme.example"]
    assert first.outcome is (Outcome.NO_LINE if phase in BEFORE_THE_LETTER else Outcome.TEMPORARY)
    # After a plain 4xx to the letter itself, the server takes others.
    assert first.closing is (phase in BEFORE_THE_LETTER or act != say("451 4.3.0 Later"))
    assert second == Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued")


@pytest.mark.parametrize("phase", BEFORE_THE_LETTER)
def test_a_5xx_before_the_letter_is_no_line_because_the_letter_is_not_at_fault(
    phase: Phase,
) -> None:
    with SmtpServer() as server:
        server.always(phase, say("554 5.7.1 Not you"))
        receipt = send_one(server)
    assert receipt.outcome is Outcome.NO_LINE
    assert "check ROLLOUT_SMTP_URL" in receipt.reply
    assert "554" in receipt.reply or phase is Phase.EHLO  # smtplib goes on to HELO


def test_a_failed_sign_in_is_no_line_and_names_the_setting_but_not_the_password() -> None:
    with SmtpServer() as server:
        server.always(Phase.AUTH, say("535 5.7.8 Authentication failed"))
        receipt = send_one(server)
    assert receipt.outcome is Outcome.NO_LINE
    assert "535 5.7.8 Authentication failed" in receipt.reply
    assert "ROLLOUT_SMTP_URL" in receipt.reply
    assert "p@ss" not in receipt.reply


def test_a_missing_sign_in_noticed_at_mail_from_is_no_line() -> None:
    reply = "530 5.7.0 Authentication required"
    with SmtpServer() as server:
        server.plan(Phase.MAIL, say(reply))
        assert send_one(server) == Receipt(Outcome.NO_LINE, f"MAIL: {reply}", closing=True)


@pytest.mark.parametrize(
    ("phase", "reply", "about_recipient"),
    [
        (Phase.MAIL, "550 5.1.8 Bad sender", False),
        (Phase.RCPT, "550 5.1.1 No such user", True),
        (Phase.RCPT, "550 no such user", True),
        (Phase.RCPT, "554 5.7.1 Relay access denied", False),
        (Phase.DATA, "554 5.5.1 No valid recipients", False),
        (Phase.DOT, "552 5.3.4 Message too big", False),
    ],
)
def test_a_5xx_to_the_letter_is_refused_and_says_whether_the_address_is_to_blame(
    *, phase: Phase, reply: str, about_recipient: bool
) -> None:
    with SmtpServer() as server:
        server.plan(phase, say(reply))
        receipt = send_one(server)
        assert server.received == []
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.reply.endswith(reply)
    assert receipt.recipient_refused is about_recipient


@pytest.mark.parametrize("act", [DROP, STALL], ids=repr)
def test_a_line_lost_in_the_middle_of_the_text_is_temporary(act: Act) -> None:
    with SmtpServer() as server:
        server.plan(Phase.TEXT, act)
        long = Letter("Long", "A line of text that goes on and on.\n" * 200_000, "<p></p>")
        receipt = send_one(server, letter=long, timeout=1)
        assert server.received == []
    assert receipt.outcome is Outcome.TEMPORARY
    assert receipt.reply.startswith("text: ")


@pytest.mark.parametrize("reply", ["451 4.3.0 Try later", "421 4.3.2 Closing"])
def test_a_4xx_after_the_dot_is_temporary(reply: str) -> None:
    with SmtpServer() as server:
        server.plan(Phase.DOT, say(reply))
        receipt = send_one(server)
    closing = reply.startswith("421")
    assert receipt == Receipt(Outcome.TEMPORARY, f"final dot: {reply}", closing=closing)


@pytest.mark.parametrize(
    ("act", "arrived"),
    [(ACCEPT_THEN_DIE, 1), (DROP, 0), (STALL, 0), (say("gibberish"), 0), (say("354 What?"), 0)],
    ids=repr,
)
def test_no_clear_reply_after_the_dot_is_uncertain(act: Act, arrived: int) -> None:
    with SmtpServer() as server:
        server.plan(Phase.DOT, act)
        receipt = send_one(server, final_timeout=0.5 if act is STALL else 10)
        assert len(server.received) == arrived
    assert receipt.outcome is Outcome.UNCERTAIN
    assert receipt.closing
    assert receipt.reply.startswith("final dot: ")


def test_a_late_250_is_waited_for_longer_than_any_other_reply() -> None:
    with SmtpServer() as server:
        server.plan(Phase.DOT, say("250 2.0.0 Queued at last", after=1.5))
        receipt = send_one(server, timeout=1, final_timeout=60)
    assert receipt == Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued at last")


def test_the_patience_for_the_dot_does_not_leak_into_the_next_letter() -> None:
    with SmtpServer() as server:
        server.plan(Phase.RSET, STALL)
        with mailer(server.url, timeout=1, final_timeout=3600).session() as session:
            for number in (1, 2):
                receipt = hand_over(
                    session, to="a@b.example", message_id=f"<{number}@x>", letter=LETTER
                )
                assert receipt.outcome is Outcome.ACCEPTED
        assert server.connections == 2


def test_a_greylisted_letter_is_accepted_when_it_comes_again() -> None:
    with SmtpServer() as server:
        server.plan(Phase.RCPT, say("450 4.7.1 Greylisted, come again"))
        with mailer(server.url).session() as session:
            receipts = [
                hand_over(session, to="dev@acme.example", message_id="<1@x>", letter=LETTER)
                for _ in range(2)
            ]
        assert [r.outcome for r in receipts] == [Outcome.TEMPORARY, Outcome.ACCEPTED]
        assert [r.message["Message-ID"] for r in server.received] == ["<1@x>"]


def test_one_line_serves_many_letters() -> None:
    with SmtpServer() as server:
        with mailer(server.url).session() as session:
            for number in range(5):
                hand_over(session, to="dev@acme.example", message_id=f"<{number}@x>", letter=LETTER)
        assert server.connections == 1
        assert server.commands[-1].upper() == "QUIT"
        assert len(server.received) == 5


def test_a_line_closed_while_idle_is_opened_again_without_losing_the_letter() -> None:
    with SmtpServer() as server:
        server.plan(Phase.RSET, say("421 4.4.2 Idle for too long"))
        with mailer(server.url).session() as session:
            hand_over(session, to="a@acme.example", message_id="<1@x>", letter=LETTER)
            receipt = hand_over(session, to="b@acme.example", message_id="<2@x>", letter=LETTER)
        assert receipt.outcome is Outcome.ACCEPTED
        assert server.connections == 2
        assert len(server.received) == 2


def test_a_reply_that_makes_no_sense_ends_the_line_so_that_replies_cannot_get_out_of_step() -> None:
    with SmtpServer() as server:
        server.plan(Phase.DATA, say("250 2.0.0 Ok"))
        with mailer(server.url).session() as session:
            first = hand_over(session, to="a@acme.example", message_id="<1@x>", letter=LETTER)
            second = hand_over(session, to="b@acme.example", message_id="<2@x>", letter=LETTER)
        assert server.connections == 2
    assert (first.outcome, second.outcome) == (Outcome.TEMPORARY, Outcome.ACCEPTED)


@pytest.mark.parametrize("offered", [True, False])
def test_sender_and_recipient_are_given_at_once_only_where_the_server_allows_it(
    *, offered: bool
) -> None:
    with SmtpServer() as server:
        if not offered:
            server.features.remove("PIPELINING")
        server.plan(Phase.MAIL, say("250 2.1.0 Ok"), say("451 4.3.0 Later"))
        with mailer(server.url).session() as session:
            outcomes = [
                hand_over(
                    session, to="a@acme.example", message_id=f"<{n}@x>", letter=LETTER
                ).outcome
                for n in range(3)
            ]
        verbs = [command.partition(" ")[0].upper() for command in server.commands]
    assert outcomes == [Outcome.ACCEPTED, Outcome.TEMPORARY, Outcome.ACCEPTED]
    refused = ["RSET", "MAIL", "RCPT"][: 2 + offered]
    taken = ["MAIL", "RCPT", "DATA"]
    assert verbs == ["EHLO", *taken, *refused, "RSET", *taken, "QUIT"]


def test_a_server_that_is_not_there_is_no_line() -> None:
    with SmtpServer() as server:
        url = server.url
    with mailer(url).session() as session:
        receipt = hand_over(session, to="dev@acme.example", message_id="<1@x>", letter=LETTER)
    assert receipt.outcome is Outcome.NO_LINE
    assert receipt.closing
    assert receipt.reply.startswith(f"no line to {url.removeprefix('smtp://')}: ")


def test_control_characters_in_a_reply_are_made_visible() -> None:
    with SmtpServer() as server:
        server.plan(Phase.RCPT, say("550-5.1.1 \x1b[31mNo\r\n550 5.1.1 such user\x07"))
        assert send_one(server).reply == "RCPT: 550 5.1.1 \ufffd[31mNo 5.1.1 such user\ufffd"


@pytest.mark.parametrize(
    "address",
    [
        *("", "nobody", "a@b@c.example", "a b@c.example", "a@c.example\r\nRCPT TO:<x@y.example>"),
        *("<a@c.example>", "a@c.example, b@c.example", "a" * 65 + "@c.example", "a@" + "c" * 400),
    ],
)
def test_a_malformed_address_is_refused_and_nothing_is_sent(address: str) -> None:
    with SmtpServer() as server:
        receipt = send_one(server, to=address)
        assert server.commands == []
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.recipient_refused
    assert "address" in receipt.reply or "@" in receipt.reply


@pytest.mark.parametrize("address", ["jürgen@acme.example", "dev@bücher.example"])
def test_an_address_beyond_ascii_is_sent_where_the_server_offers_smtputf8(address: str) -> None:
    with SmtpServer() as server:
        assert send_one(server, to=address).outcome is Outcome.ACCEPTED
        [received] = server.received
    assert received.recipient == address
    assert f"\r\nTo: {address}\r\n".encode() in received.raw
    assert received.part("plain") == LETTER.text


def test_an_address_beyond_ascii_is_refused_where_the_server_offers_no_smtputf8() -> None:
    with SmtpServer() as server:
        server.features = ["8BITMIME", "AUTH PLAIN"]
        receipt = send_one(server, to="jürgen@acme.example")
        assert server.received == []
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.recipient_refused
    assert "SMTPUTF8" in receipt.reply


@pytest.mark.parametrize("where", ["subject", "message_id"])
def test_a_line_break_cannot_smuggle_a_header_in(where: str) -> None:
    hostile = "harmless\r\nBcc: thief@evil.example"
    letter = Letter(hostile, "", "") if where == "subject" else LETTER
    message_id = hostile if where == "message_id" else "<1@x>"
    with SmtpServer() as server:
        with mailer(server.url).session() as session:
            receipt = hand_over(
                session, to="dev@acme.example", message_id=message_id, letter=letter
            )
        assert server.received == []
    assert receipt.outcome is Outcome.REFUSED
    assert not receipt.recipient_refused
    assert receipt.reply.startswith("the letter cannot be written: ")


@given(subject=st.text(), text=st.text(), to=st.text())
def test_whatever_a_letter_holds_it_is_written_with_our_headers_only_or_refused(
    subject: str, text: str, to: str
) -> None:
    try:
        data = compose(
            Letter(subject, text, text),
            sender=recipient("rollout@platform.example"),
            reply_to=None,
            to=recipient(to if "@" in to else f"{to}@acme.example"),
            message_id="<1@x>",
            date=StoppedClock().now(),
        )
    except ValueError:
        return
    assert message_from_bytes(data).keys() == [
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("X-Auto-Response-Suppress", "MIME-Version", "Content-Type"),
    ]
