"""What may stand as an address in our mails, headers and pages."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST = 300
_SHAPE = re.compile(r"https?://[!-~]+")  # ASCII, and nothing that ends a line or a header
_NEVER = frozenset('<>"\\^`{|}')


def is_web_address(text: str, *, secure: bool = False) -> bool:
    """Say whether a text is an http or https address with a host; only https where ``secure``."""
    try:
        parts = urlsplit(text)
        usable = _SHAPE.fullmatch(text) and parts.hostname and (parts.port or True)
    except ValueError:
        return False
    if not usable or _NEVER & set(text) or len(text) > LONGEST:
        return False
    return not secure or text.startswith("https://")
