"""Pages for readers who have no sign-in: plain HTML in their own language, nothing else fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.languages import SOURCE, Language, Languages
from rollout.adapters.mail.sources import Sources, Texts, layers
from rollout.adapters.mail.texts import install_texts
from rollout.adapters.resources import templates_dir
from rollout.domain.errors import BadInput, Unavailable

MOST_SENT = 10_000  # bytes of a form; a mail program sends about 200
MOST_ASKED = 20  # languages that are looked at
# Of a language, a script and a place, no more: of these there are not so many that they need to be
# forgotten.
_RANGE = re.compile(
    r"\s*(?P<tag>[a-z]{2,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|[0-9]{3}))?)"
    r"\s*(?:;\s*q\s*=\s*(?P<quality>[01](?:\.[0-9]{0,3})?)\s*)?",
    re.IGNORECASE | re.ASCII,
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address of the page is all that it takes to act
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Pages:
    """Renders the pages of ``templates/web`` with the texts of the notices' catalogues."""

    def __init__(self, texts: Texts) -> None:
        """Take the texts of the notices, in all their languages."""
        self._texts = texts
        self._current = _PageSet(Texts(layers(templates_dir() / "notices", None, None)).now())

    def refresh(self) -> None:
        """Take up what has changed in the texts since, unless that cannot be had."""
        with suppress(BadInput, Unavailable):
            sources = self._texts.now()
            if sources is not self._current.sources:
                self._current = _PageSet(sources)

    def page(
        self, name: str, *, locale: str = SOURCE, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page in the language of a locale."""
        return HTMLResponse(self._current.render(name, locale, values), status, HEADERS)

    def nowhere(self, request: Request) -> HTMLResponse:
        """Return what a wrong link leads to, whatever is wrong with it."""
        return self.page("nowhere.html", locale=self._asked(request), status=404)

    def later(self, request: Request) -> HTMLResponse:
        """Return what is said while nothing works; why is nobody's business out there."""
        answer = self.page("later.html", locale=self._asked(request), status=503)
        answer.headers["Retry-After"] = "60"
        return answer

    def _asked(self, request: Request) -> str:
        """Choose what the browser asks for: of whose the link is, nobody knows."""
        wanted = accepted_locales(request.headers.get("accept-language", ""))
        return next(filter(self._current.speaks, wanted), SOURCE)


class _PageSet:
    """The pages in the languages of one moment."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._languages = Languages(sources)
        self._loader = FileSystemLoader(templates_dir() / "web")
        self._environments: dict[str, Environment] = {}  # by the tag of their language

    def speaks(self, locale: str) -> bool:
        """Say whether there are texts in the language of a locale, and of use."""
        try:
            tag = self._languages.of(locale).tag
        except BadInput:  # a catalogue of the operator's own
            return False
        return tag.partition("-")[0] == locale.partition("_")[0]

    def render(self, name: str, locale: str, values: Mapping[str, Any]) -> str:
        language = self._languages.of(locale)
        template = self._environment(language).get_template(name)
        return template.render(language=language.tag, direction=language.direction, **values)

    def _environment(self, language: Language) -> Environment:
        if language.tag not in self._environments:
            self._environments[language.tag] = self._make_environment(language)
        return self._environments[language.tag]

    def _make_environment(self, language: Language) -> Environment:
        environment = Environment(
            loader=self._loader,
            undefined=StrictUndefined,
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        environment.policies["ext.i18n.trimmed"] = True
        install_texts(environment, language.texts)
        return environment


def accepted_locales(header: str) -> list[str]:
    """Return the locales of ``Accept-Language``, the most wanted first (RFC 9110, section 12.5.4).

    What is no locale, or not wanted, is left out.
    """
    wanted: list[tuple[float, int, str]] = []
    for part in header.split(",", MOST_ASKED)[:MOST_ASKED]:
        asked = _RANGE.fullmatch(part)
        locale = asked and canonical_locale(asked["tag"])
        quality = float((asked and asked["quality"]) or 1)
        if locale and quality > 0:
            wanted.append((-quality, len(wanted), locale))
    return [locale for *_, locale in sorted(wanted)]


async def read_form(request: Request) -> Mapping[str, Sequence[str]]:
    """Return the fields of a form; none where it is too long, or no such form."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_SENT:
            return {}
    return parse_qs(body.decode("latin-1"))
