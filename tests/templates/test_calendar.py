"""What calendars say of a date, in each language; and what becomes of an operator's own words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import check_templates, sample_context, sample_date
from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.errors import BadInput
from tests.house_rules.checkout import ROOT

FOLDER = ROOT / "templates" / "notices"
STATES = ["scheduled", "cut", "exempt"]
TITLES = {
    "en": ["API keys of Acme stop working", "stopped working", "go on working"],
    "de": ["Abschaltung der API-Schlüssel von Acme", "wurden abgeschaltet", "funktionieren weiter"],
    "es": ["Acme: sus claves de API dejarán de funcionar", "dejaron de", "seguirán funcionando"],
    "fr": ["Acme : arrêt des clés d’API", "ont cessé de fonctionner", "continuent de fonctionner"],
    "ja": ["Acme の API キーは停止します", "停止しました", "引き続き使えます"],
}


def said(renderer: TemplateRenderer, date: AccountDate) -> str:
    name = renderer.name(AccountCalendar(date.account_name, date.locale, (date,)))
    return "\n".join((name, *renderer.describe(date)))


def own(folder: Path, file: str, text: str) -> TemplateRenderer:
    """Return a renderer with a file of an operator's own."""
    (folder / file).parent.mkdir(parents=True)
    (folder / file).write_text(text, encoding="utf-8")
    return TemplateRenderer(FOLDER, folder)


def test_mails_have_the_link_while_the_date_is_to_come() -> None:
    renderer = TemplateRenderer(FOLDER)
    ahead = sample_context()
    assert ahead.calendar_url
    nowhere = replace(ahead, calendar_url=None)
    for template, context, shown in (
        ("reminder", ahead, True),
        ("extended", ahead, True),
        ("reminder", nowhere, False),
        ("disabled", sample_context(before=timedelta(days=-1)), False),
    ):
        letter = renderer.render(template, context)
        assert (f"\n  {ahead.calendar_url}\n" in letter.text) == shown, template
        assert (f'<a href="{ahead.calendar_url}"' in letter.html) == shown, template
        assert ("subscribe there" in letter.html) == shown, template


@pytest.mark.parametrize("language", TITLES)
def test_each_language_says_in_the_title_whether_keys_stop_have_stopped_or_go_on(
    language: str,
) -> None:
    renderer = TemplateRenderer(FOLDER)
    dates = [replace(sample_date(state), locale=language) for state in STATES]
    titles = [renderer.describe(date)[0] for date in dates]

    assert [words in title for words, title in zip(TITLES[language], titles, strict=True)] == (
        [True] * 3
    )
    english = re.compile(r"\b(the|keys|tokens? of|working|days|with)\b", re.IGNORECASE)
    shown = re.sub(r"https?://\S+", "", "\n".join(said(renderer, date) for date in dates))
    assert bool(english.search(shown)) == (language == "en")


def test_no_text_has_empty_lines_at_its_ends_or_two_in_a_row() -> None:
    for state in STATES:
        text = TemplateRenderer(FOLDER).describe(sample_date(state))[1]
        assert text == text.strip()
        assert "\n\n\n" not in text


@pytest.mark.parametrize("file", ["name.txt", "title.txt", "text.txt"])
def test_a_mistake_in_an_operators_own_words_is_found_before_a_calendar_asks(
    tmp_path: Path, file: str
) -> None:
    renderer = own(tmp_path, f"_calendar/{file}", "x\n{% if false %}{{ keys }}{% endif %}")

    assert check_templates(renderer) == [f"_calendar/{file}, line 2: unknown name 'keys'"]
    with pytest.raises(BadInput, match=f"^_calendar/{file}, line 2") as error:
        said(renderer, sample_date())
    assert "stopped_at" in (error.value.fix or "")


def test_what_only_a_cut_account_has_is_missed_where_it_is_not(tmp_path: Path) -> None:
    renderer = own(tmp_path, "_calendar/title.txt", "{{ stopped_at | local }}")
    (problem,) = check_templates(renderer)
    assert problem.startswith("_calendar/title.txt, line 1: ")


def test_an_operators_own_title_of_several_lines_becomes_one(tmp_path: Path) -> None:
    renderer = own(tmp_path, "_calendar/title.txt", "{{ title }}:\n{{ state }}\n")
    assert renderer.describe(sample_date())[0] == "API keys: scheduled"
