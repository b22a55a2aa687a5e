"""``--follow``: go on reading a log that is still written, until told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from rollout.adapters.feeds.files import STDIN
from rollout.adapters.feeds.growing import GrowingFile
from rollout.bootstrap import Rollout
from rollout.cli.output import err, print_error
from rollout.domain.errors import Unavailable
from rollout.services.ports import UsageFeed
from rollout.services.usage.following import UsageFollow

PAUSE = 5.0  # seconds between two looks at the file


def follow(rollout: Rollout, paths: Sequence[Path], reader: UsageFeed, feed: str) -> None:
    """Take in what is written to a file, whatever it is renamed to, until interrupted."""
    if len(paths) != 1 or paths[0] == STDIN or paths[0].is_dir():
        raise typer.BadParameter("--follow reads one file")
    if not reader.by_line:
        raise typer.BadParameter(f"--follow reads logs of lines, which {reader.name} is not")
    path = paths[0].absolute()
    following = UsageFollow(rollout.start, reader, feed=feed, name=str(path))
    log = GrowingFile(path, following.begin(rollout.settings.operator))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _set(stop))
    err.print(f"following {log.name}; interrupt to stop", soft_wrap=True)
    try:
        while not stop.wait(PAUSE if not _take_in(rollout, following, log, stop) else 0):
            pass
    finally:
        log.close()


def _take_in(
    rollout: Rollout, following: UsageFollow, log: GrowingFile, stop: threading.Event
) -> bool:
    """Take in what has been written since; say whether there was anything."""
    piece = log.next_piece()
    if piece is None:
        return False
    while not stop.is_set():
        try:
            tally = following.take_in(piece, log.position)
        except Unavailable as error:  # the lines are kept until the database is back
            print_error(error)
            stop.wait(PAUSE)
            continue
        rollout.naming.name_all()
        err.print(
            f"{tally.records} records: {tally.sightings} uses, {tally.repeated} repeated,"
            f" {tally.keyless} without a key, {tally.unreadable} unreadable"
        )
        break
    return True


def _set(stop: threading.Event) -> signal.Handlers:
    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    return handle  # type: ignore[return-value]  # what signal takes is wider than its name
