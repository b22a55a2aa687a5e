"""Apache and nginx access logs, common or combined: the key is the name of the remote user.

A client that sends a key as Basic credentials (``key_id:secret``) is logged under the key's id.
``lines`` reads any line; ``plain`` counts the usual ones by the column.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rollout.adapters.feeds.combined.lines import read_line, unreadable
from rollout.adapters.feeds.reading import split_lines
from rollout.services.ports import Counts, Log, Reading
from rollout.services.usage.counting import note


class Combined:
    """Implements ``services.ports.BulkFeed``."""

    name = "combined"
    by_line = True

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        for number, raw in enumerate(split_lines(log.blocks()), log.first_line):
            if line := raw.rstrip():
                yield read_line(line) or unreadable(number, line)

    def count(self, piece: Log, latest: datetime) -> Counts:
        """Count a piece; the same as counting what ``read`` yields."""
        from rollout.adapters.feeds.combined.plain import (  # noqa: PLC0415 - Polars loads slowly
            count_plain,
        )

        counts = Counts()
        lines = [line.rstrip() for line in b"".join(piece.blocks()).split(b"\n")]
        for place in count_plain(lines, counts, latest):
            if line := lines[place]:
                reading = read_line(line) or unreadable(piece.first_line + place, line)
                note(counts, reading, piece.name, latest)
        return counts
