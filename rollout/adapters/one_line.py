"""Makes foreign text fit to be shown: names, user agents and a server's words are hostile."""

from __future__ import annotations

ELLIPSIS = "…"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Not printable by themselves, but Persian, Indic scripts and emoji are spelt with them.
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def one_line(text: str, limit: int, keep: str = "") -> str:
    """Return the text as one printable line of at most ``limit`` characters.

    Runs of white space, line breaks included, become one space; control characters, escape
    sequences and direction overrides become U+FFFD, except those to ``keep``; what is too long ends
    in an ellipsis.
    """
    words = " ".join(text[: 4 * limit].split())
    if words.isprintable():
        shown = words
    else:
        kept = _JOINERS + keep
        shown = "".join(c if c.isprintable() or c in kept else REPLACEMENT for c in words)
    return shown if len(shown) <= limit else shown[: limit - 1] + ELLIPSIS
