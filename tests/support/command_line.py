"""``rollout …`` as a person types it, run inside this process, which is faster."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from rollout.cli.main import main
from tests.support.processes import environment


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.json["items"]
        return items

    @property
    def complaint(self) -> str:
        """What it said on standard error, without the line breaks and frames of a terminal."""
        return " ".join(self.stderr.replace("│", " ").split())


class CommandLine:
    """Runs commands with these ROLLOUT_ settings and no others."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = dict(settings)

    def __call__(self, *arguments: object, **settings: str) -> Done:
        """Run one command; ``settings`` are for this one, without their ROLLOUT_."""
        own = {f"ROLLOUT_{name.upper()}": value for name, value in settings.items()}
        out, err = io.StringIO(), io.StringIO()
        with _process(arguments, self.settings | own), redirect_stdout(out), redirect_stderr(err):
            code = _exit_code()
        return Done(code, out.getvalue(), err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


@contextmanager
def _process(arguments: tuple[object, ...], settings: Mapping[str, str]) -> Iterator[None]:
    """Look like a process of its own: its arguments and its environment."""
    argv, environ = sys.argv, dict(os.environ)
    sys.argv = ["rollout", *map(str, arguments)]
    os.environ.clear()
    os.environ.update(environment(settings) | {"COLUMNS": "200"})
    try:
        yield
    finally:
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environ)
