"""What a filter, a phone, a reader in the dark and a text terminal ask of a mail: of every one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import default

import pytest

from rollout.adapters.mail.message import compose
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import MOST_BYTES, sample_context
from rollout.domain.notices import Caller, NoticeContext, NoticeKey
from rollout.domain.usage import Usage
from rollout.services.ports import Letter
from tests.house_rules.checkout import ROOT
from tests.support.html_page import Page

RENDERER = TemplateRenderer(ROOT / "templates" / "notices")
MAILS = [(t, lang) for t in sorted(RENDERER.templates()) for lang in RENDERER.languages()]
every_mail = pytest.mark.parametrize(("template", "language"), MAILS)

HOSTILE = "{{ 7*7 }}{% raw %}%(at)s%s\r\nBcc: thief@evil.example\x1b[31m<img src=x>&amp;\u202eeman"
FETCHED = {"src", "srcset", "background", "poster", "data", "action"}


def context(template: str, language: str) -> NoticeContext:
    after = template in {"disabled", "still-calling"}
    sample = sample_context(before=timedelta(days=-1) if after else timedelta(days=30))
    return replace(sample, locale=language)


def message(letter: Letter) -> bytes:
    return compose(
        letter,
        sender=Address("Acme", "api", "acme.example"),
        reply_to=None,
        to=Address("", "dev", "acme.example"),
        message_id="<1@acme.example>",
        date=datetime(2027, 3, 14, tzinfo=UTC),
    )


def remote(html: str) -> list[str]:
    """What a mail program would fetch, or run, by itself."""
    page = Page(html)
    active = {"script", "iframe", "object", "embed", "form", "link", "base", "video", "audio"}
    found = [tag for tag, _ in page.tags if tag in active]
    for tag, attributes in page.tags:
        found += [f"{tag} {name}" for name in attributes if name in FETCHED or name[:2] == "on"]
        if (attributes.get("http-equiv") or "").lower() == "refresh":
            found.append("refresh")
    return found + re.findall(r"url\(|@import|@font-face|expression\(", html)


def without_words(html: str) -> list[str]:
    """The images that say nothing to who does not see them."""
    return [str(a.get("src")) for tag, a in Page(html).tags if tag == "img" and not a.get("alt")]


@every_mail
def test_it_is_whole_in_text_and_in_html_and_small(template: str, language: str) -> None:
    sent = message(RENDERER.render(template, context(template, language)))
    parts = list(message_from_bytes(sent, policy=default).iter_parts())  # type: ignore[attr-defined]

    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert all(part.get_content().strip() for part in parts)
    assert len(sent) < MOST_BYTES
    assert max(map(len, sent.split(b"\r\n"))) <= 998
    assert sent.isascii()


@every_mail
def test_it_fetches_nothing_runs_nothing_and_shows_no_picture_without_words(
    template: str, language: str
) -> None:
    html = RENDERER.render(template, context(template, language)).html
    assert (remote(html), without_words(html)) == ([], [])


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://tracker.example/1.gif" alt="x">',
        '<link rel="stylesheet" href="https://cdn.example/a.css">',
        '<p style="background: url(https://cdn.example/a.png)">',
        "<style>@import 'a.css'; @font-face {}</style>",
        '<body onload="x()">',
        '<meta http-equiv="Refresh" content="0">',
    ],
)
def test_what_would_be_fetched_is_found(html: str) -> None:
    assert remote(html)
    assert without_words('<img src="cid:logo">') == ["cid:logo"]


@every_mail
def test_its_subject_is_one_short_line_that_names_account_and_time(
    template: str, language: str
) -> None:
    subject = RENDERER.render(template, context(template, language)).subject
    assert subject.isprintable()
    assert len(subject) <= 115
    assert all(fact in subject for fact in ("Acme", "2027", "16:00 (Europe/Berlin)"))


@every_mail
def test_it_can_be_read_in_the_dark_and_on_a_phone(template: str, language: str) -> None:
    html = RENDERER.render(template, context(template, language)).html
    meta = {a.get("name"): a.get("content") for tag, a in Page(html).tags if tag == "meta"}
    (kept,) = re.findall(
        r"<style>(.*?)</style>", html, re.DOTALL
    )  # the rest stands in the elements

    assert meta["viewport"] == "width=device-width, initial-scale=1"
    assert meta["color-scheme"] == meta["supported-color-schemes"] == "light dark"
    for part in ("@media (prefers-color-scheme: dark)", "@media (max-width: 480px)"):
        assert part in kept
    dark = kept.partition("(prefers-color-scheme: dark)")[2].partition("@media")[0]
    for name in (".page", ".card", "a ", ".button", ".quiet"):
        assert re.search(re.escape(name) + r"[^{}]*\{[^}]+!important", dark), name
    assert not re.search(r"(?<!max-)(?<!device-)width: ?[0-9]+px", html.replace(kept, ""))


@every_mail
def test_its_text_part_reads_well_alone(template: str, language: str) -> None:
    text = RENDERER.render(template, context(template, language)).text

    assert not re.search(r"&\w+;|&#|</?\w+[^@]*?>", text)  # no HTML
    assert "\n\n\n" not in text
    assert not re.search(r"[ \t]+$|\t|\xa0|\u202f|\0", text, re.MULTILINE)
    assert text.endswith("\n")
    assert text == text.strip() + "\n"
    if template != "nobody-left":  # which is not for the customer
        assert "https://developers.example.com/access-tokens" in text.split()  # whole, on its own
    assert "None" not in text


@every_mail
def test_nothing_an_account_calls_itself_gets_out_of_its_place(
    template: str, language: str
) -> None:
    at = sample_context().now
    letter = RENDERER.render(
        template,
        replace(
            context(template, language),
            account_name=HOSTILE,
            account_id=HOSTILE,
            recipient=HOSTILE,
            reason=HOSTILE,
            keys=(NoticeKey(HOSTILE, HOSTILE, Usage.IN_USE, at),),
            callers=(Caller(HOSTILE, HOSTILE, 100, at),),
        ),
    )
    sent = message_from_bytes(message(letter), policy=default)

    assert sent["Bcc"] is None
    assert len(sent.keys()) == len(set(sent.keys()))
    for part in (letter.subject, letter.text, Page(letter.html).text):
        assert "{{ 7*7 }}{% raw %}%(at)s%s" in " ".join(part.split())
        assert not re.search("\x1b|\r|\u202e", part)
    assert remote(letter.html) == []
    assert "&lt;img src=x&gt;&amp;amp;" in letter.html
