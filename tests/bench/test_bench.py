"""`make bench` runs through and prints its table. What the figures are is nobody's assertion."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.house_rules.checkout import ROOT

BENCHES = (
    *("cut 3,000 keys", "idle tick", "import accounts", "import an access log", "gateway"),
    "plan 6 steps",
)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_bench_runs_through_and_its_figures_stand_in_the_table(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"

    done = bench("--quick", "--json", str(report))

    assert done.returncode == 0, done.stderr
    assert "chmod" not in done.stderr
    assert [name for name in BENCHES if name not in done.stdout] == []
    items = json.loads(report.read_text(encoding="utf-8"))["items"]
    assert all(item["value"] > 0 for item in items if item["unit"] not in {"µs", "wrong names"})
    assert all(item["value"] == 0 for item in items if item["unit"] == "wrong names")
    assert {item["owed"] for item in items if item["ratio"]} >= {"≥ 0.33", "≤ 1.5", "≥ 0.5"}


def test_a_bench_that_does_not_exist_is_named() -> None:
    done = bench("cutof")

    assert done.returncode == 2
    assert "there is no bench cutof: cutoff, idle" in done.stderr
