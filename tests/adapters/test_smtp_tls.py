"""Letters over TLS, and what happens where it is missing or not to be trusted."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from rollout.services.ports import Outcome
from tests.support.mailing import LETTER, hand_over, mailer, signed_in
from tests.support.smtp_server import SmtpServer


def tls_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("implicit", [True, False])
def test_letters_go_through_tls_to_a_server_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, *, implicit: bool
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # what an operator does for a private CA
    with SmtpServer(tls=tls_context(certificate), implicit_tls=implicit) as server:
        url = server.url if implicit else f"{server.url}?starttls=1"
        with mailer(url).session() as session:
            for number in (1, 2):
                receipt = hand_over(
                    session, to="a@b.example", message_id=f"<{number}@x>", letter=LETTER
                )
                assert receipt.outcome is Outcome.ACCEPTED, receipt.reply
        assert server.connections == 1
        assert ("STARTTLS" in server.commands) is not implicit


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_that_is_not_trusted_stops_the_letter(
    certificate: Path, *, implicit: bool
) -> None:
    with SmtpServer(tls=tls_context(certificate), implicit_tls=implicit) as server:
        url = server.url if implicit else f"{server.url}?starttls=1"
        with mailer(url).session() as session:
            receipt = hand_over(session, to="a@b.example", message_id="<1@x>", letter=LETTER)
        assert server.received == []
    assert receipt.outcome is Outcome.NO_LINE
    assert "certificate" in receipt.reply.lower()


def test_required_starttls_that_is_not_offered_stops_the_letter_and_the_password() -> None:
    with SmtpServer() as server:
        with mailer(f"{signed_in(server)}?starttls=1").session() as session:
            receipt = hand_over(session, to="a@b.example", message_id="<1@x>", letter=LETTER)
        assert not any(command.startswith("AUTH") for command in server.commands)
    assert receipt.outcome is Outcome.NO_LINE
    assert "STARTTLS" in receipt.reply
