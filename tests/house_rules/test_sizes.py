"""Size is a symptom: a long module has two subjects, a long function has two steps too many."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.house_rules.checkout import ROOT, modules

MODULE_LINES = 400
MEDIAN_LINES = 90
FUNCTION_LINES = 40


def length(module: Path) -> int:
    return len(module.read_text(encoding="utf-8").splitlines())


def long_functions(source: str) -> Iterator[str]:
    """Yield each function over the limit, with its line and length (decorators not counted)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {lines} lines"


def test_no_module_is_so_long_that_it_must_have_two_subjects() -> None:
    long = [
        f"{path.relative_to(ROOT)} has {lines} lines; make it a folder of the same name"
        for path in modules("rollout", "workers")
        if (lines := length(path)) > MODULE_LINES
    ]

    assert not long, "\n".join(long)


def test_half_of_the_modules_fit_on_two_screens() -> None:
    lengths = [
        len(p.read_text(encoding="utf-8").splitlines()) for p in modules("rollout", "workers")
    ]

    assert median(lengths) < MEDIAN_LINES


def test_no_function_is_so_long_that_its_steps_have_no_names() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function}; give its steps names of their own"
        for path in modules("rollout", "workers")
        for function in long_functions(path.read_text(encoding="utf-8"))
    ]

    assert not long, "\n".join(long)


def test_a_function_of_one_line_too_many_is_caught_and_one_that_just_fits_is_not() -> None:
    body = "    step()\n"

    assert not list(long_functions("def fits():\n" + body * (FUNCTION_LINES - 1)))
    assert list(long_functions("def f():\n" + body * FUNCTION_LINES)) == ["1: f has 41 lines"]
    assert list(long_functions("async def f():\n" + body * FUNCTION_LINES)) == ["1: f has 41 lines"]
