"""A message that is accepted has been stored; what cannot be stored is asked to come again."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP

from rollout.adapters.mail.receiving import Receiver
from rollout.domain.errors import Unavailable
from tests.support.processes import free_port

MAIL = b"From: MAILER-DAEMON@relay.example\r\nSubject: returned\r\n\r\nUndeliverable\r\n"
TO = ["bounces+1.a@platform.example", "rollout@platform.example"]


class Store:
    """Keeps what it is given, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[tuple[bytes, list[str]]] = []
        self.trouble: Exception | None = None

    def take_in(self, raw: bytes, envelope_to: Sequence[str]) -> None:
        if self.trouble:
            raise self.trouble
        self.taken.append((raw, list(envelope_to)))


class LmtpController(Controller):
    def factory(self) -> LMTP:
        return LMTP(self.handler, **self.SMTP_kwargs)


@contextmanager
def receiving(store: Store, kind: type[Controller] = Controller) -> Iterator[int]:
    port = free_port()
    controller = kind(Receiver(store.take_in), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_an_accepted_message_was_stored_as_it_came_with_its_envelope() -> None:
    store = Store()
    with receiving(store) as port, smtplib.SMTP("127.0.0.1", port) as line:
        line.sendmail("", TO, MAIL)  # the null sender of all bounces

    assert store.taken == [(MAIL, TO)]


@pytest.mark.parametrize("trouble", [Unavailable("the database is down"), KeyError("a fault")])
def test_whatever_goes_wrong_the_message_is_to_come_again(trouble: Exception) -> None:
    store = Store()
    store.trouble = trouble
    with receiving(store) as port, smtplib.SMTP("127.0.0.1", port) as line:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            line.sendmail("", TO, MAIL)
        store.trouble = None
        line.sendmail("", TO, MAIL)

    assert refused.value.smtp_code == 451
    assert len(store.taken) == 1


def test_lmtp_answers_once_for_each_recipient() -> None:
    store = Store()
    with receiving(store, LmtpController) as port, smtplib.LMTP("127.0.0.1", port) as line:
        line.ehlo()
        line.docmd("MAIL", "FROM:<>")
        for address in TO:
            line.docmd("RCPT", f"TO:<{address}>")
        line.docmd("DATA")
        line.send(MAIL + b".\r\n")
        replies = [line.getreply() for _ in TO]
        assert line.noop()[0] == 250  # nothing is left over

    assert [code for code, _ in replies] == [250, 250]
    assert store.taken == [(MAIL, TO)]
