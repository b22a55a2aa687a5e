"""What lies unread in an IMAP mailbox is taken in, and marked as read once it is stored."""

from __future__ import annotations

import pytest

from rollout.adapters.mail.imap import ImapMailbox, parse_imap_url
from rollout.domain.errors import BadInput, Unavailable
from tests.support.imap_server import ImapServer
from tests.support.processes import free_port

MAILS = (b"From: a@b.example\r\n\r\none\r\n", b"From: a@b.example\r\n\r\n{two}\r\n")


def test_unread_messages_are_taken_in_once_and_read_then() -> None:
    taken: list[bytes] = []
    with ImapServer(*MAILS) as server:
        mailbox = parse_imap_url(server.url)
        assert mailbox.poll(taken.append) == 2
        assert mailbox.poll(taken.append) == 0
        assert server.seen == {1, 2}

    assert taken == list(MAILS)


def test_what_could_not_be_stored_stays_unread_and_comes_again() -> None:
    def fail(raw: bytes) -> None:
        if raw == MAILS[1]:
            raise Unavailable("the database is down")

    with ImapServer(*MAILS) as server:
        mailbox = parse_imap_url(server.url)
        with pytest.raises(Unavailable, match="the database is down"):
            mailbox.poll(fail)
        assert server.seen == {1}
        assert mailbox.poll(lambda _: None) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [("p%40ss", "secret", "who are you?"), ("Returned", "Lost", "no such folder")],
)
def test_a_mailbox_that_cannot_be_read_is_named_without_its_password(
    old: str, new: str, said: str
) -> None:
    with ImapServer() as server, pytest.raises(Unavailable, match="the mailbox ") as refused:
        parse_imap_url(server.url.replace(old, new)).poll(lambda _: None)

    assert said in refused.value.message
    assert "ROLLOUT_IMAP_URL" in str(refused.value.fix)
    assert "secret" not in refused.value.message


def test_a_server_that_does_not_answer_is_named() -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=f"INBOX at 127.0.0.1:{port} cannot be read"):
        parse_imap_url(f"imap://u:p@127.0.0.1:{port}").poll(lambda _: None)


@pytest.mark.parametrize(
    ("url", "mailbox"),
    [
        (
            "imaps://u%40x:p%2F@mail.example",
            ImapMailbox("mail.example", 993, tls=True, folder="INBOX", user="u@x", password="p/"),
        ),
        (
            "imap://u:p@[::1]:1143/A/B%20C",
            ImapMailbox("::1", 1143, tls=False, folder="A/B C", user="u", password="p"),
        ),
    ],
)
def test_a_url_says_which_mailbox(url: str, mailbox: ImapMailbox) -> None:
    assert parse_imap_url(url) == mailbox
    assert "p/" not in repr(mailbox)


@pytest.mark.parametrize(
    "url",
    [
        *("", "smtp://u:hunter@mail", "imap://mail", "imap://u@mail", "imap://u:hunter@"),
        *("imap://u:hunter@mail:x", "imap://u:hunter@mail/a?b", "imap://u:hünter@mail"),
        "imap://u:hunter%0d@mail",
    ],
)
def test_a_wrong_url_is_refused_with_a_way_out_and_without_repeating_it(url: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_IMAP_URL cannot be used: ") as refused:
        parse_imap_url(url)

    assert "imaps://user:password@" in (refused.value.fix or "")
    assert "nter" not in refused.value.message
