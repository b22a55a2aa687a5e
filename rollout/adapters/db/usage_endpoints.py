"""What was called: counted by key, day and endpoint, from what stands staged.

A staged row holds, for each use that is counted, the number of its endpoint. So a use that some
log has brought before counts here no more than it does among the sightings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.domain.usage.endpoints import (
    ENDPOINT_BYTES,
    MOST_ENDPOINTS,
    OTHER,
)

CALLED = ("key_id", "day", "endpoint", "uses")
AT_ONCE = 1 << 20  # uses that are counted in memory
DIGEST = np.dtype(f">u{ENDPOINT_BYTES}")
NUMBER = np.dtype("<u4")  # as it is staged

_STAGED = """
SELECT key_id, (hour AT TIME ZONE 'UTC')::date AS day, endpoints FROM staged WHERE count > 0
"""
_ADD = """
INSERT INTO key_endpoints AS known (key_id, day, endpoint, count)
SELECT c.key_id, c.day, e.endpoint, sum(c.uses)
  FROM called c JOIN staged_endpoints e ON e.number = c.endpoint
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (key_id, day, endpoint) DO UPDATE SET count = known.count + excluded.count
"""
# Which ones are kept apart depends on what they are, not on which came first, or how often: so the
# order of imports leaves no trace. One that is kept was never among those that are not.
_BOUND = """
WITH placed AS (
  SELECT key_id, day, endpoint, row_number() OVER (
           PARTITION BY key_id, day ORDER BY length(endpoint), endpoint COLLATE "C") AS place
    FROM key_endpoints JOIN (SELECT DISTINCT key_id, day FROM called) c USING (key_id, day)
   WHERE endpoint <> :other
), gone AS (
  DELETE FROM key_endpoints e USING placed p
   WHERE p.place > :most AND (e.key_id, e.day, e.endpoint) = (p.key_id, p.day, p.endpoint)
  RETURNING e.key_id, e.day, e.count
)
INSERT INTO key_endpoints AS known (key_id, day, endpoint, count)
SELECT key_id, day, :other, sum(count) FROM gone GROUP BY key_id, day ORDER BY key_id, day
ON CONFLICT (key_id, day, endpoint) DO UPDATE SET count = known.count + excluded.count
"""


class CallSum(NamedTuple):
    """Uses of one key on one day that called the same."""

    key_id: str
    day: date  # in UTC
    endpoint: int  # by its number
    uses: int


class EndpointNumbers:
    """Gives the endpoints of one log numbers: shorter than their digests. 0 stands for none.

    ``free`` hands out the numbers: no two logs of a transaction give the same, since what one has
    staged may be taken back. The digests are kept sorted, so that a million are looked up at once.
    """

    def __init__(self, free: Iterator[int]) -> None:
        self._free = free
        self._digests = np.zeros(1, dtype=np.uint64)
        self._numbers = np.zeros(1, dtype=NUMBER)

    def add(self, endpoints: Mapping[bytes, str]) -> list[tuple[int, str]]:
        """Give numbers to endpoints by their digests; return those that are new, as rows."""
        digests = np.frombuffer(b"".join(endpoints), DIGEST).astype(np.uint64)
        new = np.setdiff1d(digests, self._digests)
        numbers = np.fromiter(self._free, NUMBER, len(new))
        names = [endpoints[int(digest).to_bytes(ENDPOINT_BYTES)] for digest in new]
        together = np.concatenate((self._digests, new))
        order = np.argsort(together)
        self._digests = together[order]
        self._numbers = np.concatenate((self._numbers, numbers))[order]
        return list(zip(numbers.tolist(), names, strict=True))

    def of(self, digests: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Return the numbers of endpoints that were added."""
        return self._numbers[np.searchsorted(self._digests, digests)]


def count_calls(connection: Connection) -> None:
    """Count what the staged uses of logs called, once it is known which of them are new."""
    held: list[tuple[str, date, bytes]] = []
    uses = 0
    streamed = {"stream_results": True}
    for key_id, day, endpoints in connection.execute(text(_STAGED), execution_options=streamed):
        held.append((key_id, day, endpoints))
        uses += len(endpoints) // NUMBER.itemsize
        if uses >= AT_ONCE:
            copy_rows(connection, "called", CALLED, _count(held))
            held, uses = [], 0
    copy_rows(connection, "called", CALLED, _count(held))


def add_calls(connection: Connection) -> None:
    """Add to the tables what was counted.

    Whoever adds for a key has locked its row in ``key_usage`` before: so nobody else does it now.
    """
    connection.execute(text(_ADD))
    connection.execute(text(_BOUND), {"most": MOST_ENDPOINTS, "other": OTHER})


def _count(rows: Sequence[tuple[str, date, bytes]]) -> Iterator[CallSum]:
    places: dict[tuple[str, date], int] = {}
    of_row = [places.setdefault((key_id, day), len(places)) for key_id, day, _ in rows]
    numbers = np.frombuffer(b"".join(endpoints for *_, endpoints in rows), NUMBER)
    lengths = [len(endpoints) // NUMBER.itemsize for *_, endpoints in rows]
    many = int(numbers.max(initial=0)) + 1
    pairs = np.repeat(np.array(of_row, dtype=np.int64), lengths) * many + numbers
    of_place = list(places)
    for pair, uses in _tally(pairs, len(places) * many):
        place, number = divmod(pair, many)
        if number:
            yield CallSum(*of_place[place], number, uses)


def _tally(pairs: NDArray[np.int64], end: int) -> Iterator[tuple[int, int]]:
    """Count how often each number comes, all of which are below ``end``."""
    if end <= AT_ONCE:  # thirty times as fast
        counts = np.bincount(pairs)
        (distinct,) = np.nonzero(counts)
        counts = counts[distinct]
    else:
        distinct, counts = np.unique(pairs, return_counts=True)
    return zip(distinct.tolist(), counts.tolist(), strict=True)
