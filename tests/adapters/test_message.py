"""The bytes of a message: whatever is written, it is read as it was written."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollout.adapters.mail.message import compose
from rollout.services.ports import Letter
from tests.support.mailing import StoppedClock

LONG = "Last reminder: API keys of Acme stop working on 13 April 2027, 16:00 (Europe/Berlin)"


def composed(letter: Letter, sender: Address | None = None) -> bytes:
    return compose(
        letter,
        sender=sender or Address("Rollout", "rollout", "platform.example"),
        reply_to=None,
        to=Address("", "dev", "acme.example"),
        message_id="<1@platform.example>",
        date=StoppedClock().now(),
    )


def read(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


@given(st.text())
@example("a \n b\t\n.\n..\r.\n=_\n--=_alternative--\n--=_alternative\nFrom here\n=3D\0\x85\u2028")
@example("word " * 100 + "ü" * 200)
def test_whatever_a_text_holds_it_is_read_as_it_was_written(text: str) -> None:
    data = composed(Letter("Two weeks left", text, f"<p>{text}"))

    plain, html = read(data).iter_parts()
    lines = re.split("\r\n|\r|\n", text)
    wanted = "".join(f"{line}\n" for line in (lines if lines[-1] else lines[:-1]))
    assert plain.get_content().replace("\r\n", "\n") == wanted
    assert html.get_content().replace("\r\n", "\n") == "<p>" + (wanted or "\n")


@given(st.text())
@example(LONG)
@example("a " * 200)
def test_its_lines_are_short_and_end_as_lines_of_mail_do(text: str) -> None:
    data = composed(Letter(LONG, text, text))

    assert data.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
    assert max(map(len, data.split(b"\r\n"))) <= 78


@pytest.mark.parametrize("subject", [LONG, "Zwei Wochen: Müller", "最終のお知らせ", "Two weeks"])
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    assert read(composed(Letter(subject, "", "")))["Subject"] == subject


@pytest.mark.parametrize("name", ["Rollout", "Acme, Inc. (API)", 'The "Keys" Team', "Schlüssel"])
def test_a_sender_is_read_with_its_name(name: str) -> None:
    sender = Address(name, "rollout", "platform.example")
    (address,) = read(composed(Letter("", "", ""), sender))["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "rollout@platform.example")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028"])
def test_a_subject_with_a_line_break_is_refused(end: str) -> None:
    with pytest.raises(ValueError, match="linefeed"):
        composed(Letter(f"harmless{end}Bcc: thief@evil.example", "", ""))


def test_a_link_for_unsubscribing_is_one_that_mail_programs_post_to() -> None:
    url = "https://rollout.example/unsubscribe/" + "7.abcdefghij234567" * 4
    message = read(composed(Letter("", "", "", url)))

    assert message["List-Unsubscribe"] == f"<{url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "List-Unsubscribe" not in read(composed(Letter("", "", "")))


@pytest.mark.parametrize(
    "more", ["\r\nBcc: thief@evil.example", ">, <mailto:a@evil.example", " ", "ü"]
)
def test_a_link_that_would_be_more_than_one_is_refused(more: str) -> None:
    with pytest.raises(ValueError, match="not to be put into a header"):
        composed(Letter("", "", "", f"https://rollout.example/{more}"))
