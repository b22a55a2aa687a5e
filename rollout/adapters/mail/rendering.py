"""Writes letters, and what calendars say, with the templates as they are at the moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import css_inline

from rollout.adapters.mail.languages import Language
from rollout.adapters.mail.layout import fill
from rollout.adapters.mail.several import together
from rollout.adapters.mail.sources import Layer, Texts, layers
from rollout.adapters.mail.taming import ISOLATES, tamed
from rollout.adapters.mail.template_check import sample_context
from rollout.adapters.mail.template_set import (
    BRIEF,
    CALENDAR,
    CHAT,
    HTML,
    SEVERAL,
    SUBJECT,
    TEXT,
    TemplateSet,
    template_set,
)
from rollout.adapters.one_line import one_line
from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.errors import BadInput, NotFound
from rollout.domain.notices import NoticeContext
from rollout.domain.notices.brief import Brief
from rollout.services.ports import Letter, Source, TemplateVersion

_SUBJECT_LIMIT = 300


class TemplateRenderer:
    """Renders the templates of some layers, as they were when it last looked.

    A file in the operator's ``overrides`` goes before the shipped one of the same name, and one in
    the ``database`` before both; so does a text of a catalogue in ``_locale``.
    """

    def __init__(
        self,
        folder: Path,
        overrides: Path | None = None,
        unsubscribe_url: Callable[[int], str] | None = None,
        *,
        database: Layer | None = None,
    ) -> None:
        """Take folders, and what makes the link by which a contact switches optional mail off."""
        self._unsubscribe_url = unsubscribe_url
        self._folders = [place for place in (folder, overrides) if place is not None]
        self._texts = Texts(layers(folder, overrides, database))
        self._current: TemplateSet | None = None
        self._one_at_a_time = threading.Lock()
        self._inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def refresh(self) -> None:
        """Take up what has changed in the templates since."""
        with self._one_at_a_time:  # what one thread of a worker has read is there for all
            sources = self._texts.now()
            if self._current is None or self._current.sources is not sources:
                self._current = template_set(sources)

    def _at_present(self) -> TemplateSet:
        if self._current is None:
            self.refresh()
            return self._at_present()
        return self._current

    def templates(self) -> frozenset[str]:
        """Return the names; raise ``BadInput`` that names the file a template lacks."""
        for folder in self._folders:
            if not folder.is_dir():
                raise BadInput(
                    f"no templates: {folder} is not a folder",
                    fix="make it, or let ROLLOUT_TEMPLATES name another, or none",
                )
        return self._at_present().templates

    def languages(self) -> Sequence[str]:
        """Return the locales that there are texts for; raise ``BadInput`` for unusable ones."""
        return self._at_present().languages.names()

    def render(self, template: str, context: NoticeContext) -> Letter:
        """Render; raise ``BadInput`` that names the file, the line and what is wrong there."""
        templates = self._at_present()
        language = templates.languages.of(context.locale)
        values = _values(context, language)
        values["unsubscribe_url"] = unsubscribe_url = self._unsubscribe(context)
        values["subject"] = subject = _subject(templates, template, language, values)
        return Letter(
            subject=subject,
            text=templates.render(f"{template}/{TEXT}", language, values, fill),
            html=templates.render(f"{template}/{HTML}", language, values, self._inliner.inline),
            unsubscribe_url=unsubscribe_url or None,
            version=templates.version(template, language),
        )

    def short(self, template: str, context: NoticeContext) -> str:
        """Return the few lines that a chat is told; raise ``BadInput`` as ``render`` does."""
        templates = self._at_present()
        language = templates.languages.of(context.locale)
        values = _values(context, language) | {"unsubscribe_url": ""}
        values["subject"] = _subject(templates, template, language, values)
        return templates.render(f"{CHAT}/text.txt", language, values, str.strip)

    def specimen(self, template: str, locale: str) -> Letter:
        """Return the letter to an invented account; raise ``BadInput`` as ``render`` does."""
        return self.render(template, replace(sample_context(), locale=locale))

    def source(self, name: str) -> Source:
        """Return the text of a file that counts now; raise ``NotFound``."""
        sources = self._at_present().sources
        if not (found := sources.of(name)):
            known = ", ".join(sorted(sources.names()))
            raise NotFound(f"there is no text {name!r}", fix=f"there are {known}")
        return found[0]

    def version(self, template: str, locale: str) -> TemplateVersion:
        """Return what letters are made of now; raise ``BadInput`` for an unusable template."""
        templates = self._at_present()
        if template not in templates.templates:
            known = ", ".join(sorted(templates.templates))
            raise NotFound(f"there is no template {template!r} (known: {known})")
        return templates.version(template, templates.languages.of(locale))

    def short_test(self, locale: str) -> str:
        """Return what a chat is told to try it."""
        templates = self._at_present()
        language = templates.languages.of(locale)
        return templates.render(f"{CHAT}/test.txt", language, {}, str.strip)

    def together(self, letters: Sequence[Letter], locale: str) -> Letter:
        """Return one letter that says what several say, and first of all which those are."""
        templates = self._at_present()
        language = templates.languages.of(locale)
        values: dict[str, Any] = {
            "letters": letters,
            "locale": locale,
            "language": language.tag,
            "direction": language.direction,
        }
        subject_file, text_file, html_file = SEVERAL
        subject = templates.render(subject_file, language, values, str.strip)
        values["subject"] = one_line(subject, _SUBJECT_LIMIT, keep=ISOLATES)
        return together(
            letters,
            subject=values["subject"],
            text=templates.render(text_file, language, values, fill),
            html=templates.render(html_file, language, values, self._inliner.inline),
        )

    def brief(self, brief: Brief) -> str:
        """Return the page of a brief as HTML; raise ``BadInput`` as ``render`` does."""
        templates, standing = self._at_present(), brief.standing
        language = templates.languages.of(brief.context.locale)
        values = _values(brief.context, language) | {
            "state": standing.state,
            "stopped": standing.state == "cut",
            "stopped_at": standing.stopped_at or standing.deadline,
            "acknowledged_at": standing.acknowledged_at,
            "reply_to": one_line(brief.reply_to, _SUBJECT_LIMIT),
        }
        title = templates.render(f"{BRIEF}/title.txt", language, values, str.strip)
        values["subject"] = one_line(title, _SUBJECT_LIMIT, keep=ISOLATES)
        return templates.render(f"{BRIEF}/page.html", language, values, str)

    def describe(self, date: AccountDate) -> tuple[str, str]:
        """Return title and text of a date in a calendar; raise ``BadInput`` as ``render`` does."""
        templates = self._at_present()
        language = templates.languages.of(date.locale)
        values = _values(date, language)
        title, text = (
            templates.render(f"{CALENDAR}/{part}", language, values, str.strip)
            for part in ("title.txt", "text.txt")
        )
        return one_line(title, _SUBJECT_LIMIT, keep=ISOLATES), text

    def name(self, calendar: AccountCalendar) -> str:
        """Return what a calendar is called."""
        templates = self._at_present()
        language = templates.languages.of(calendar.locale)
        values = _values(replace(calendar, dates=()), language)
        name = templates.render(f"{CALENDAR}/name.txt", language, values, str.strip)
        return one_line(name, _SUBJECT_LIMIT, keep=ISOLATES)

    def _unsubscribe(self, context: NoticeContext) -> str:
        """Return the link; empty where the message is required, or there are no links."""
        if context.required or self._unsubscribe_url is None:
            return ""
        return self._unsubscribe_url(context.contact_id)


def _subject(
    templates: TemplateSet, template: str, language: Language, values: dict[str, Any]
) -> str:
    subject = templates.render(f"{template}/{SUBJECT}", language, values, str.strip)
    if len(subject.splitlines()) != 1:
        raise BadInput(f"{template}/{SUBJECT}: a subject is one line of text, not {subject!r}")
    return one_line(subject, _SUBJECT_LIMIT, keep=ISOLATES)


def _values(
    context: NoticeContext | AccountDate | AccountCalendar, language: Language
) -> dict[str, Any]:
    """Return what a template may name: tamed, and in the reader's language."""
    values = tamed(context, rtl=language.direction == "rtl")
    if isinstance(context, NoticeContext):
        values["stopped"] = context.deadline <= context.now
    for name in ("title", "replacement_title"):
        if values.get(name):
            values[name] = language.texts.gettext(values[name])
    return values | {"language": language.tag, "direction": language.direction}
