"""Lays out the plain text part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from textwrap import TextWrapper

WIDTH = 76
# Characters as wide as two. Lines may break after each, except before what closes or goes on, and
# after what opens.
_WIDE = re.compile(
    "([\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff01-\uff60])"
)
_FILLER = "\0"  # stands after each of them, so that the length of a text is its width
_BREAK = re.compile(
    rf"( +)|(?<={_FILLER})(?<![（「『【〈《]{_FILLER})"
    "(?![、。，．・：；？！）」』】〉》ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ])"
)
_SENTENCES = re.compile("(?<=[。？！]) ")  # wide as it is, a full stop needs no space
_START = re.compile(r"( *)((?:\d+\. )?)")  # the indent, and the number of a list's item


def fill(text: str) -> str:
    """Wrap to ``WIDTH`` columns: a paragraph is refilled, an indented line stays one, hanging.

    Words, and so addresses, are never broken, except in scripts that write none.
    """
    blocks = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    return "\n\n".join("\n".join(_lines(block)) for block in blocks) + "\n"


def _lines(block: str) -> list[str]:
    lines: list[str] = []
    for indented, group in groupby(block.splitlines(), key=lambda line: line.startswith(" ")):
        for text in group if indented else [" ".join(group)]:
            lines += _wrap(text)
    return lines


class _Wrapper(TextWrapper):
    wordsep_simple_re = _BREAK


@lru_cache(maxsize=10_000)  # most lines stand in many mails
def _wrap(line: str) -> Sequence[str]:
    indent, number = _START.match(line).groups()  # type: ignore[union-attr]  # it always matches
    text = _SENTENCES.sub("", " ".join(line.split()))
    measured = _WIDE.sub(rf"\1{_FILLER}", text)
    if text and len(indent) + len(measured) <= WIDTH:
        return [indent + text]  # most lines: the wrapper is slow
    wrapped = _Wrapper(
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * len(number),
        break_long_words=False,
        break_on_hyphens=False,
    ).wrap(measured)
    return [line.replace(_FILLER, "") for line in wrapped]
