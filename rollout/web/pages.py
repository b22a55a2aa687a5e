"""Pages for readers who have no sign-in: plain HTML in their own language, nothing else fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from rollout.adapters.mail.languages import SOURCE, Language, Languages
from rollout.adapters.mail.sources import Sources, Texts
from rollout.adapters.mail.texts import install_texts
from rollout.adapters.resources import templates_dir

MOST_SENT = 10_000  # bytes of a form; a mail program sends about 200
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",  # the address of the page is all that it takes to act
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class Trouble(NamedTuple):
    """What a page says instead."""

    title: str
    detail: str


NO_LINK = Trouble(
    "This link leads nowhere",
    "It may have been cut off on its way, have ended, or come from a test message."
    " Please copy the whole link from the message.",
)
TRY_AGAIN = Trouble(
    "That did not work",
    "Please try again in a few minutes. It does no harm if it was done after all.",
)


class Pages:
    """Renders the pages of ``templates/web`` with the texts of the notices' catalogues."""

    def __init__(self, texts: Texts) -> None:
        """Take the texts of the notices, in all their languages."""
        self._texts = texts
        self._current = _PageSet(Sources(()))

    def refresh(self) -> None:
        """Take up what has changed in the texts since, unless the database is away."""
        sources = self._texts.at_hand()
        if sources is not self._current.sources:
            self._current = _PageSet(sources)

    def page(
        self, name: str, *, locale: str = SOURCE, status: int = 200, **values: Any
    ) -> HTMLResponse:
        """Return a page in the language of a locale."""
        return HTMLResponse(self._current.render(name, locale, values), status, HEADERS)

    def nowhere(self) -> HTMLResponse:
        """Return what a wrong link leads to, whatever is wrong with it."""
        return self.page("problem.html", status=404, problem=NO_LINK)

    def later(self) -> HTMLResponse:
        """Return what is said while nothing works; why is nobody's business out there."""
        answer = self.page("problem.html", status=503, problem=TRY_AGAIN)
        answer.headers["Retry-After"] = "60"
        return answer


class _PageSet:
    """The pages in the languages of one moment."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._languages = Languages(sources)
        self._loader = FileSystemLoader(templates_dir() / "web")
        self._environments: dict[str, Environment] = {}  # by the tag of their language

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


async def read_form(request: Request) -> Mapping[str, Sequence[str]]:
    """Return the fields of a form; none where it is too long, or no such form."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_SENT:
            return {}
    return parse_qs(body.decode("latin-1"))
