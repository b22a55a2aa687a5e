"""The three values of usage, and what holds where a deprecation does not say otherwise."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum

USAGE_WINDOW = timedelta(days=30)  # what "in use" means where a deprecation does not say otherwise
USAGE_FRESH = timedelta(days=2)  # how old the newest event may be for silence to be evidence


class Usage(StrEnum):
    """Whether a key is still used. Unknown is never unused (U0)."""

    IN_USE = "in_use"
    UNUSED = "unused"
    UNKNOWN = "unknown"


def most_used(usages: Iterable[Usage]) -> Usage:
    """Return the usage of keys as a whole: in use if any is, unknown before unused."""
    found = set(usages)
    return next((usage for usage in (Usage.IN_USE, Usage.UNKNOWN) if usage in found), Usage.UNUSED)
