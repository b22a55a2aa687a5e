"""A log that is still written is read to its end, whatever becomes of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rollout.adapters.feeds.growing import GrowingFile

Follow = Callable[..., GrowingFile]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def follow(path: Path) -> Iterator[Follow]:
    """Follow the log from a position."""
    with ExitStack() as stack:

        def open_at(position: str = "") -> GrowingFile:
            log = GrowingFile(path, position)
            stack.callback(log.close)
            return log

        yield open_at


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def read(log: GrowingFile) -> list[tuple[int, bytes]]:
    """Read until nothing is there: each piece with the number of its first line."""
    found = []
    while piece := log.next_piece():
        found.append((piece.first_line, piece.content))
    return found


def test_lines_come_when_they_are_finished(follow: Follow, path: Path) -> None:
    log = follow()
    assert read(log) == []

    write(path, "one\ntw")
    assert read(log) == [(1, b"one\n")]
    write(path, "o\nthree\n")
    assert read(log) == [(2, b"two\nthree\n")]
    assert read(log) == []


def test_a_renamed_file_is_read_to_its_end_before_the_new_one(follow: Follow, path: Path) -> None:
    log = follow()
    write(path, "one\n")
    assert read(log) == [(1, b"one\n")]

    write(path, "two\nthe end")
    path.rename(path.with_suffix(".1"))
    write(path, "new\n")

    assert read(log) == [(2, b"two\n"), (3, b"the end"), (1, b"new\n")]


def test_a_file_that_is_cut_to_nothing_begins_anew(follow: Follow, path: Path) -> None:
    log = follow()
    write(path, "one\ntwo\n")
    read(log)

    path.write_text("new\n")

    assert read(log) == [(1, b"new\n")]


def test_reading_goes_on_after_a_restart_where_it_had_come(follow: Follow, path: Path) -> None:
    write(path, "one\n" * 200)
    log = follow()
    read(log)
    write(path, "two\n")

    assert read(follow(log.position)) == [(201, b"two\n")]


def test_another_file_in_its_place_is_read_from_its_beginning(follow: Follow, path: Path) -> None:
    write(path, "one\n" * 200)
    log = follow()
    read(log)

    path.write_text("another\n" * 400)  # the same inode

    assert read(follow(log.position))[0][0] == 1


@pytest.mark.parametrize("position", ["", "nonsense", "1:2:3:4", "::::::"])
def test_a_position_that_says_nothing_begins_at_the_beginning(
    follow: Follow, path: Path, position: str
) -> None:
    write(path, "one\n")

    assert read(follow(position)) == [(1, b"one\n")]
