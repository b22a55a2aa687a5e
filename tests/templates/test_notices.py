"""Every shipped template, in every state of usage; and what becomes of wrong ones."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import MOST_BYTES, check_templates, sample_context
from rollout.adapters.mail.template_set import PARTS
from rollout.domain.errors import BadInput
from rollout.domain.notices import Caller, NoticeContext, NoticeKey
from rollout.domain.usage import Usage
from rollout.services.ports import Letter
from tests.support.html_page import Page

FOLDER = Path(__file__).parents[2] / "templates" / "notices"
TEMPLATES = sorted(f.name for f in FOLDER.iterdir() if f.is_dir() and not f.name.startswith("_"))
TO_CUSTOMERS = [template for template in TEMPLATES if template != "nobody-left"]
AFTER = {"disabled", "still-calling"}  # sent once the deadline has passed

HOSTILE = "Eve\r\nBcc: thief@evil.example\x1b[31m<script>alert(1)</script>\u202eeman\x00\u2028"
LONG = "x" * 10_000_000


@pytest.fixture(scope="module")
def renderer() -> TemplateRenderer:
    return TemplateRenderer(FOLDER)


@pytest.fixture
def planted(tmp_path: Path) -> Callable[..., TemplateRenderer]:
    """Copy the templates and overwrite one file of them."""

    def plant(file: str, text: str) -> TemplateRenderer:
        folder = tmp_path / "notices"
        shutil.copytree(FOLDER, folder)
        (folder / file).write_text(text, encoding="utf-8")
        return TemplateRenderer(folder)

    return plant


def sample(template: str, usage: Usage = Usage.IN_USE) -> NoticeContext:
    return sample_context(usage, before=timedelta(days=-1) if template in AFTER else None)


def words(letter: Letter) -> tuple[str, str]:
    """Return text and HTML with line breaks made spaces, to look for sentences in both."""
    return " ".join(letter.text.split()), " ".join(Page(letter.html).text.split())


def test_the_steps_of_the_design_are_shipped(renderer: TemplateRenderer) -> None:
    assert renderer.templates() == set(TEMPLATES)
    assert set(TEMPLATES) == {
        *("announcement", "reminder", "final-warning"),
        *("disabled", "extended", "restored", "still-calling", "webhook-disabled", "nobody-left"),
    }
    assert check_templates(renderer) == []


@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("template", TO_CUSTOMERS)
def test_every_mail_states_account_keys_both_times_usage_and_what_to_do(
    renderer: TemplateRenderer, template: str, usage: Usage
) -> None:
    letter = renderer.render(template, sample(template, usage))
    for shown in words(letter):
        assert letter.subject in shown
        assert "Acme (id: acme-123)" in shown
        assert "…9f3a" in shown
        assert "Production server" in shown
        assert "…77b1" in shown
        assert "13 April 2027, 16:00 (Europe/Berlin)" in shown
        assert "13 April 2027, 14:00 UTC" in shown
        assert "401 Unauthorized" in shown
        assert "iOS and Android" in shown
        assert "Get access tokens" in shown
        assert "OAuth" in shown
        assert "Forward this link to your developer" in shown
        assert "Reply to this mail" in shown
        assert ("in 30 days." in shown) is (template not in AFTER)
        assert ("python-requests/2.31.0 from 203.0.113.0/24" in shown) is (usage is Usage.IN_USE)
        assert ("12,345 calls · about 412 a day · falling · last call on" in shown) is (
            usage is Usage.IN_USE
        )
        assert ("No calls seen" in shown) is (usage is Usage.UNUSED)
        assert ("We cannot see" in shown) is (usage is Usage.UNKNOWN)
    for link in ("https://developers.example.com/access-tokens", sample(template).guide_url):
        assert link in letter.text
        assert link in [attributes.get("href") for _, attributes in Page(letter.html).tags]


@pytest.mark.parametrize("usage", Usage)
@pytest.mark.parametrize("template", TEMPLATES)
def test_every_mail_is_well_formed(renderer: TemplateRenderer, template: str, usage: Usage) -> None:
    letter = renderer.render(template, sample(template, usage))
    assert letter.subject.isprintable()
    assert letter.text.startswith(letter.subject.split(" stop")[0])
    assert "\xa0" not in letter.text
    assert "\n\n\n" not in letter.text
    assert max(map(len, letter.text.splitlines())) <= 76
    assert letter.text.endswith(".\n")
    assert len(letter.html.encode()) < MOST_BYTES
    tags = Page(letter.html).tags
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in tags
    assert "@media (prefers-color-scheme: dark)" in letter.html
    assert [attributes["lang"] for tag, attributes in tags if tag == "html"] == ["en"]
    assert {tag for tag, _ in tags}.isdisjoint({"table", "img", "link", "script", "iframe", "form"})
    assert not any("src" in attributes or "background" in attributes for _, attributes in tags)
    assert not re.search(r"url\(|@import", letter.html)


@pytest.mark.parametrize("before", [None, timedelta(days=-1)], ids=["ahead", "past"])
def test_people_inside_are_told_whom_it_is_about_what_that_means_and_what_to_do(
    renderer: TemplateRenderer, before: timedelta | None
) -> None:
    letter = renderer.render("nobody-left", sample_context(before=before))
    for shown in words(letter):
        assert letter.subject in shown
        assert "Nobody at Acme can be told that its API keys stop working" in shown
        assert "13 April 2027, 16:00 (Europe/Berlin)" in shown
        assert "13 April 2027, 14:00 UTC" in shown
        assert ("in 30 days." in shown) is (before is None)
        assert "Acme (id: acme-123)" in shown
        assert "for you inside the company, and not for the customer" in shown
        assert "the keys are not cut" in shown
        assert "rollout import contacts contacts.csv" in shown
        assert 'rollout account extend acme-123 --by 30d --reason "…"' in shown
        assert "rollout account show acme-123" in shown
        assert "rollout notice untold" in shown
        assert "Reply to this mail" not in shown
        assert "Forward this mail" not in shown


def test_the_reason_and_the_earlier_date_are_told_where_there_are_any(
    renderer: TemplateRenderer,
) -> None:
    context = sample_context()
    assert context.reason
    for template in ("extended", "restored"):
        for shown in words(renderer.render(template, context)):
            assert context.reason in shown
            assert "30 March 2027, 16:00 (Europe/Berlin)" in shown
        for shown in words(
            renderer.render(template, replace(context, reason=None, previous_deadline=None))
        ):
            assert "None" not in shown
            assert "30 March" not in shown


def test_names_of_what_is_retired_and_what_replaces_it_come_from_the_deprecation(
    renderer: TemplateRenderer,
) -> None:
    context = replace(sample_context(), title="Client secrets", replacement_title="certificates")
    for template in TO_CUSTOMERS:
        letter = renderer.render(template, context)
        for shown in (letter.subject, *words(letter)):
            assert "Client secrets of Acme" in shown
            assert "API keys" not in shown
            assert "access tokens" not in shown


def test_keys_in_use_by_nobody_we_know_are_not_called_unused(renderer: TemplateRenderer) -> None:
    for shown in words(
        renderer.render("reminder", replace(sample_context(), callers=(), endpoints=()))
    ):
        assert "These keys are in use, but we have no record of who called." in shown
        assert "No calls seen" not in shown


def test_a_hundred_keys_and_ten_callers_are_all_listed_in_under_100_kb(
    renderer: TemplateRenderer,
) -> None:
    base = sample_context()
    keys = tuple(NoticeKey(f"…{n:04}", "x" * 200, Usage.IN_USE, base.now) for n in range(100))
    callers = tuple(Caller(f"{n} " + "y" * 200, "z" * 200, n, base.now) for n in range(10))
    letter = renderer.render("reminder", replace(base, keys=keys, callers=callers))
    assert len(letter.html.encode()) < MOST_BYTES
    assert all(key.hint in letter.text and key.hint in letter.html for key in keys)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(days=30) - timedelta(seconds=5), "in 30 days"),
        (timedelta(days=3, hours=-2), "in 3 days"),
        (timedelta(hours=48), "in 2 days"),
        (timedelta(hours=47), "in 47 hours"),
        (timedelta(hours=1, minutes=20), "in 1 hour"),
        (timedelta(minutes=59), "in 59 minutes"),
        (timedelta(minutes=1), "in 1 minute"),
        (timedelta(seconds=9), "in 1 minute"),
    ],
)
def test_what_is_left_is_computed_from_now(
    renderer: TemplateRenderer, before: timedelta, said: str
) -> None:
    subject = renderer.render("reminder", sample_context(before=before)).subject
    assert f"stop working {said}: 13 April 2027, 16:00" in subject


def test_days_left_are_those_of_the_readers_calendar_across_a_change_of_clocks(
    renderer: TemplateRenderer,
) -> None:
    # Berlin springs forward on 28 March 2027: these three days have 71 hours.
    context = replace(
        sample_context(),
        now=datetime(2027, 3, 26, 15, 0, tzinfo=UTC),
        deadline=datetime(2027, 3, 29, 14, 0, tzinfo=UTC),
    )
    letter = renderer.render("reminder", context)
    assert "in 3 days" in letter.subject
    assert "29 March 2027, 16:00 (Europe/Berlin)" in letter.subject


@pytest.mark.parametrize("template", TEMPLATES)
def test_hostile_values_are_harmless_in_all_three_parts(
    renderer: TemplateRenderer, template: str
) -> None:
    at = sample_context().now
    context = replace(
        sample(template),
        account_name=HOSTILE,
        account_id=HOSTILE,
        recipient=HOSTILE,
        reason=HOSTILE,
        keys=(
            NoticeKey(HOSTILE, HOSTILE, Usage.IN_USE, at),
            NoticeKey("k", LONG, Usage.IN_USE, at),
        ),
        callers=(Caller(HOSTILE, HOSTILE, 1, at), Caller(LONG, LONG, 1, at)),
    )
    letter = renderer.render(template, context)
    assert letter.subject.isprintable()
    assert "Eve Bcc: thief@evil.example\ufffd[31m" in letter.subject
    assert "".join(letter.text.split("\n")).isprintable()
    assert "<script" not in letter.html
    assert "&lt;script&gt;" in letter.html
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u2028]", letter.html)
    assert len(letter.text) < 10_000
    assert len(letter.html) < 20_000


def test_names_in_scripts_that_need_joiners_or_run_right_to_left_stay_as_they_are(
    renderer: TemplateRenderer,
) -> None:
    for name in ("می\u200cخواهم", "חברת אקמי", "クラウド", "👩\u200d💻 Labs"):
        letter = renderer.render("reminder", replace(sample_context(), account_name=name))
        assert name in letter.subject
        assert name in letter.text
        assert name in letter.html


@pytest.mark.parametrize("part", PARTS)
def test_an_unknown_name_is_named_with_file_and_line_even_where_it_is_not_reached(
    planted: Callable[..., TemplateRenderer], part: str
) -> None:
    renderer = planted(
        f"reminder/{part}", "first line\n{% if false %}\n{{ acount_name }}{% endif %}"
    )
    assert renderer.render("announcement", sample_context()).text  # the others are not hurt
    with pytest.raises(BadInput, match=rf"^reminder/{part}, line 3: .*'acount_name'") as error:
        renderer.render("reminder", sample_context())
    assert "account_name" in (error.value.fix or "")
    assert f"reminder/{part}, line 3: unknown name 'acount_name'" in check_templates(renderer)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("x\n{{ keys[0].secret }}", 2, "secret"),
        ("\n\n{{ deadline | locale }}", 3, "locale"),
        ("{{ account_name", 1, "end of"),
        ('{% extends "_base/nothing.txt" %}', 1, "_base/nothing.txt"),
        ("{{ 1 / 0 }}", 1, "division"),
        ("{{ keys.__class__.__mro__ }}", 1, "__class__"),
        ("{{ subject | local }}", 1, ""),
    ],
)
def test_any_mistake_in_a_template_is_named_with_file_and_line(
    planted: Callable[..., TemplateRenderer], text: str, line: int, what: str
) -> None:
    with pytest.raises(BadInput, match=rf"^disabled/body.txt, line {line}: .*{what}"):
        planted("disabled/body.txt", text).render("disabled", sample_context())


def test_a_mistake_in_the_base_is_named_there(planted: Callable[..., TemplateRenderer]) -> None:
    renderer = planted("_base/body.txt", "\n{{ keys[0].colour }}")
    with pytest.raises(BadInput, match=r"^_base/body.txt, line 2: .*colour"):
        renderer.render("reminder", sample_context())


def test_names_that_a_template_makes_itself_are_known(
    planted: Callable[..., TemplateRenderer],
) -> None:
    text = (
        '{% extends "_base/body.txt" %}{% set hello = "Hello" %}'
        "{% macro greet(name) %}{{ hello }} {{ name }}{% endmacro %}"
        "{% block lead %}{{ greet(account_name) }}{% for key in keys %}{{ loop.index }}{% endfor %}"
        "{% endblock %}"
    )
    renderer = planted("reminder/body.txt", text)
    assert "Hello Acme12" in renderer.render("reminder", sample_context()).text


@pytest.mark.parametrize("subject", ["", "one\ntwo", "one\u2028two", "{% if false %}x{% endif %}"])
def test_a_subject_that_is_not_one_line_is_an_error(
    planted: Callable[..., TemplateRenderer], subject: str
) -> None:
    with pytest.raises(BadInput, match=r"reminder/subject.txt: a subject is one line"):
        planted("reminder/subject.txt", subject).render("reminder", sample_context())


@pytest.mark.parametrize("part", PARTS)
def test_a_folder_that_lacks_a_part_is_an_error_that_names_it(
    planted: Callable[..., TemplateRenderer], part: str, tmp_path: Path
) -> None:
    renderer = planted("reminder/subject.txt", "x")
    (tmp_path / "notices" / "reminder" / part).unlink()
    with pytest.raises(BadInput, match=f"template 'reminder' has no {part}"):
        renderer.templates()
    assert check_templates(renderer) == [f"template 'reminder' has no {part}"]


def test_a_template_or_a_folder_that_does_not_exist_is_an_error(
    renderer: TemplateRenderer, tmp_path: Path
) -> None:
    for name in ("nothing", "../notices/reminder", "_base"):
        with pytest.raises(BadInput, match=f"^{name}/subject.txt: "):
            renderer.render(name, sample_context())
    with pytest.raises(BadInput, match="is not a folder"):
        TemplateRenderer(tmp_path / "absent").templates()


def test_the_check_finds_values_shown_unescaped_empty_texts_and_html_that_is_too_long(
    planted: Callable[..., TemplateRenderer],
) -> None:
    renderer = planted("reminder/body.html", "{{ account_name | safe }}" + "x" * MOST_BYTES)
    assert check_templates(renderer) == [
        "reminder/body.html is longer than 100,000 bytes",
        "reminder/body.html shows a value unescaped",
    ]


def test_the_check_finds_an_empty_text(planted: Callable[..., TemplateRenderer]) -> None:
    assert check_templates(planted("reminder/body.txt", " \n")) == ["reminder/body.txt is empty"]
