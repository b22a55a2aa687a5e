"""The catalogues are whole, and each language says the same in its own way."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from rollout.adapters.mail.languages import CATALOGUES, USUAL_TITLES, Languages, read_catalogue
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.sources import Texts, layers
from rollout.adapters.mail.template_check import sample_context
from rollout.domain.errors import BadInput
from rollout.domain.notices import Caller, NoticeContext
from tests.house_rules.checkout import ROOT

FOLDER = ROOT / "templates" / "notices"
SHIPPED = ["de", "es", "fr", "ja"]
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module")
def renderer() -> TemplateRenderer:
    return TemplateRenderer(FOLDER)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Extract what the templates say now, the way `make messages` does."""
    extracted = tmp_path_factory.mktemp("texts") / "en.po"
    options = ["--mapping-file", "pyproject.toml", "--ignore-dirs", ".*", "--keyword", "usual"]
    command = ["babel.messages.frontend", "--quiet", "extract", *options]
    written = ["--omit-header", "--no-location", "--no-wrap", "--output-file", str(extracted)]
    subprocess.run([sys.executable, "-m", *command, *written, "."], cwd=ROOT, check=True)
    return read_catalogue("en", extracted.read_text("utf-8"))


def shipped(language: str) -> Catalog:
    return read_catalogue(language, (FOLDER / CATALOGUES / f"{language}.po").read_text("utf-8"))


def texts(message: Message) -> list[str]:
    """The text of a message, or one for each plural."""
    return list(message.string) if isinstance(message.string, tuple) else [str(message.string)]


def faults(wanted: Catalog, catalogue: Catalog) -> list[str]:
    """What a translation lacks, has too much, or has wrong."""
    ids = {message.id for message in wanted if message.id}
    found = {message.id: message for message in catalogue if message.id}
    problems = [f"not translated: {id_}" for id_ in ids - found.keys()]
    problems += [f"not in the templates: {id_}" for id_ in found.keys() - ids]
    for message in found.values():
        placeholders = set(PLACEHOLDER.findall(str(message.id)))
        plurals = catalogue.num_plurals if message.pluralizable else 1
        if message.fuzzy or len(texts(message)) != plurals or not all(texts(message)):
            problems.append(f"not translated: {message.id}")
        elif any(set(PLACEHOLDER.findall(text)) != placeholders for text in texts(message)):
            problems.append(f"other placeholders: {message.id}")
        elif re.search('[<>&\\n"]|^ | $|%(?!\\()', "".join(texts(message))):
            problems.append(f"not plain text: {message.id}")
    return problems


def in_language(locale: str, **changes: object) -> NoticeContext:
    return replace(sample_context(), locale=locale, **changes)  # type: ignore[arg-type]


# -- the catalogues


def test_the_languages_promised_are_shipped(renderer: TemplateRenderer) -> None:
    assert renderer.languages() == sorted([*SHIPPED, "en"])


def test_the_source_catalogue_is_what_the_templates_say(source: Catalog) -> None:
    shipped = (FOLDER / CATALOGUES / "notices.pot").read_text(encoding="utf-8")
    listed = re.findall(r'^msgid "(.+)"$', shipped, re.MULTILINE)
    said = [m.id[0] if m.pluralizable else m.id for m in source if m.id]
    assert listed == said, "run `make messages`, and translate what is new"
    assert set(USUAL_TITLES) < set(said)


@pytest.mark.parametrize("language", SHIPPED)
def test_every_text_of_the_templates_is_translated_with_the_same_placeholders(
    source: Catalog, language: str
) -> None:
    assert faults(source, shipped(language)) == []


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        ('msgid "Account"\nmsgstr ""', "not translated: Account"),
        ('#, fuzzy\nmsgid "Account"\nmsgstr "Konto"', "not translated: Account"),
        ('msgid "Accounts"\nmsgstr "Konten"', "not in the templates: Accounts"),
        ('msgid "about %(rate)s a day"\nmsgstr "etwa"', "other placeholders: about %(rate)s a day"),
        ('msgid "Account"\nmsgstr "<b>"', "not plain text: Account"),
    ],
)
def test_a_gap_or_a_mistake_in_a_catalogue_would_be_found(
    source: Catalog, edit: str, fault: str
) -> None:
    assert fault in faults(source, read_catalogue("de", edit))


# -- what a reader gets

SUBJECTS = {
    "en": "API keys of Acme stop working in 30 days: 13 April 2027, 16:00 (Europe/Berlin)",
    "de": "Abschaltung der API-Schlüssel von Acme in 30 Tagen:"
    " 13. April 2027, 16:00 (Europe/Berlin)",
    "es": "Acme: sus claves de API dejarán de funcionar dentro de 30 días,"
    " el 13 de abril de 2027, 16:00 (Europe/Berlin)",
    "fr": "Acme : arrêt des clés d’API dans 30 jours, le 13 avril 2027, 16:00 (Europe/Berlin)",
    "ja": "Acme の API キーは 30 日後に停止します: 2027年4月13日 16:00 (Europe/Berlin)",
}
SENTENCES = {
    "en": ("12,345 calls · about 412 a day", "1 call ·", "13 April 2027, 14:00 UTC, in 30 days."),
    "de": ("12.345 Aufrufe · etwa 412 am Tag", "1 Aufruf ·", "der 13. April 2027, 14:00 UTC"),
    "es": ("12.345 llamadas · unas 412 al día", "1 llamada ·", "el 13 de abril de 2027, 14:00 UTC"),
    "fr": ("12 345 appels · environ 412 par jour", "1 appel ·", "le 13 avril 2027, 14:00 UTC"),
    "ja": (
        "呼び出し 12,345 件 · 1 日あたり約 412 件",
        "呼び出し 1 件 ·",
        "2027年4月13日 14:00 UTC",
    ),
}


@pytest.mark.parametrize("language", SUBJECTS)
def test_each_language_says_in_subject_and_first_line_which_keys_stop_and_when(
    renderer: TemplateRenderer, language: str
) -> None:
    letter = renderer.render("reminder", in_language(language))
    text = " ".join(letter.text.split())

    assert letter.subject == SUBJECTS[language]
    assert text.replace(" ", "").startswith(letter.subject.replace(" ", ""))  # ja: no spaces
    assert [sentence in text for sentence in SENTENCES[language]] == [True] * 3
    assert f'<html lang="{language}" dir="ltr"' in letter.html


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("language", SHIPPED)
def test_nothing_stays_english(language: str, *, required: bool) -> None:
    renderer = TemplateRenderer(FOLDER, None, lambda _: "https://rollout.example/unsubscribe/7.a")
    english = re.compile(
        r"\b(the|keys|tokens? of|call|reminder|days|with|off|such)\b", re.IGNORECASE
    )
    for template in renderer.templates():
        context = in_language(language, reason=None, required=required)
        letter = renderer.render(template, context)
        optional = not required and template != "nobody-left"
        assert ("https://rollout.example/unsubscribe/7.a" in letter.text) is optional
        shown = re.sub(r"https?://\S+|dev@\S+", "", letter.subject + letter.text)
        assert not english.findall(shown), template


@pytest.mark.parametrize(
    ("locale", "language", "said"),
    [
        ("de_AT", "de", "13. Jänner 2027"),  # the text of German, the January of Austria
        ("de_CH", "de", "12’345 Aufrufe"),
        ("es_MX", "es", "12,345 llamadas"),
        ("fr_CA", "fr", "13 janvier 2027"),
        ("en_US", "en", "January 13, 2027"),
        ("pt_BR", "en", "13 January 2027"),
        ("not_a_locale", "en", "13 January 2027"),
    ],
)
def test_a_reader_falls_back_to_the_language_and_then_to_english(
    renderer: TemplateRenderer, locale: str, language: str, said: str
) -> None:
    january = in_language(locale).deadline.replace(month=1)
    letter = renderer.render("extended", in_language(locale, previous_deadline=january))

    assert f'<html lang="{language}"' in letter.html
    assert said in " ".join(letter.text.split())


def test_one_network_and_one_call_are_singular_where_a_language_has_it(
    renderer: TemplateRenderer,
) -> None:
    at = sample_context().now
    callers = (Caller("curl", "", 1, at), Caller("wget", "", 0, at, networks=2))
    for language, said in {
        "fr": ("curl depuis un réseau inconnu", "0 appel ·", "2 réseaux"),  # zero is singular
        "de": ("curl aus einem unbekannten Netz", "0 Aufrufe ·", "2 Netzen"),
    }.items():
        text = renderer.render("reminder", in_language(language, callers=callers)).text
        assert [words in text for words in said] == [True] * 3


def test_japanese_is_wrapped_by_its_width_and_no_line_begins_with_what_closes(
    renderer: TemplateRenderer,
) -> None:
    for template in renderer.templates():
        for line in renderer.render(template, in_language("ja")).text.splitlines():
            assert sum(2 if ord(c) > 0x2E80 else 1 for c in line) <= 76
            assert not re.match(r" *[、。）」ーっ]", line)


def test_a_usual_title_is_translated_and_any_other_stays_as_it_was_written(
    renderer: TemplateRenderer,
) -> None:
    named = in_language("de", title="Client secrets", replacement_title="access tokens")
    letter = renderer.render("announcement", named)
    assert "Wir ersetzen die Client secrets durch Zugriffstoken." in " ".join(letter.text.split())


# -- right to left


@pytest.fixture
def arabic(tmp_path: Path) -> TemplateRenderer:
    """An operator's own catalogue in a language that runs from right to left."""
    folder = tmp_path / "own"
    (folder / CATALOGUES).mkdir(parents=True)
    (folder / CATALOGUES / "ar.po").write_text(
        'msgid "id: %(account_id)s"\nmsgstr "المعرّف: %(account_id)s"\n', encoding="utf-8"
    )
    return TemplateRenderer(FOLDER, folder)


def test_a_language_from_right_to_left_sets_the_direction_and_isolates_what_does_not_run_so(
    arabic: TemplateRenderer,
) -> None:
    letter = arabic.render("reminder", in_language("ar_EG"))

    assert '<html lang="ar" dir="rtl"' in letter.html
    for shown in (letter.text, letter.html):
        assert "المعرّف: \u2068acme-123\u2069" in shown
        for value in ("dev@acme.example", "Acme", "…9f3a", "python-requests/2.31.0"):
            assert f"\u2068{value}\u2069" in shown
        assert shown.count("\u2068") == shown.count("\u2069")
    assert 'href="https://developers.example.com/access-tokens"' in letter.html
    # What is not translated yet runs from left to right, each paragraph by itself.
    paragraphs = re.findall(r"<(?:p|h1|h2|li)\b[^>]*>", letter.html)
    assert all("unicode-bidi: plaintext" in paragraph for paragraph in paragraphs)


def test_a_name_from_right_to_left_does_not_turn_round_what_stands_beside_it(
    renderer: TemplateRenderer,
) -> None:
    letter = renderer.render("reminder", in_language("en", account_name="חברת אקמי"))
    for shown in (letter.subject, letter.text, letter.html):
        assert "\u2068חברת אקמי\u2069" in shown
        assert "\u2068dev@" not in shown  # nothing else needs it


# -- catalogues of an operator


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("de.po", '# Konten\n"Konto"\n', "_locale/de.po, line 2: Got line starting with"),
        ("de.po", 'msgid "That was %(at)s."\nmsgstr "%(wann)s"', "_locale/de.po, line 1: unknown"),
        ("deutsch.po", "", "_locale/deutsch.po is named like no locale"),
        ("de.po", "\udcff", "_locale/de.po cannot be read: "),
    ],
)
def test_an_unusable_catalogue_is_named_with_its_line_and_the_way_out(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / CATALOGUES).mkdir()
    (tmp_path / CATALOGUES / name).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(BadInput, match=f"^{re.escape(said)}") as error:
        TemplateRenderer(FOLDER, tmp_path).languages()
    assert error.value.fix


def test_an_operators_text_goes_before_the_shipped_one_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / CATALOGUES).mkdir()
    (tmp_path / CATALOGUES / "de.po").write_text('msgid "Account"\nmsgstr "Mandant"\n', "utf-8")
    texts = Languages(Texts(layers(FOLDER, tmp_path, None)).now()).of("de_AT").texts

    assert texts.gettext("Account") == "Mandant"
    assert texts.gettext("What to do") == "Was zu tun ist"
