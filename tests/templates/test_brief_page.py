"""The page behind the link of a mail: what it says in each state and language, and one's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import (
    HOSTILE,
    check_templates,
    sample_brief,
    sample_briefs,
)
from rollout.domain.notices.brief import Brief
from tests.house_rules.checkout import ROOT
from tests.support.html_page import Page
from tests.templates.test_mail_quality import remote, without_words

FOLDER = ROOT / "templates" / "notices"
RENDERER = TemplateRenderer(FOLDER)
LANGUAGES = RENDERER.languages()
TRENDS = {
    "en": ("falling", "rising"),
    "de": ("fallend", "steigend"),
    "es": ("en descenso", "en aumento"),
    "fr": ("en baisse", "en hausse"),
    "ja": ("減少傾向", "増加傾向"),
}


def in_language(brief: Brief, locale: str) -> Brief:
    return replace(brief, context=replace(brief.context, locale=locale))


def words(html: str) -> str:
    return " ".join(Page(re.sub("<style>.*?</style>", "", html, flags=re.DOTALL)).text.split())


@pytest.mark.parametrize("language", LANGUAGES)
def test_in_every_state_and_language_it_is_one_page_by_itself(language: str) -> None:
    english = re.compile(r"\b(the|keys|stop|working|with|days|write|somebody|care|send)\b")
    for brief in sample_briefs():
        html = RENDERER.brief(in_language(brief, language))
        form = brief.standing.state != "exempt" and brief.standing.acknowledged_at is None
        assert (remote(html), without_words(html)) == (["form"] if form else [], [])
        assert f'<html lang="{language}" dir="ltr">' in html
        shown = re.sub(r"https?://\S+|\S+\.example\S*", "", words(html))
        assert bool(english.search(shown)) == (language == "en")
        assert brief.context.recipient not in html
        assert "None" not in words(html)


@pytest.mark.parametrize("language", LANGUAGES)
def test_mail_and_page_say_the_same_of_who_calls_and_whether_that_grows(language: str) -> None:
    context = in_language(sample_brief(), language).context
    rising = replace(context.callers[0], name="cron", recent=300, before=100)
    context = replace(context, callers=(*context.callers, rising))
    page = words(RENDERER.brief(Brief(sample_brief().standing, context, "help@platform.example")))
    letter = RENDERER.render("reminder", context)

    for shown in (page, words(letter.html), " ".join(letter.text.split())):
        assert all(
            f"· {trend} ·".replace(" ", "") in shown.replace(" ", "") for trend in TRENDS[language]
        )
        assert "zapier.example/oauth" in shown


def test_nothing_that_an_account_or_a_caller_calls_itself_gets_out_of_its_place() -> None:
    brief = sample_brief()
    caller = replace(brief.context.callers[1], name=HOSTILE, network=HOSTILE, migration_url="")
    hostile = replace(
        brief.context, account_name=HOSTILE, account_id=HOSTILE, callers=(caller,), zone="UTC"
    )
    assert HOSTILE not in RENDERER.brief(replace(brief, context=hostile))


def test_an_operator_words_it_as_they_like(tmp_path: Path) -> None:
    (tmp_path / "_brief").mkdir()
    own = tmp_path / "_brief" / "page.html"
    own.write_text("<p>{{ account_name }}: {{ state }}, {{ reply_to }}</p>", encoding="utf-8")
    html = TemplateRenderer(FOLDER, tmp_path).brief(sample_brief("exempt"))
    assert html == "<p>Acme: exempt, help@platform.example</p>"


@pytest.mark.parametrize("file", ["title.txt", "page.html"])
def test_a_mistake_in_an_operators_own_page_is_found_before_anybody_looks(
    tmp_path: Path, file: str
) -> None:
    (tmp_path / "_brief").mkdir()
    (tmp_path / "_brief" / file).write_text("x\n{% if false %}{{ stage }}{% endif %}")
    renderer = TemplateRenderer(FOLDER, tmp_path)

    assert check_templates(renderer) == [f"_brief/{file}, line 2: unknown name 'stage'"]
