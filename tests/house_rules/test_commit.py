"""Only the unit of work commits: a second place could keep a change and lose its fact (S0).

A use case ends with ``uow.commit()``, which is that place. Whoever else commits, or opens a
transaction that commits by itself when it is left, goes past it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house_rules.checkout import ROOT, modules

THE_PLACE = ROOT / "rollout/adapters/db/unit_of_work.py"
USE_CASES = ROOT / "rollout/services"


def commits(source: str, *, use_case: bool) -> Iterator[int]:
    """Yield the lines that commit past the unit of work."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="uow"), attr="commit")) if use_case:
                continue
            case ast.Call(func=ast.Attribute(attr="commit")):
                yield node.lineno
            case ast.withitem(context_expr=ast.Call(func=ast.Attribute(attr="begin"))):
                yield node.context_expr.lineno


def test_only_the_unit_of_work_commits() -> None:
    elsewhere = [
        f"{path.relative_to(ROOT)}:{line} commits; a service does that, with `uow.commit()`"
        for path in modules("rollout", "workers")
        if path != THE_PLACE
        for line in commits(
            path.read_text(encoding="utf-8"), use_case=path.is_relative_to(USE_CASES)
        )
    ]

    assert not elsewhere, "\n".join(elsewhere)


def test_the_unit_of_work_does_commit() -> None:
    assert list(commits(THE_PLACE.read_text(encoding="utf-8"), use_case=False))


@pytest.mark.parametrize("use_case", [True, False])
@pytest.mark.parametrize(
    "planted",
    [
        "def keep(session):\n    session.commit()\n",
        "def keep(uow):\n    uow._connection.commit()\n",
        "def keep(engine):\n    with engine.begin() as connection:\n        connection.execute()\n",
    ],
)
def test_a_planted_commit_is_caught_at_its_line(planted: str, *, use_case: bool) -> None:
    assert list(commits(planted, use_case=use_case)) == [2]


def test_only_a_use_case_may_end_with_a_commit_of_the_unit_of_work() -> None:
    planted = "def decide(uow):\n    uow.commit()\n"

    assert not list(commits(planted, use_case=True))
    assert list(commits(planted, use_case=False)) == [2]
