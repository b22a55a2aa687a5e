"""Imports point inwards only. import-linter holds the contracts; each one can fail."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house_rules.checkout import ROOT, pyproject
from tests.house_rules.tools import tool

# One planted line for each contract in pyproject.toml, and for each rule that the layers make.
PLANTED = [
    ("rollout/domain/planted.py", "import rollout.services", "inwards only"),
    ("rollout/services/planted.py", "import rollout.adapters.clock", "inwards only"),
    ("rollout/adapters/planted.py", "import rollout.bootstrap", "inwards only"),
    ("rollout/web/planted.py", "import rollout.cli", "inwards only"),
    ("rollout/domain/planted.py", "import sqlalchemy", "domain is pure"),
    ("rollout/services/planted.py", "import redis", "Services speak to ports"),
    ("rollout/adapters/planted.py", "import workers", "never imports workers"),
]


def lint_imports(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [tool("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)


def test_every_import_of_this_checkout_points_inwards() -> None:
    checked = lint_imports(ROOT)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(("module", "line", "contract"), PLANTED)
def test_a_planted_import_breaks_its_contract(
    tmp_path: Path, module: str, line: str, contract: str
) -> None:
    for package in ("rollout", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / module).write_text(f"{line}\n", encoding="utf-8")

    checked = lint_imports(tmp_path)

    assert checked.returncode == 1, checked.stderr
    broken = [row for row in checked.stdout.splitlines() if row.endswith("BROKEN")]
    assert any(contract in row for row in broken), checked.stdout


def test_every_contract_has_a_planted_import() -> None:
    names = [contract["name"] for contract in pyproject()["tool"]["importlinter"]["contracts"]]

    assert not [name for name in names if not any(part in name for _, _, part in PLANTED)]
