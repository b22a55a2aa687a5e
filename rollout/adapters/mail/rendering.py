"""Renders notices with Jinja: strict about names, deaf to what hostile values try."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
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

from rollout.adapters.mail.filters import FILTERS
from rollout.adapters.mail.layout import fill
from rollout.adapters.mail.one_line import one_line
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext
from rollout.services.ports import Letter

SUBJECT, TEXT, HTML = PARTS = ("subject.txt", "body.txt", "body.html")

# The subject is rendered first; the bodies may name it, so that all three state the same fact.
NAMES = frozenset(field.name for field in fields(NoticeContext)) | {"subject"}

_SUBJECT_LIMIT = 300
_LIMIT = 120
_LIMITS = {
    "account_name": 80,
    "title": 80,
    "replacement_title": 80,
    "reason": 1000,
    "replacement_url": 2000,
    "guide_url": 2000,
}


class TemplateRenderer:
    """Renders the templates of a folder: one folder each, with the three ``PARTS`` in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = ImmutableSandboxedEnvironment(
            loader=_StrictLoader(folder),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        self._inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)

    def templates(self) -> frozenset[str]:
        """Return the names; raise ``BadInput`` that names the file a template lacks."""
        if not self._folder.is_dir():
            raise BadInput(f"no templates: {self._folder} is not a folder")
        names = {
            entry.name
            for entry in self._folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(("_", "."))
        }
        for name in sorted(names):
            for part in PARTS:
                if not (self._folder / name / part).is_file():
                    raise BadInput(
                        f"template {name!r} has no {part}",
                        fix=f"write {self._folder / name / part}, or remove the folder",
                    )
        return frozenset(names)

    def render(self, template: str, context: NoticeContext) -> Letter:
        """Render; raise ``BadInput`` that names the file, the line and what is wrong there."""
        values = dict(_tamed(context))
        subject = self._render(f"{template}/{SUBJECT}", values, str.strip)
        if len(subject.splitlines()) != 1:
            raise BadInput(f"{template}/{SUBJECT}: a subject is one line of text, not {subject!r}")
        values["subject"] = one_line(subject, _SUBJECT_LIMIT)
        return Letter(
            subject=values["subject"],
            text=self._render(f"{template}/{TEXT}", values, fill),
            html=self._render(f"{template}/{HTML}", values, self._inliner.inline),
        )

    def _render(self, name: str, values: dict[str, Any], finish: Callable[[str], str]) -> str:
        try:
            return finish(self._environment.get_template(name).render(values))
        except Exception as error:  # whatever goes wrong in there, the template's author must know
            raise BadInput(
                f"{self._where(error, name)}: {getattr(error, 'message', None) or error}",
                fix=f"names: {', '.join(sorted(NAMES))}; filters of ours: {', '.join(FILTERS)}",
            ) from error

    def _where(self, error: Exception, name: str) -> str:
        """Return file and line of the innermost template that the error came through."""
        if isinstance(error, TemplateSyntaxError):
            return f"{error.name}, line {error.lineno}"
        where = name
        for frame, line in traceback.walk_tb(error.__traceback__):
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(self._folder):
                where = f"{path.relative_to(self._folder)}, line {line}"
        return where


class _StrictLoader(FileSystemLoader):
    """Refuses a template that uses an unknown name, even in a branch that is not taken today."""

    def load(
        self,
        environment: Environment,
        name: str,
        globals: Any = None,  # noqa: A002 - Jinja's name
    ) -> Template:
        template = super().load(environment, name, globals)
        source, filename, _ = self.get_source(environment, name)
        tree = environment.parse(source, name, filename)
        known = NAMES | environment.globals.keys() | set(_made_in(tree))
        unknown = find_undeclared_variables(tree) - known
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                raise TemplateSyntaxError(f"unknown name {node.name!r}", node.lineno, name)
        return template


def _made_in(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that a template gives to something itself."""
    for name in tree.find_all(nodes.Name):
        if name.ctx == "store":
            yield name.name
    for macro in tree.find_all(nodes.Macro):
        yield macro.name


def _tamed(record: Any) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a dataclass with every text in them made one short, printable line."""
    for field in fields(record):
        yield field.name, _tame(getattr(record, field.name), _LIMITS.get(field.name, _LIMIT))


def _tame(value: Any, limit: int) -> Any:
    if isinstance(value, str):
        return one_line(value, limit)
    if isinstance(value, tuple):
        return tuple(_tame(item, limit) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**dict(_tamed(value)))
    return value
