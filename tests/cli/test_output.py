"""How lists look to people: whole on a terminal of any width, and never a bare line of heads."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.support.command_line import CommandLine

PRINT = """
from datetime import UTC, datetime
from rollout.cli.output import print_list
at = datetime(2027, 2, 2, 16, 0, 0, 123456, tzinfo=UTC)
item = {"key_id": "k-acme-1", "deadline": at, "told": at, "reason": "word " * 30, "note": None}
print_list([item], ("key_id", "deadline", "told", "note", "reason"), as_json=False)
"""
BLOCK = [
    "key id    k-acme-1",
    "deadline  2027-02-02T16:00:00Z",
    "told      2027-02-02T16:00:00Z",
]


def on_a_terminal(columns: int, script: str = PRINT) -> list[str]:
    """The lines that a terminal so wide is given, without colours."""
    ours, theirs = pty.openpty()
    settings = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", script], stdout=theirs, env=settings):
        os.close(theirs)
        said = b""
        while chunk := _read(ours):
            said += chunk
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.decode())
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other side is closed
        return b""


def test_a_wide_terminal_gets_a_table_whose_last_column_alone_is_wrapped() -> None:
    heads, first, *more = on_a_terminal(100)

    assert heads.split() == ["key", "id", "deadline", "told", "note", "reason"]
    assert first.startswith("k-acme-1  2027-02-02T16:00:00Z  2027-02-02T16:00:00Z")
    assert " ".join([first, *more]).count("word") == 30


def test_a_narrow_terminal_gets_a_block_for_each_item_with_nothing_cut() -> None:
    *block, reason = on_a_terminal(70)

    assert block == BLOCK
    assert reason.startswith("reason    word")
    assert reason.count("word") == 30


def test_a_short_last_column_needs_no_more_than_its_width() -> None:
    short = PRINT.replace('"word " * 30', '"word"')
    heads, *_ = on_a_terminal(66, short)
    assert heads.split() == ["key", "id", "deadline", "told", "note", "reason"]


@pytest.mark.parametrize(
    "words", [("notice", "list"), ("audit", "list", "--subject", "account:nobody")]
)
def test_an_empty_list_says_so(cli: CommandLine, words: tuple[str, ...]) -> None:
    done = cli(*words)

    assert (done.code, done.stdout) == (0, "none\n")
