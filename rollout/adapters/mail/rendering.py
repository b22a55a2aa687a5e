"""Renders notices with Jinja: strict about names, deaf to what hostile values try."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import css_inline
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    nodes,
)
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rollout.adapters.mail.filters import make_filters
from rollout.adapters.mail.languages import Language, Languages
from rollout.adapters.mail.layout import fill
from rollout.adapters.mail.one_line import one_line
from rollout.adapters.mail.several import together
from rollout.adapters.mail.taming import ISOLATES, tamed
from rollout.adapters.mail.texts import Translator, install_texts
from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext
from rollout.domain.notices.brief import Brief
from rollout.services.ports import Letter

SUBJECT, TEXT, HTML = PARTS = ("subject.txt", "body.txt", "body.html")

# The subject is rendered first; the bodies may name it, so that all three state the same fact.
NAMES = frozenset(field.name for field in fields(NoticeContext)) | {
    *("subject", "language", "direction", "letters", "unsubscribe_url", "stopped")
}
# The page behind the link of a message.
BRIEF = "_brief"
BRIEF_NAMES = NAMES | {"state", "stopped_at", "acknowledged_at", "reply_to"}
# What calendars say of a date is worded like notices, and by the same catalogues.
CALENDAR = "_calendar"
CHAT = "_chat"
DATE_NAMES = frozenset(field.name for field in fields(AccountDate)) | {"language", "direction"}

_SUBJECT_LIMIT = 300


class TemplateRenderer:
    """Renders the templates of a folder: one folder each, with the three ``PARTS`` in it.

    A file in the operator's ``overrides`` goes before the shipped one of the same name; so does a
    text of a catalogue in its ``_locale``.
    """

    def __init__(
        self,
        folder: Path,
        overrides: Path | None = None,
        unsubscribe_url: Callable[[int], str] | None = None,
    ) -> None:
        """Take folders, and what makes the link by which a contact switches optional mail off."""
        self._unsubscribe_url = unsubscribe_url
        self._folders = (folder,) if overrides is None else (overrides, folder)
        self._languages = Languages(self._folders)
        self._filters = make_filters(self._languages)
        self._environments: dict[str, Environment] = {}  # by the tag of their language
        self._inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def templates(self) -> frozenset[str]:
        """Return the names; raise ``BadInput`` that names the file a template lacks."""
        for folder in self._folders:
            if not folder.is_dir():
                raise BadInput(
                    f"no templates: {folder} is not a folder",
                    fix="make it, or let ROLLOUT_TEMPLATES name another, or none",
                )
        names = {
            entry.name: entry
            for folder in reversed(self._folders)
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(("_", "."))
        }
        for name, entry in sorted(names.items()):
            for part in PARTS:
                if not any((folder / name / part).is_file() for folder in self._folders):
                    raise BadInput(
                        f"template {name!r} has no {part}",
                        fix=f"write {entry / part}, or remove the folder",
                    )
        return frozenset(names)

    def languages(self) -> Sequence[str]:
        """Return the locales that there are texts for; raise ``BadInput`` for unusable ones."""
        return self._languages.names()

    def render(self, template: str, context: NoticeContext) -> Letter:
        """Render; raise ``BadInput`` that names the file, the line and what is wrong there."""
        language = self._languages.of(context.locale)
        values = _values(context, language)
        values["unsubscribe_url"] = unsubscribe_url = self._unsubscribe(context)
        values["subject"] = subject = self._subject(template, language, values)
        return Letter(
            subject=subject,
            text=self._render(f"{template}/{TEXT}", language, values, fill),
            html=self._render(f"{template}/{HTML}", language, values, self._inliner.inline),
            unsubscribe_url=unsubscribe_url or None,
        )

    def short(self, template: str, context: NoticeContext) -> str:
        """Return the few lines that a chat is told; raise ``BadInput`` as ``render`` does."""
        language = self._languages.of(context.locale)
        values = _values(context, language) | {"unsubscribe_url": ""}
        values["subject"] = self._subject(template, language, values)
        return self._render(f"{CHAT}/text.txt", language, values, str.strip)

    def short_test(self, locale: str) -> str:
        """Return what a chat is told to try it."""
        return self._render(f"{CHAT}/test.txt", self._languages.of(locale), {}, str.strip)

    def together(self, letters: Sequence[Letter], locale: str) -> Letter:
        """Return one letter that says what several say, and first of all which those are."""
        language = self._languages.of(locale)
        values: dict[str, Any] = {
            "letters": letters,
            "locale": locale,
            "language": language.tag,
            "direction": language.direction,
        }
        subject = self._render("_base/several.subject.txt", language, values, str.strip)
        values["subject"] = one_line(subject, _SUBJECT_LIMIT, keep=ISOLATES)
        return together(
            letters,
            subject=values["subject"],
            text=self._render("_base/several.txt", language, values, fill),
            html=self._render("_base/several.html", language, values, self._inliner.inline),
        )

    def brief(self, brief: Brief) -> str:
        """Return the page of a brief as HTML; raise ``BadInput`` as ``render`` does."""
        language, standing = self._languages.of(brief.context.locale), brief.standing
        values = _values(brief.context, language) | {
            "state": standing.state,
            "stopped": standing.state == "cut",
            "stopped_at": standing.stopped_at or standing.deadline,
            "acknowledged_at": standing.acknowledged_at,
            "reply_to": one_line(brief.reply_to, _SUBJECT_LIMIT),
        }
        title = self._render(f"{BRIEF}/title.txt", language, values, str.strip)
        values["subject"] = one_line(title, _SUBJECT_LIMIT, keep=ISOLATES)
        return self._render(f"{BRIEF}/page.html", language, values, str)

    def describe(self, date: AccountDate) -> tuple[str, str]:
        """Return title and text of a date in a calendar; raise ``BadInput`` as ``render`` does."""
        language = self._languages.of(date.locale)
        values = _values(date, language)
        title, text = (
            self._render(f"{CALENDAR}/{part}", language, values, str.strip)
            for part in ("title.txt", "text.txt")
        )
        return one_line(title, _SUBJECT_LIMIT, keep=ISOLATES), text

    def name(self, calendar: AccountCalendar) -> str:
        """Return what a calendar is called."""
        language = self._languages.of(calendar.locale)
        values = _values(replace(calendar, dates=()), language)
        name = self._render(f"{CALENDAR}/name.txt", language, values, str.strip)
        return one_line(name, _SUBJECT_LIMIT, keep=ISOLATES)

    def _subject(self, template: str, language: Language, values: dict[str, Any]) -> str:
        subject = self._render(f"{template}/{SUBJECT}", language, values, str.strip)
        if len(subject.splitlines()) != 1:
            raise BadInput(f"{template}/{SUBJECT}: a subject is one line of text, not {subject!r}")
        return one_line(subject, _SUBJECT_LIMIT, keep=ISOLATES)

    def _unsubscribe(self, context: NoticeContext) -> str:
        """Return the link; empty where the message is required, or there are no links."""
        if context.required or self._unsubscribe_url is None:
            return ""
        return self._unsubscribe_url(context.contact_id)

    def _render(
        self,
        name: str,
        language: Language,
        values: dict[str, Any],
        finish: Callable[[str], str],
    ) -> str:
        try:
            return finish(self._environment(language).get_template(name).render(values))
        except Exception as error:  # whatever goes wrong in there, the template's author must know
            names, filters = ", ".join(sorted(_names(name))), ", ".join(self._filters)
            raise BadInput(
                f"{self._where(error, name)}: {getattr(error, 'message', None) or error}",
                fix=f"names: {names}; filters of ours: {filters}",
            ) from error

    def _environment(self, language: Language) -> Environment:
        if language.tag not in self._environments:
            self._environments[language.tag] = self._make_environment(language)
        return self._environments[language.tag]

    def _make_environment(self, language: Language) -> Environment:
        environment = ImmutableSandboxedEnvironment(
            loader=_StrictLoader(self._folders, Translator(language.texts)),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.filters.update(self._filters)
        install_texts(environment, language.texts)
        return environment

    def _where(self, error: Exception, name: str) -> str:
        """Return file and line of the innermost template that the error came through."""
        if isinstance(error, TemplateSyntaxError):
            return f"{error.name}, line {error.lineno}"
        where = name
        for frame, line in traceback.walk_tb(error.__traceback__):
            path = Path(frame.f_code.co_filename)
            for folder in self._folders:
                if path.is_relative_to(folder):
                    where = f"{path.relative_to(folder)}, line {line}"
        return where


def _names(template: str) -> frozenset[str]:
    folder = template.partition("/")[0]
    return {CALENDAR: DATE_NAMES, BRIEF: BRIEF_NAMES}.get(folder, NAMES)


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


class _StrictLoader(FileSystemLoader):
    """Loads a template in a language.

    It refuses one that uses an unknown name, even in a branch that is not taken today.
    """

    def __init__(self, folders: Sequence[Path], translator: Translator) -> None:
        super().__init__(folders)
        self._translator = translator

    def load(
        self,
        environment: Environment,
        name: str,
        globals: Any = None,  # noqa: A002 - Jinja's name
    ) -> Template:
        source, filename, up_to_date = self.get_source(environment, name)
        tree = self._translator.visit(environment.parse(source, name, filename))
        code = environment.compile(tree.set_environment(environment), name, filename)
        known = _names(name) | environment.globals.keys() | set(_made_in(tree))
        unknown = find_undeclared_variables(tree) - known
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                raise TemplateSyntaxError(f"unknown name {node.name!r}", node.lineno, name)
        return environment.template_class.from_code(environment, code, globals or {}, up_to_date)


def _made_in(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that a template gives to something itself."""
    for name in tree.find_all(nodes.Name):
        if name.ctx == "store":
            yield name.name
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
