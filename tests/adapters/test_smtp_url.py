"""The settings of the mailer: the URL and our own addresses."""

from __future__ import annotations

import pytest

from rollout.adapters.mail.addresses import own
from rollout.adapters.mail.smtp_url import SmtpServer, parse_smtp_url, parse_smtp_urls
from rollout.domain.errors import BadInput


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", SmtpServer("mail", 25, tls=False, starttls=False)),
        ("smtps://mail/", SmtpServer("mail", 465, tls=True, starttls=False)),
        ("smtp://[::1]:2525?starttls=1", SmtpServer("::1", 2525, tls=False, starttls=True)),
        (
            "smtp://u%40x:p%2F%3A@mail:587?starttls=0",
            SmtpServer("mail", 587, tls=False, starttls=False, user="u@x", password="p/:"),
        ),
    ],
)
def test_a_url_says_where_and_how(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url(url) == server


@pytest.mark.parametrize(
    "url",
    [
        *("", "mail:25", "http://mail", "smtp://", "smtp://:25", "smtp://mail:x", "smtp://a..b"),
        *("smtp://mail:70000", "smtp://mail/path", "smtp://mail?tls=1", "smtp://[x", "smtp://a b"),
        *("smtp://mail?starttls=yes", "smtps://mail?starttls=1", "smtp://hunter@mail"),
        *("smtp://u:hunter#2@mail", "smtp://u:hünter@mail", "smtp://u:hunter@mail:9?x=hunter"),
    ],
)
def test_a_wrong_url_is_refused_with_a_way_out_and_without_repeating_it(url: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_SMTP_URL cannot be used: ") as refusal:
        parse_smtp_url(url)
    assert "smtp://user:password@" in (refusal.value.fix or "")
    assert "nter" not in refusal.value.message


def test_several_servers_stand_in_the_order_in_which_they_are_preferred() -> None:
    first, second = parse_smtp_urls(" smtp://one\n\tsmtps://u:p@two ")

    assert (str(first), str(second)) == ("one:25", "two:465")
    assert parse_smtp_urls("smtp://one\n") == [first]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ROLLOUT_SMTP_URL cannot be used: it does not begin with smtp://"),
        ("smtp://one two", "server 2 of ROLLOUT_SMTP_URL cannot be used: it does not begin"),
        ("smtp://u:hunter#2@one smtp://two", "server 1 of ROLLOUT_SMTP_URL cannot be used: "),
        ("smtp://one,smtp://two", "between two servers there is white space, and nothing else"),
        ("smtp://one; smtps://two", "between two servers there is white space, and nothing else"),
    ],
)
def test_of_several_the_wrong_one_is_named_by_its_place(text: str, said: str) -> None:
    with pytest.raises(BadInput) as refusal:
        parse_smtp_urls(text)
    assert said in refusal.value.message
    assert "hunter" not in refusal.value.message
    assert "smtp://user:password@" in (refusal.value.fix or "")


def test_a_parsed_url_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(parse_smtp_url("smtp://user:hunter2@mail"))


@pytest.mark.parametrize("sender", ["", "Rollout", "a@b.example, c@d.example", "mü@b.example"])
def test_a_from_address_that_cannot_be_used_is_refused_at_the_start(sender: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_MAIL_FROM") as refusal:
        own("ROLLOUT_MAIL_FROM", sender)
    assert "Rollout <rollout@example.com>" in (refusal.value.fix or "")
