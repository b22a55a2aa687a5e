"""Puts several letters into one: a list of them, then each as it is by itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rollout.services.ports import Letter

# Mail programs cut a message off at about 100 KB, and a text with a dozen letters is not read: of
# the later ones, the list says what they say. Their subjects name account, keys and date.
WHOLE = 5

_RULE = "\n\n" + "=" * 72 + "\n\n"
_BODY = re.compile(r"<body\b[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
_MAIN = re.compile(r"<(/?)main\b", re.IGNORECASE)
_END = re.compile(r"(?=</body>)", re.IGNORECASE)


def together(letters: Sequence[Letter], *, subject: str, text: str, html: str) -> Letter:
    """Return a letter of a list, which ``text`` and ``html`` are, and the first few letters."""
    whole = letters[:WHOLE]
    bodies = "\n".join(_body(letter.html) for letter in whole)
    return Letter(
        subject=subject,
        text=_RULE.join([text.rstrip("\n"), *(letter.text for letter in whole)]),
        html=_END.sub(lambda _: bodies, html, count=1),
        unsubscribe_url=_unsubscribe_url(letters),
    )


def _unsubscribe_url(letters: Sequence[Letter]) -> str | None:
    """Return a link that stands for all, as they go to one address; none if one is required."""
    links = [letter.unsubscribe_url for letter in letters]
    return None if None in links else links[0]


def _body(html: str) -> str:
    found = _BODY.search(html)
    body = found.group(1) if found else html
    return _MAIN.sub(r"<\1section", body)  # a document has one main part, and this is several
