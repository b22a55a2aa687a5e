"""Cuts a line into fields. A line of nothing but separators costs no more than any other."""

from __future__ import annotations

MOST_CELLS = 1000  # of one line; the last one takes what is left


def split_cells(text: str, between: str, most: int) -> list[str] | None:
    """Cut a line wherever the separator stands."""
    return text.split(between, most - 1)


def split_quoted(text: str, between: str, most: int) -> list[str] | None:
    """Cut a line whose fields may be quoted, as in CSV: ``"a ""b"", c"``.

    None: a quote does not end in this line, or not at the end of its field.
    """
    if '"' not in text:
        return split_cells(text, between, most)
    cells: list[str] = []
    start = 0
    while len(cells) < most - 1:
        if text.startswith('"', start):
            end = _closing(text, start + 1)
            if end < 0 or not (end + 1 == len(text) or text.startswith(between, end + 1)):
                return None
            cells.append(text[start + 1 : end].replace('""', '"'))
            end += 1
        else:
            end = text.find(between, start)
            end = len(text) if end < 0 else end
            cells.append(text[start:end])
        if end == len(text):
            return cells
        start = end + len(between)
    cells.append(text[start:])
    return cells


def _closing(text: str, start: int) -> int:
    """Return where the quote is that ends a field, or -1; doubled quotes do not end it."""
    end = text.find('"', start)
    while end >= 0 and text.startswith('"', end + 1):
        end = text.find('"', end + 2)
    return end
