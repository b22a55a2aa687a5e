"""The templates of letters: which there are, and what operators put in their place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from rollout.domain.audit import Fact
from rollout.domain.errors import BadInput, BadRows, NotFound, Refused
from rollout.services.ports import (
    Renderer,
    Source,
    StartUnitOfWork,
    TemplateVersion,
    UnitOfWork,
)

# What a renderer would be if these were the texts in the database, and what is wrong with one.
Trying = Callable[[Mapping[str, str]], Renderer]
Check = Callable[[Renderer], Sequence[str]]

SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    """A template as it is now, and since when letters are written so (None: none was yet)."""

    version: TemplateVersion
    since: datetime | None


class Templates:
    """Shows templates, and changes those in the database."""

    def __init__(
        self, start: StartUnitOfWork, renderer: Renderer, trying: Trying, check: Check
    ) -> None:
        self._start = start
        self._renderer = renderer
        self._trying = trying
        self._check = check

    def now(self, locale: str) -> list[ListedTemplate]:
        """Return all templates in the language for a locale."""
        self._renderer.refresh()
        versions = [
            self._renderer.version(name, locale) for name in sorted(self._renderer.templates())
        ]
        with self._start() as uow:
            since = uow.templates.first_used([version.digest for version in versions])
        return [ListedTemplate(version, since.get(version.digest)) for version in versions]

    def show(self, name: str, locale: str, version: str | None) -> TemplateVersion:
        """Return a template as it is now, or as it was in a version; raise ``NotFound``."""
        if version is None:
            self._renderer.refresh()
            return self._renderer.version(name, locale)
        used = self._used(version)
        if used.template != name:
            raise BadInput(
                f"version {version} is one of {used.template}, not of {name}",
                fix="`rollout notice show` names the version of each notice",
            )
        return used

    def text(self, name: str, version: str | None) -> Source:
        """Return one text as it is now, or as it was in a version; raise ``NotFound``."""
        if version is None:
            self._renderer.refresh()
            return self._renderer.source(name)
        used = self._used(version)
        if not (found := used.sources.get(name)):
            known = ", ".join(used.sources)
            raise NotFound(f"version {version} is not made of {name}, but of {known}")
        return found[0]

    def _used(self, prefix: str) -> TemplateVersion:
        """Return a version that letters were written with, by the first digits of its digest."""
        prefix = prefix.lower()
        if len(prefix) < SHORTEST_PREFIX or set(prefix) - set("0123456789abcdef"):
            raise BadInput(
                f"{prefix!r} is no version",
                fix=f"give at least {SHORTEST_PREFIX} hexadecimal digits of one",
            )
        with self._start() as uow:
            found = uow.templates.used(prefix)
        if len(found) > 1:
            raise BadInput(f"several versions begin with {prefix}", fix="give more of its digits")
        if not found:
            raise NotFound(
                f"no letter was written with a version {prefix}…",
                fix="`rollout notice show` names the version of each notice",
            )
        return found[0].version

    def put(self, texts: Mapping[str, str], *, operator: str, reason: str) -> list[str]:
        """Put texts into the database, before those of the folder and the shipped ones.

        Returns the names of those that are new there. Raises ``BadRows`` where a letter could not
        be written with them, to any invented account, in any language; then nothing was changed.
        """
        with self._start() as uow:
            uow.templates.lock()
            there = uow.templates.texts()
            changed = {name: text for name, text in texts.items() if there.get(name) != text}
            return self._change(uow, there, changed, operator, reason)

    def remove(self, name: str, *, operator: str, reason: str) -> list[str]:
        """Take a text, or all of a folder, out of the database: what lies below counts again.

        Returns the names. Raises ``NotFound`` where none is there, and as ``put`` does.
        """
        with self._start() as uow:
            uow.templates.lock()
            there = uow.templates.texts()
            found = sorted(n for n in there if n == name or n.startswith(f"{name}/"))
            if not found:
                known = ", ".join(sorted(there)) or "none"
                raise NotFound(f"the database has no text of its own for {name} (it has: {known})")
            return self._change(uow, there, dict.fromkeys(found), operator, reason)

    def _change(
        self,
        uow: UnitOfWork,
        there: Mapping[str, str],
        changes: Mapping[str, str | None],
        operator: str,
        reason: str,
    ) -> list[str]:
        if not changes:
            return []
        wanted = {n: text for n, text in {**there, **changes}.items() if text is not None}
        self._require_writable(there, wanted)
        self._require_needed(uow, wanted)
        uow.templates.change(changes)
        uow.audit.append([_fact(n, text, operator, reason) for n, text in changes.items()])
        uow.commit()
        return list(changes)

    def _require_writable(self, there: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        """Refuse what makes something wrong: in the changed texts, or that was right before."""
        problems = self._check(self._trying(wanted))
        changed = [n for n in {*there, *wanted} if there.get(n) != wanted.get(n)]
        new = [problem for problem in problems if any(name in problem for name in changed)]
        if problems and not new:
            before = set(self._check(self._trying(there)))
            new = [problem for problem in problems if problem not in before]
        if new:
            fix = "correct the templates; nothing was changed"
            raise BadRows("letters could not be written so:", new, fix=fix)

    def _require_needed(self, uow: UnitOfWork, wanted: Mapping[str, str]) -> None:
        """Refuse to take away a template that a deprecation names."""
        documents = [uow.plan.deprecation(name) for name in uow.plan.names()]
        needed = {step.template: d.name for d in documents for step in d.reminders}
        for template in needed.keys() - self._trying(wanted).templates():
            raise Refused(
                f"{needed[template]} needs the template {template!r}",
                fix="let its steps name another first: `rollout deprecation apply`",
            )


def _fact(name: str, text: str | None, operator: str, reason: str) -> Fact:
    if text is None:
        return Fact(operator, "template.unset", f"template:{name}", reason)
    data = {"sha256": sha256(text.encode()).hexdigest(), "bytes": len(text.encode())}
    return Fact(operator, "template.set", f"template:{name}", reason, data)
