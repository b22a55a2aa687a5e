"""A YAML text as values that know where they stand.

Scalars stay the text that was written: each field reads its own, so that nothing depends on what
some version of YAML takes ``on``, ``NO`` or ``16:00`` for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_PARTS = 100_000  # scalars, lists and mappings: reading takes seconds at worst
MAX_NAMES = 1000  # in one mapping
CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge")
)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of the file, and the line to look at, counted from 1."""

    line: int
    message: str


class UnusableError(Exception):
    """A value cannot be used; of a mapping or a list, every fault below it is named."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Value:
    """A node of the document. ``path`` leads to it: ``cohorts[1].date``; the root's is empty."""

    node: Node
    path: str
    line: int

    def problem(self, message: str) -> Problem:
        """Return a fault of this value."""
        return Problem(self.line, f"{self.path}: {message}" if self.path else message)

    def unusable(self, message: str) -> UnusableError:
        """Return a fault of this value, to be raised."""
        return UnusableError(self.problem(message))

    def scalar(self, expected: str) -> str:
        """Return the text of a scalar as it was written; ``expected`` is for the error."""
        if not self.is_scalar():
            raise self.unusable(f"{expected} is expected, not {self._kind()}")
        return str(self.node.value)

    def is_scalar(self) -> bool:
        """Say whether one word, number or text was written."""
        return isinstance(self.node, ScalarNode) and not self.is_null()

    def is_plain(self) -> bool:
        """Say whether a scalar was written without quotes."""
        return isinstance(self.node, ScalarNode) and not self.node.style

    def is_text(self) -> bool:
        """Say whether every reader of YAML takes a scalar for a text."""
        return not self.is_plain() or self.node.tag == "tag:yaml.org,2002:str"

    def is_null(self) -> bool:
        """Say whether nothing, or ``null``, was written."""
        return bool(self.is_plain() and self.node.tag == "tag:yaml.org,2002:null")

    def items(self) -> list[Value]:
        """Return the items of a list."""
        if not isinstance(self.node, SequenceNode):
            raise self.unusable(f"a list is expected, not {self._kind()}")
        return [
            Value(item, f"{self.path}[{index}]", _line(item.start_mark))
            for index, item in enumerate(self.node.value)
        ]

    def entries(self) -> list[tuple[str, Value]]:
        """Return the names and values of a mapping. A value stands where its name stands."""
        if not isinstance(self.node, MappingNode):
            raise self.unusable(f"a mapping of names to values is expected, not {self._kind()}")
        if len(self.node.value) > MAX_NAMES:
            raise self.unusable(f"more than {MAX_NAMES} names")
        entries = []
        for key, value in self.node.value:
            name = key.value if isinstance(key, ScalarNode) else "?"
            path = f"{self.path}.{shown(name)}" if self.path else shown(name)
            entries.append((name, Value(value, path, _line(key.start_mark))))
        return entries

    def get(self, name: str) -> Value | None:
        """Return the value of that name, or None; also where this is no mapping at all."""
        if not isinstance(self.node, MappingNode):
            return None
        return next((value for key, value in self.entries() if key == name), None)

    def _kind(self) -> str:
        if isinstance(self.node, SequenceNode):
            return "a list"
        if isinstance(self.node, MappingNode):
            return "a mapping"
        return "nothing" if self.is_null() else f"`{shown(str(self.node.value))}`"


def shown(text: str) -> str:
    """Return foreign text fit to be shown: short, and without control characters."""
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:60])
    return f"{printable}…" if len(text) > len(text[:60]) else printable


def load(text: str) -> Value:
    """Return the root of a YAML document. Raises UnusableError for what is not plain YAML."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise UnusableError(Problem(1, "the file is larger than 1 MB"))
    try:
        if foreign := list(_foreign(text)):
            raise UnusableError(*foreign)
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        line = _line(error.problem_mark or error.context_mark)
        raise UnusableError(Problem(line, f"not YAML: {shown(str(error.problem))}")) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnusableError(Problem(line, "not YAML: a control character")) from None
    except YAMLError as error:
        raise UnusableError(Problem(1, f"not YAML: {shown(str(error))}")) from None
    if root is None:
        raise UnusableError(Problem(1, "the file is empty"))
    return Value(root, "", 1)


def _foreign(text: str) -> Iterator[Problem]:
    """Find what YAML can and this file must not, before anything is built from it."""
    depth = 0
    for count, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        line = _line(event.start_mark)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH or count > MAX_PARTS:
            yield Problem(line, "nested too deeply" if depth > MAX_DEPTH else "too much for a file")
            return
        if isinstance(event, NodeEvent) and event.anchor is not None:
            stands_for = f"write out what `{shown(event.anchor)}` stands for"
            yield Problem(line, f"anchors and aliases are not taken: {stands_for}")
        elif getattr(event, "tag", None) is not None and str(event.tag) not in CORE_TAGS:
            yield Problem(line, f"tags are not taken: remove `{shown(str(event.tag))}`")


def _line(mark: Any) -> int:
    return int(mark.line) + 1
