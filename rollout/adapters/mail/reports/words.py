"""What a server's words and codes say about an address. In doubt, it lives.

Only a dead address stops later mail to it for good, so two things must agree: a failure for good,
and words or a code that say that the address or its domain does not exist.
"""

from __future__ import annotations

import re

# RFC 3463, section 3.2, and RFC 7505: bad mailbox, bad system, bad syntax, moved, no mail domain.
_DEAD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
_ADDRESS_CODE = "5.1.0"  # something about the address, says the code; the words say what

_ONE = r"(?:user|recipient|mailbox|account|address|e-?mail address|e-?mail account|local part)"
_DEAD_WORDS = re.compile(
    rf"\b(?:no such|unknown|invalid|non-?existent) (?:{_ONE}|domain)\b"
    rf"|\b{_ONE}(?: \S{{1,100}})? (?:is |was )?(?:unknown|invalid|not found|not known)\b"
    rf"|\b{_ONE}(?: \S{{1,100}})? (?:does not|doesn['’]t|did not) exist\b"
    r"|\baccount that you tried to reach does not exist\b"
    r"|\bno (?:mailbox|user|account) here by that name\b"
    r"|\b(?:domain|host)(?: name)? (?:not found|does not exist|doesn['’]t exist)\b"
    r"|\bcouldn['’]t find any host named\b"
    r"|\baddress couldn['’]t be found\b"
    r"|\bdoesn['’]t have an? \S{1,100} account\b",
    re.IGNORECASE,
)
_REJECTED = re.compile(r"\brecipient (?:address )?rejected\b", re.IGNORECASE)
# Words of a server that refuses this message, or any message for now: the mailbox is there.
_ALIVE_WORDS = re.compile(
    r"\b(?:full|quota|over ?quota|spam\w*|policy|block(?:ed|list\w*)|blacklist\w*|denied|"
    r"restrict\w*|rate|too (?:large|big|many|busy)|size|disabled|suspended|inactive|reputation|"
    r"dmarc|spf|dkim|authenticat\w+|relay\w*|sender|virus|content)\b",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://\S{1,500}")
_ENHANCED = re.compile(r"(?:\b[245]\d\d[ -]#?|#)([245]\.\d{1,3}\.\d{1,3})\b")
_REPLY = re.compile(r"(?<![\d.])([245])\d\d[ -]")


def enhanced_code(words: str) -> str | None:
    """Return the first enhanced status code behind an SMTP reply code: ``550 5.1.1`` (RFC 3463)."""
    found = _ENHANCED.search(words)
    return found.group(1) if found else None


def reply_class(words: str) -> str | None:
    """Return the class, 2, 4 or 5, of the first SMTP reply code."""
    found = _REPLY.search(words)
    return found.group(1) if found else None


def says_dead(status: str | None, words: str) -> bool:
    """Say whether a failure for good is one of the address: by its code, its words, or both."""
    plain = " ".join(_URL.sub(" ", words).split())
    if _ALIVE_WORDS.search(plain):
        return False
    if status == _ADDRESS_CODE and _REJECTED.search(plain):
        return True
    return status in _DEAD_CODES or _DEAD_WORDS.search(plain) is not None
