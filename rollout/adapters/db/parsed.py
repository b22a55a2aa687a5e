"""SQL that is parsed once: what senders run for every few letters would pay for it each time."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import TextClause
from sqlalchemy import text as parse


@lru_cache(maxsize=256)
def text(sql: str) -> TextClause:
    """Return a statement with its ``:names``, as ``sqlalchemy.text`` does."""
    return parse(sql)
