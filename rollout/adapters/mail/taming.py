"""Makes the values of a notice fit to be shown: one short line each that stays in its place."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any
from unicodedata import bidirectional

from rollout.adapters.one_line import one_line

# What stands between these does not turn round what stands beside it (Unicode, UAX #9). They work
# in text and in HTML alike, so no template has to think of it.
_OPEN, _CLOSE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
ISOLATES = _OPEN + _CLOSE

_LIMIT = 120
_LIMITS = {
    "account_name": 80,
    "title": 80,
    "replacement_title": 80,
    "reason": 1000,
    "replacement_url": 2000,
    "guide_url": 2000,
    "calendar_url": 2000,
    "brief_url": 2000,
    "migration_url": 2000,
}
_FOREIGN = {
    *("recipient", "account_id", "account_name", "reason", "webhook", "webhook_reason"),
    *("hint", "label", "name", "network"),
}
_RIGHT_TO_LEFT = {"R", "AL", "AN"}


def tamed(record: Any, *, rtl: bool) -> dict[str, Any]:
    """Return the fields of a dataclass with every text in them made one short, printable line.

    Names, ids and addresses are isolated where directions would mix: all of them if the message
    runs from right to left (``rtl``), else those that do so themselves.
    """
    return {f.name: _tame(getattr(record, f.name), f.name, rtl=rtl) for f in fields(record)}


def _tame(value: Any, name: str, *, rtl: bool) -> Any:
    if isinstance(value, str):
        text = one_line(value, _LIMITS.get(name, _LIMIT))
        isolated = name in _FOREIGN and text and (rtl or _runs_right_to_left(text))
        return f"{_OPEN}{text}{_CLOSE}" if isolated else text
    if isinstance(value, tuple):
        return tuple(_tame(item, name, rtl=rtl) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**tamed(value, rtl=rtl))
    return value


def _runs_right_to_left(text: str) -> bool:
    return not text.isascii() and any(bidirectional(c) in _RIGHT_TO_LEFT for c in text)
