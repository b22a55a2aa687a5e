"""Time is an argument. ruff's TID251 refuses whoever reads the machine's clock elsewhere."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house_rules.checkout import ROOT

READINGS = {
    "datetime.now": "from datetime import UTC, datetime\nNOW = datetime.now(UTC)\n",
    "datetime.now, renamed": "import datetime as dt\nNOW = dt.datetime.now(dt.UTC)\n",
    "datetime.utcnow": "from datetime import datetime\nNOW = datetime.utcnow()\n",
    "datetime.today": "from datetime import datetime\nNOW = datetime.today()\n",
    "date.today": "from datetime import date\nTODAY = date.today()\n",
    "time.time": "import time\nNOW = time.time()\n",
    "time, imported by name": "from time import time\nNOW = time()\n",
    "time.time_ns": "import time\nNOW = time.time_ns()\n",
    "time.gmtime": "import time\nNOW = time.gmtime()\n",
    "time.localtime": "import time\nNOW = time.localtime()\n",
}


def complaints(code: str, *, in_file: str) -> str:
    """Return what ruff says about code, were it in that file."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise"]
    checked = subprocess.run(
        [*command, f"--stdin-filename={in_file}", "-"],
        cwd=ROOT,
        input=code,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode in {0, 1}, checked.stderr
    return checked.stdout


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("module", ["rollout/services/planted.py", "workers/planted.py"])
def test_a_planted_reading_of_the_machines_clock_is_refused_with_its_reason(
    module: str, reading: str
) -> None:
    found = complaints(READINGS[reading], in_file=module)

    assert "TID251" in found
    assert "Time is an argument" in found


@pytest.mark.parametrize("reading", READINGS)
def test_the_one_place_that_reads_the_clock_may(reading: str) -> None:
    assert "TID251" not in complaints(READINGS[reading], in_file="rollout/adapters/clock.py")
