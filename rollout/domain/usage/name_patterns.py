"""Patterns that find a name in a user agent: text and wildcards, never a regular expression.

A pattern is text that must stand in the normalised user agent, letter for letter, where words
begin and end: ``Zapier`` is found in ``Zapier-Platform`` but not in ``Zapierian``. ``*`` stands for
any characters of the same word; ``^`` and ``$`` stand for the user agent's beginning and end.
Whatever is written, the search takes time in proportion to the length of what is searched.
"""

from __future__ import annotations

import re

from rollout.domain.usage.user_agents import normalise_user_agent

LONGEST_PATTERN = 100  # characters
MOST_WILDCARDS = 3
LEAST_LETTERS = 3  # or digits: fewer are found everywhere
KEY = 3  # letters of its first word under which a pattern is looked up

_WORD = re.compile("[0-9A-Za-z]+")
_FITTING = re.compile(r"\^?[ -~]*\$?")


def fault_of_pattern(text: str) -> str | None:
    """Say what is wrong with a pattern, and what to write; None where it can be used."""
    body = _body(text)
    first = _WORD.search(body.partition("*")[0])
    cut_off = first is not None and body.startswith("*", first.end()) and len(first.group()) < KEY
    fault = None
    if not (text.isascii() and text.isprintable() and len(text) <= LONGEST_PATTERN):
        fault = f"a pattern has at most {LONGEST_PATTERN} characters, all of them printable ASCII"
    elif "^" in body or "$" in body:
        fault = "`^` stands only at the beginning and `$` only at the end"
    elif body.count("*") > MOST_WILDCARDS or "**" in body:
        fault = f"at most {MOST_WILDCARDS} wildcards are taken, and not two together"
    elif first is None or cut_off or sum(map(len, _WORD.findall(body))) < LEAST_LETTERS:
        fault = f"at least {LEAST_LETTERS} letters or digits are needed, before the first `*` too"
    elif "*" not in body and (kept := normalise_user_agent(body)) != body:
        fault = f"it would never be found: versions and ids are taken off first; write `{kept}`"
    return fault


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return a usable pattern as a regular expression that does not backtrack."""
    head, *tail = _body(text).split("*")
    begin = r"\A" if text.startswith("^") else _edge("(?<!", head[:1])
    end = r"\Z" if text.endswith("$") else _edge("(?!", [head, *tail][-1][-1:])
    if not tail:
        return re.compile(begin + re.escape(head) + end)
    ends = [re.escape(part) for part in tail]
    ends[-1] += end
    wildcards = "".join(rf"(?>[^\s;,()]{{0,60}}?{after})" for after in ends)
    return re.compile(begin + re.escape(head) + wildcards)


def key_of_pattern(text: str) -> str:
    """Return the beginning of the pattern's first word."""
    first = _WORD.search(_body(text))
    return first.group()[:KEY] if first else ""


def keys_of_name(name: str) -> set[str]:
    """Return the beginnings of all words of a name: only patterns with such a key can match."""
    return {word[:KEY] for word in _WORD.findall(name)}


def _body(text: str) -> str:
    return text.removeprefix("^").removesuffix("$")


def _edge(look: str, character: str) -> str:
    """Return a look-around that keeps a word whole; nothing next to a space or a sign."""
    return f"{look}[0-9A-Za-z])" if character.isalnum() else ""
