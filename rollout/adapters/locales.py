"""Locales, as Babel knows them."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError


@lru_cache(maxsize=1000)
def canonical_locale(name: str) -> str | None:
    """Return the one spelling of a locale (``pt-br`` is ``pt_BR``), or None for an unknown one."""
    try:
        return str(Locale.parse(name.replace("-", "_")))
    except (ValueError, UnknownLocaleError):
        return None
