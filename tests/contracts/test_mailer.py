"""What every mailer promises, proven on the shipped fake and on the real one before aiosmtpd."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope

from rollout.adapters.mail.relays import Relay, Relays
from rollout.domain.notices.envelope import Envelope as NoticeEnvelope
from rollout.services.ports import Letter, Mailer, Outcome, Receipt
from rollout.testing import REFUSED, TEMPORARY, UNCERTAIN, FakeMailer, Sent
from tests.support.mailing import StoppedClock, hand_over
from tests.support.mailing import mailer as real_mailer
from tests.support.processes import free_port

LETTER = Letter("Two weeks left", "The text, näturally.\n", "<p>The HTML, näturally.</p>\n")


@dataclass
class Post:
    """A mailer under test, what has arrived through it, and a way to make the next one fail."""

    mailer: Mailer
    arrived: Callable[[], list[Sent]]
    fail: Callable[[str, Receipt], None]


class Office:
    """Answers aiosmtpd's questions; fails once for each address that it was told to fail for."""

    def __init__(self) -> None:
        self.arrived: list[Sent] = []
        self.failures: dict[str, Receipt] = {}

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: Any, _session: Any, envelope: Envelope, to: str, _options: Any
    ) -> str:
        failure = self.failures.get(to)
        if failure is None or failure.outcome is Outcome.UNCERTAIN:
            envelope.rcpt_tos.append(to)
            return "250 2.1.5 Ok"
        return self.failures.pop(to).reply.removeprefix("RCPT: ")

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it so
        self, server: SMTP, _session: Any, envelope: Envelope
    ) -> str:
        to = envelope.rcpt_tos[0]
        if self.failures.pop(to, None) is not None:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
            return "250 nobody hears this"
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        parts = [message.get_body((kind,)) for kind in ("plain", "html")]
        text, html = (str(part and part.get_content()).replace("\r\n", "\n") for part in parts)
        letter = Letter(str(message["Subject"]), text, html)
        path = envelope.mail_from
        known_as = (
            None if path == message["From"].addresses[0].addr_spec else NoticeEnvelope("", path)
        )
        self.arrived.append(Sent(to, str(message["Message-ID"]), letter, known_as))
        return "250 2.0.0 Queued"


@contextmanager
def fake_post() -> Iterator[Post]:
    mailer = FakeMailer()
    yield Post(mailer, lambda: mailer.sent, mailer.plan)


@contextmanager
def real_post() -> Iterator[Post]:
    office = Office()
    with socket.socket() as probe:  # aiosmtpd cannot choose a free port by itself
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(office, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        mailer = real_mailer(f"smtp://127.0.0.1:{port}")
        yield Post(mailer, lambda: office.arrived, office.failures.__setitem__)
    finally:
        controller.stop()


@contextmanager
def relayed_post() -> Iterator[Post]:
    """Two mail servers, of which the first is away."""
    away = Relay("away", real_mailer(f"smtp://127.0.0.1:{free_port()}"))
    with real_post() as post:
        yield replace(post, mailer=Relays([away, Relay("real", post.mailer)], StoppedClock()))


@pytest.fixture(params=[fake_post, real_post, relayed_post], ids=["fake", "real", "relayed"])
def post(request: pytest.FixtureRequest) -> Iterator[Post]:
    with request.param() as post:
        yield post


def send(post: Post, *addresses: str) -> list[Receipt]:
    """Send to each address in one session; the letters are numbered from 1."""
    with post.mailer.session() as session:
        return [
            hand_over(session, to=to, message_id=f"<{number}@platform.example>", letter=LETTER)
            for number, to in enumerate(addresses, start=1)
        ]


def test_an_accepted_letter_has_arrived_as_it_was(post: Post) -> None:
    [receipt] = send(post, "dev@acme.example")
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.reply.startswith("250 ")
    assert post.arrived() == [Sent("dev@acme.example", "<1@platform.example>", LETTER)]


def test_a_letter_is_sent_from_the_return_path_where_one_is_given(post: Post) -> None:
    with post.mailer.session() as session:
        hand_over(
            session,
            to="dev@acme.example",
            message_id="<1@platform.example>",
            letter=LETTER,
            envelope=NoticeEnvelope("1.a", "bounces+1.a@platform.example"),
        )
    [sent] = post.arrived()
    assert sent.return_path == "bounces+1.a@platform.example"


def test_letters_of_one_session_arrive_once_each_and_in_order(post: Post) -> None:
    send(post, "a@acme.example", "b@acme.example", "c@acme.example")
    assert [(sent.to, sent.message_id) for sent in post.arrived()] == [
        ("a@acme.example", "<1@platform.example>"),
        ("b@acme.example", "<2@platform.example>"),
        ("c@acme.example", "<3@platform.example>"),
    ]


@pytest.mark.parametrize("failure", [TEMPORARY, REFUSED, UNCERTAIN], ids=lambda r: str(r.outcome))
def test_a_failure_is_told_and_the_session_goes_on(post: Post, failure: Receipt) -> None:
    post.fail("dev@acme.example", failure)
    first, second, third = send(post, "dev@acme.example", "ops@acme.example", "dev@acme.example")
    assert first.outcome is failure.outcome
    assert first.recipient_refused is failure.recipient_refused
    assert first.closing is failure.closing
    assert first.reply.startswith(failure.reply.partition(":")[0])
    assert (second.outcome, third.outcome) == (Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert [sent.to for sent in post.arrived()] == ["ops@acme.example", "dev@acme.example"]


@pytest.mark.parametrize("address", ["", "nobody", "a@b@acme.example", "a@acme.example\r\nDATA"])
def test_a_malformed_address_is_refused_not_raised(post: Post, address: str) -> None:
    [receipt] = send(post, address)
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.recipient_refused
    assert post.arrived() == []


def test_a_session_without_a_letter_leaves_no_trace(post: Post) -> None:
    with post.mailer.session():
        pass
    assert post.arrived() == []
