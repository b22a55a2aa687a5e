"""Lays out the plain text part."""

from __future__ import annotations

import re
from itertools import groupby
from textwrap import TextWrapper

WIDTH = 76
_START = re.compile(r"( *)((?:\d+\. )?)")  # the indent, and the number of a list's item


def fill(text: str) -> str:
    """Wrap to ``WIDTH`` columns: a paragraph is refilled, an indented line stays one, hanging.

    Words, and so addresses, are never broken.
    """
    blocks = re.split(r"\n(?:[ \t]*\n)+", text.strip("\n"))
    return "\n\n".join("\n".join(_lines(block)) for block in blocks) + "\n"


def _lines(block: str) -> list[str]:
    lines: list[str] = []
    for indented, group in groupby(block.splitlines(), key=lambda line: line.startswith(" ")):
        for text in group if indented else [" ".join(group)]:
            lines += _wrap(text)
    return lines


def _wrap(line: str) -> list[str]:
    indent, number = _START.match(line).groups()  # type: ignore[union-attr]  # it always matches
    return TextWrapper(
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + " " * len(number),
        break_long_words=False,
        break_on_hyphens=False,
    ).wrap(" ".join(line.split()))
