"""Tells "less mail, please" from other replies that put a letter off.

There is no reply code for it: 421, 450, 451 and 452 are used, with whatever enhanced code. So the
words count; codes alone do only where RFC 3463 says that they are about the whole system. What is
said of one mailbox or one letter (4.2.x, 4.5.3, greylisting) is no word about the others.
"""

from __future__ import annotations

import re

_CODES = frozenset({421, 450, 451, 452, 454})
_ONE_LETTER = re.compile(r"\b4\.(?:2\.\d+|5\.3)\b|gr[ae]y-?list", re.IGNORECASE)
_RATE = re.compile(
    r"throttl|slow(?:ing)? down|too much (?:e-?)?mail|too (?:fast|quickly)|server (?:is )?busy"
    r"|unusual (?:rate|volume)|unexpected volume"
    r"|too (?:many|frequent) (?:concurrent )?"
    r"(?:(?:e-?)?mails?|messages?|connections?|sessions?|deliver\w+|recipients from)"
    r"|(?:sending|message|delivery|connection|hourly|daily) (?:rate|limit|quota)"
    r"|rate[ -]?limit",
    re.IGNORECASE,
)
# "System not accepting network messages", "mail system congestion": RFC 3463, sections 3.4 and 3.5.
_SYSTEM = re.compile(r"\b4\.(?:3\.2|4\.5)\b")
_CLOSING = 421  # which servers also say of themselves, with 4.3.2, when they are shut down


def wants_less(code: int, words: str) -> bool:
    """Say whether a reply asks for less mail, so that other letters had better wait too."""
    if code not in _CODES or _ONE_LETTER.search(words):
        return False
    return bool(_RATE.search(words) or (code != _CLOSING and _SYSTEM.search(words)))
