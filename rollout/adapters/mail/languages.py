"""The languages that notices are written in: message catalogues, chosen by a reader's locale.

The templates are English. A catalogue is a ``.po`` file in ``_locale``, named like the locale. It
is read as it is, so there is no compiled file that could be stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from io import BytesIO, StringIO
from pathlib import PurePosixPath

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po

from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.sources import Sources
from rollout.domain.errors import BadInput

CATALOGUES = "_locale"
SOURCE = "en"


def usual(title: str) -> str:
    """Mark a title for the catalogues."""
    return title


# Deprecations name what they retire and what replaces it. These names are common enough to be
# translated; an operator's own catalogue may translate others.
USUAL_TITLES = (usual("API keys"), usual("access tokens"))
# English for the world: the day first, and 24 hours. A reader in the United States has `en_US`.
_FORMATS = {SOURCE: "en_150"}


@dataclass(frozen=True, slots=True)
class Language:
    """How a reader is written to."""

    tag: str  # of the texts, as HTML wants it: de, pt-BR
    direction: str  # ltr or rtl
    formats: Locale  # of dates and numbers
    texts: NullTranslations
    catalogues: tuple[str, ...]  # the locales that the texts are of, the nearest first


class Languages:
    """Finds the language of a reader: ``de_AT``, else ``de``, else English."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self._known: dict[str, Language] = {}

    def of(self, locale: str) -> Language:
        """Return the language for a locale; raise ``BadInput`` for an unusable catalogue."""
        if locale not in self._known:
            self._known[locale] = self._find(locale)
        return self._known[locale]

    def names(self) -> list[str]:
        """Return the locales that there are texts for; raise ``BadInput`` for an unusable file."""
        files = [file for file in map(PurePosixPath, self.sources.names()) if file.suffix == ".po"]
        for file in sorted(files):
            for source in self.sources.of(str(file)):
                read_catalogue(file.stem, source.text)
        return sorted({file.stem for file in files} | {SOURCE})

    def _find(self, locale: str) -> Language:
        locale = canonical_locale(locale) or SOURCE
        texts = NullTranslations()
        catalogues = [n for n in _chain(locale) if self.sources.of(catalogue_name(n))]
        for name in reversed(catalogues):  # the farthest first: the nearest comes on top
            for source in reversed(self.sources.of(catalogue_name(name))):
                above = _read(name, source.text)
                above.add_fallback(texts)
                texts = above
        chosen = catalogues[0] if catalogues else SOURCE
        known = Locale.parse(chosen)
        # An Austrian reads German, with the dates of Austria.
        formats = locale if locale.split("_")[0] == known.language else chosen
        return Language(
            tag=chosen.replace("_", "-"),
            direction=known.text_direction,
            formats=Locale.parse(_FORMATS.get(formats, formats)),
            texts=texts,
            catalogues=tuple(catalogues),
        )


def catalogue_name(locale: str) -> str:
    """Return the name of the file in which the texts of a locale are."""
    return f"{CATALOGUES}/{locale}.po"


def _chain(locale: str) -> Iterator[str]:
    """Yield the locale, then what is left of it without its last part, and so on; then English."""
    parts = locale.split("_")
    for end in range(len(parts), 0, -1):
        yield "_".join(parts[:end])
    if parts[0] != SOURCE:
        yield SOURCE


def _read(locale: str, text: str) -> GNUTranslations:
    catalogue = read_catalogue(locale, text)
    compiled = BytesIO()
    write_mo(compiled, catalogue)  # leaves out what is untranslated or marked as fuzzy
    compiled.seek(0)
    return GNUTranslations(compiled)


def read_catalogue(locale: str, text: str) -> Catalog:
    """Read a ``.po`` file; raise ``BadInput`` that names the file and the line that is wrong."""
    shown = catalogue_name(locale)
    fix = "correct the line, or remove the file: the texts are English then"
    if canonical_locale(locale) != locale:
        raise BadInput(f"{shown} is named like no locale", fix="name it like de.po or pt_BR.po")
    try:
        catalogue = read_po(StringIO(text), Locale.parse(locale), abort_invalid=True)
        for message, errors in catalogue.check():
            raise BadInput(f"{shown}, line {message.lineno}: {errors[0]}", fix=fix)
    except PoFileError as error:
        raise BadInput(f"{shown}, line {error.lineno + 1}: {error}", fix=fix) from error
    except ValueError as error:
        raise BadInput(f"{shown} cannot be read: {error}", fix=fix) from error
    return catalogue
