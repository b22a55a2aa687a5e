"""Apache and nginx access logs, common or combined: the key is the name of the remote user.

A client that sends a key as Basic credentials (``key_id:secret``) is logged under the key's id.
``lines`` reads any line; ``plain`` counts the usual ones by the block.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rollout.adapters.feeds.combined.lines import read_line, unreadable
from rollout.adapters.feeds.combined.plain import PlainLines, blocks_of_lines
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
        counts, plain = Counts(), PlainLines(latest)
        number = piece.first_line
        for lines, block in blocks_of_lines(b"".join(piece.blocks())):
            if not plain.take([line for line in lines if line], block):
                for at, line in enumerate(lines, number):
                    if line:
                        note(counts, read_line(line) or unreadable(at, line), piece.name, latest)
            number += block.count(b"\n")
        plain.add_to(counts)
        return counts
