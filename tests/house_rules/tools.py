"""The programs of this environment, whether or not it is activated."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


def tool(name: str) -> str:
    """Return the path of a program that stands beside the running Python."""
    found = shutil.which(name, path=Path(sys.executable).parent)
    assert found, f"{name} is not installed beside {sys.executable}: run `make setup`"
    return found
