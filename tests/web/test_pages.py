"""What readers see whose link leads nowhere, or while nothing works: in a language they read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rollout.bootstrap import bootstrap
from rollout.domain.notices.brief import BriefLinks
from rollout.settings import Settings
from rollout.web.app import make_app
from rollout.web.pages import MOST_ASKED, accepted_locales
from tests.support.html_page import Page, assert_fits_on_a_phone
from tests.support.post import Web

TITLES = {
    "en": "This link leads nowhere",
    "de": "Dieser Link führt ins Leere",
    "fr": "Ce lien ne mène nulle part",
    "es": "Este enlace no lleva a ninguna parte",
    "ja": "このリンクは無効です",
}


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("", []),
        ("de", ["de"]),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", ["fr_CH", "fr", "en", "de"]),
        ("en;q=0.1,de ; q = 0.9", ["de", "en"]),
        ("de;q=0, en", ["en"]),
        ("xx-nothing, de;q=high, en", ["en"]),
        ("de-AT@a1, de_AT, es-419;Q=0.4, zh-Hant-TW", ["zh_Hant_TW", "es_419"]),
        ("de," * MOST_ASKED * 2, ["de"] * MOST_ASKED),
    ],
)
def test_what_a_browser_asks_for_is_read_in_the_order_of_its_wishes(
    header: str, wanted: list[str]
) -> None:
    assert accepted_locales(header) == wanted


def test_a_wrong_link_is_told_in_a_language_of_the_browser(web: Web) -> None:
    asked = {language: language for language in TITLES} | {
        "de-AT,en;q=0.5": "de",
        "it,fr;q=0.5": "fr",
        "it": "en",
        "de;q=\x7f": "en",
    }
    for path in ("/brief/1", "/unsubscribe/1"):
        for header, language in asked.items():
            answer = web.ask("GET", path, headers={"Accept-Language": header})
            assert (answer.status_code, language_of(answer.text)) == (404, language)
            assert TITLES[language] in Page(answer.text).text


def test_so_is_that_nothing_works_also_where_the_texts_of_operators_cannot_be_had(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "_locale").mkdir()
    (tmp_path / "_locale" / "fr.po").write_text("nonsense")
    down = "postgresql://nobody@127.0.0.1:1/nothing"
    with bootstrap(
        replace(settings, database_url=down, templates=tmp_path), database_may_be_down=True
    ) as rollout:
        web = Web(make_app(rollout))
        for language in ("de", "fr"):
            asked = {"Accept-Language": language}
            answer = web.ask("GET", BriefLinks(b"k" * 32).path(1, 1), headers=asked)
            assert (answer.status_code, language_of(answer.text)) == (503, language)


def language_of(html: str) -> str | None:
    return next(attributes["lang"] for tag, attributes in Page(html).tags if tag == "html")


def test_it_fits_on_a_phone_in_light_and_dark(web: Web) -> None:
    assert_fits_on_a_phone(web.ask("GET", "/brief/1", headers={"Accept-Language": "de"}).text)
