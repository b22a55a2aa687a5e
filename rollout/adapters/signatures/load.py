"""All signature files together. docs/signatures.md describes one for whoever writes it.

A file cannot do harm: it has no regular expressions but patterns (``domain.usage.name_patterns``),
which are searched for in time proportional to the text; nothing in it is evaluated; and its size,
its depth and the number of its patterns are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from rollout.adapters.signatures.entry import Entry, entry
from rollout.adapters.yaml_file.document import Problem, UnusableError, Value, load, shown
from rollout.adapters.yaml_file.fields import text
from rollout.adapters.yaml_file.shape import Field, Shape, list_of, read_fields, unique
from rollout.domain.errors import BadInput, BadRows
from rollout.domain.usage.signatures import Signatures

SHIPPED = Path(__file__).parent / "shipped"
FILE: Shape = {
    "category": Field(text, "other"),
    "signatures": Field(list_of(entry, unique("name"), least=1)),
}


def load_signatures(extra: Path | None = None) -> Signatures:
    """Return what ships with Rollout, with what an operator's own file adds or replaces by name.

    Raises BadInput: with every fault of that file, each with its line, or why it cannot be read.
    """
    shipped = shipped_entries()
    if extra is None:
        return _together(shipped)
    own = read_entries(extra)
    signatures = _together([*shipped, *own])
    if faults := sorted(faulty_examples(own, signatures)):
        raise _refusal(extra, faults)
    return signatures


@cache
def shipped_entries() -> tuple[Entry, ...]:
    """Return what ships with Rollout, read once."""
    return tuple(one for path in sorted(SHIPPED.glob("*.yaml")) for one in read_entries(path))


def read_entries(path: Path) -> list[Entry]:
    """Return the signatures of one file. Raises BadInput."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "name a readable text file in UTF-8"
        raise BadInput(f"{path} cannot be read: {error}", fix=fix) from None
    try:
        return list(_entries(load(content)))
    except UnusableError as error:
        raise _refusal(path, sorted(set(error.problems))) from None


def faulty_examples(entries: Iterable[Entry], signatures: Signatures) -> Iterator[Problem]:
    """Find the examples that do not lead to their signature, or lead to another one as well."""
    for one in entries:
        for example in one.examples:
            library = signatures.library(example)
            names = {named.name for named in signatures.candidates(example)}
            names |= {library.name} if library else set()
            if names != {one.signature.name}:
                found = ", ".join(f"`{shown(name)}`" for name in sorted(names)) or "nothing"
                yield one.at.problem(
                    f"the example `{shown(example)}` must be found by this signature alone; "
                    f"found: {found}"
                )


def _entries(root: Value) -> Iterator[Entry]:
    fields = read_fields(root, FILE)
    for one in fields["signatures"]:
        yield replace(one, signature=replace(one.signature, category=fields["category"]))


def _together(entries: Iterable[Entry]) -> Signatures:
    return Signatures(one.signature for one in entries)


def _refusal(path: Path, problems: Iterable[Problem]) -> BadRows:
    rows = [f"{path}:{problem.line}: {problem.message}" for problem in problems]
    count = "1 fault" if len(rows) == 1 else f"{len(rows)} faults"
    return BadRows(f"{path} has {count}", rows, fix="correct the lines named; nothing was changed")
