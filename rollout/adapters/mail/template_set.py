"""The templates at one moment: strict about names, deaf to what hostile values try."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any

from jinja2 import (
    BaseLoader,
    Environment,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    nodes,
)
from jinja2.meta import find_referenced_templates, find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rollout.adapters.mail.filters import make_filters
from rollout.adapters.mail.languages import CATALOGUES, Language, Languages, catalogue_name
from rollout.adapters.mail.sources import Sources
from rollout.adapters.mail.texts import Translator, install_texts
from rollout.domain.account_calendar import AccountDate
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext
from rollout.services.ports import Source, TemplateVersion

SUBJECT, TEXT, HTML = PARTS = ("subject.txt", "body.txt", "body.html")
# The frame of a letter that says what several say.
SEVERAL = ("_base/several.subject.txt", "_base/several.txt", "_base/several.html")

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


WITH_TEXTS = "jinja2.ext.i18n"
_PARSER = Environment(extensions=[WITH_TEXTS], autoescape=True)
_NAME = re.compile(r"_?[a-z0-9][a-z0-9-]*")
_PARTS = {
    BRIEF: ("title.txt", "page.html"),
    CALENDAR: ("name.txt", "title.txt", "text.txt"),
    CHAT: ("text.txt", "test.txt"),
}


def require_name(name: str) -> None:
    """Raise ``BadInput`` for what no template would ever read."""
    folder, _, part = name.partition("/")
    if folder == CATALOGUES:
        fine = bool(re.fullmatch(r"[A-Za-z_]+\.po", part))
    elif folder == "_base":
        fine = bool(re.fullmatch(r"[a-z0-9._-]+\.(txt|html)", part))
    else:
        fine = bool(_NAME.fullmatch(folder)) and part in _PARTS.get(folder, PARTS)
    if not fine:
        raise BadInput(
            f"{name!r} is no text of a template",
            fix="write reminder/subject.txt, reminder/body.html, _base/body.txt, _locale/de.po, …",
        )


class TemplateSet:
    """Renders what the sources say: a folder for each template, with the three ``PARTS`` in it."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.languages = Languages(sources)
        self._filters = make_filters(self.languages)
        self._environments: dict[str, Environment] = {}  # by the tag of their language
        self._compiled: set[tuple[str, str]] = set()
        self._one_at_a_time = threading.RLock()
        self._versions: dict[tuple[str, str], TemplateVersion] = {}

    @cached_property
    def templates(self) -> frozenset[str]:
        """The names; raises ``BadInput`` that names the file a template lacks."""
        names = self.sources.names()
        templates = {name.partition("/")[0] for name in names if not name.startswith(("_", "."))}
        for template in sorted(templates):
            for part in PARTS:
                if f"{template}/{part}" not in names:
                    raise BadInput(
                        f"template {template!r} has no {part}",
                        fix=f"write {template}/{part}, or remove the template",
                    )
        return frozenset(templates)

    def render(
        self,
        name: str,
        language: Language,
        values: Mapping[str, Any],
        finish: Callable[[str], str],
    ) -> str:
        """Render one file; raise ``BadInput`` that names file, line and what is wrong there."""
        try:
            with self._compiling(name, language):
                return finish(self._environment(language).get_template(name).render(values))
        except Exception as error:  # whatever goes wrong in there, the template's author must know
            names, filters = ", ".join(sorted(_names(name))), ", ".join(self._filters)
            raise BadInput(
                f"{self._where(error, name)}: {getattr(error, 'message', None) or error}",
                fix=f"names: {names}; filters of ours: {filters}",
            ) from error

    @contextmanager
    def _compiling(self, name: str, language: Language) -> Iterator[None]:
        """Let threads wait where a file is rendered for the first time, with what it includes."""
        if (name, language.tag) in self._compiled:
            yield
            return
        with self._one_at_a_time:
            yield
        self._compiled.add((name, language.tag))

    def version(self, template: str, language: Language) -> TemplateVersion:
        """Return what the letters of a template are made of in a language."""
        known = (template, language.tag)
        if known not in self._versions:
            self._versions[known] = self._version(template, language)
        return self._versions[known]

    def _version(self, template: str, language: Language) -> TemplateVersion:
        names = self._needed([*(f"{template}/{part}" for part in PARTS), *SEVERAL])
        sources = {name: self.sources.of(name)[:1] for name in sorted(names)}
        for locale in language.catalogues:
            name = catalogue_name(locale)
            sources[name] = self.sources.of(name)
        return TemplateVersion(template, language.tag, sources, _digest(sources))

    def _needed(self, names: Sequence[str]) -> set[str]:
        """Return some files and all that they extend, include or import."""
        found, waiting = set[str](), list(names)
        while waiting:
            name = waiting.pop()
            if name in found or not (sources := self.sources.of(name)):
                continue
            found.add(name)
            for wanted in _references(sources[0].text):
                # One whose name is made up while it is rendered may be any.
                waiting += self.sources.names() if wanted is None else [wanted]
        return found

    def _environment(self, language: Language) -> Environment:
        if language.tag not in self._environments:
            self._environments[language.tag] = self._make_environment(language)
        return self._environments[language.tag]

    def _make_environment(self, language: Language) -> Environment:
        environment = ImmutableSandboxedEnvironment(
            loader=_StrictLoader(self.sources, Translator(language.texts)),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[WITH_TEXTS],
        )
        environment.policies["ext.i18n.trimmed"] = True
        environment.filters.update(self._filters)
        install_texts(environment, language.texts)
        return environment

    def _where(self, error: Exception, name: str) -> str:
        """Return file and line of the innermost template that the error came through."""
        if isinstance(error, TemplateSyntaxError):
            return f"{error.name}, line {error.lineno}"
        where, names = name, self.sources.names()
        for frame, line in traceback.walk_tb(error.__traceback__):
            if frame.f_code.co_filename in names:
                where = f"{frame.f_code.co_filename}, line {line}"
        return where


@lru_cache(maxsize=4)
def template_set(sources: Sources) -> TemplateSet:
    """Return what is compiled of these texts: all who read the same texts share it."""
    return TemplateSet(sources)


@lru_cache(maxsize=1000)
def _references(source: str) -> tuple[str | None, ...]:
    """Return what a file extends, includes or imports; None: a name made up while it is rendered.

    Of one that is no template, nothing: that is said where it is rendered.
    """
    try:
        return tuple(find_referenced_templates(_PARSER.parse(source)))
    except TemplateSyntaxError:
        return ()


def _digest(sources: Mapping[str, Sequence[Source]]) -> bytes:
    digest = sha256()
    for name, texts in sources.items():
        for said in (name, *(source.text for source in texts)):
            data = said.encode()
            digest.update(b"%d:%b" % (len(data), data))
    return digest.digest()


def _names(template: str) -> frozenset[str]:
    folder = template.partition("/")[0]
    return {CALENDAR: DATE_NAMES, BRIEF: BRIEF_NAMES}.get(folder, NAMES)


class _StrictLoader(BaseLoader):
    """Loads a template in a language.

    It refuses one that uses an unknown name, even in a branch that is not taken today.
    """

    def __init__(self, sources: Sources, translator: Translator) -> None:
        self._sources = sources
        self._translator = translator

    def load(
        self,
        environment: Environment,
        name: str,
        globals: Any = None,  # noqa: A002 - Jinja's name
    ) -> Template:
        sources = self._sources.of(name)
        if not sources:
            raise TemplateNotFound(name)
        tree = self._translator.visit(environment.parse(sources[0].text, name, name))
        code = environment.compile(tree.set_environment(environment), name, name)
        known = _names(name) | environment.globals.keys() | set(_made_in(tree))
        unknown = find_undeclared_variables(tree) - known
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                raise TemplateSyntaxError(f"unknown name {node.name!r}", node.lineno, name)
        return environment.template_class.from_code(environment, code, globals or {})


def _made_in(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that a template gives to something itself."""
    for name in tree.find_all(nodes.Name):
        if name.ctx == "store":
            yield name.name
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
