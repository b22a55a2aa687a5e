"""The SQL of letters that are kept.

Letters of one template differ in a few hundred bytes. So each is packed by Zstandard with a
specimen as its dictionary: 500 bytes of 10,000, in 10 microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import zstandard
from sqlalchemy import Connection, Row

from rollout.adapters.db.parsed import text
from rollout.services.ports.letters import KeptLetter, NewLetter

LEVEL = 3
LARGEST = 10_000_000  # bytes of a letter; whatever claims to unpack to more is spoilt

KEEP = """
INSERT INTO letters (letter_id, digest, size, packed, packed_with)
SELECT * FROM unnest(CAST(:letter_ids AS bigint[]), CAST(:digests AS bytea[]),
                     CAST(:sizes AS int[]), CAST(:packed AS bytea[]), CAST(:packed_with AS int[]))
"""
OF = """
SELECT l.letter_id, l.begun_at, l.digest, l.size, l.packed, v.specimen,
       ARRAY(SELECT other.notice_id FROM contacts same JOIN notices other USING (contact_id)
              WHERE lower(same.email) = lower(c.email) AND l.letter_id = ANY(other.letter_ids)
              ORDER BY other.notice_id) AS tells
  FROM notices n JOIN contacts c USING (contact_id)
 CROSS JOIN LATERAL unnest(n.letter_ids) WITH ORDINALITY AS told (letter_id, place)
  JOIN letters l USING (letter_id) LEFT JOIN template_versions v ON v.version_id = l.packed_with
 WHERE n.notice_id = :notice_id ORDER BY told.place
"""
NOTICE = """
SELECT n.notice_id, e.deprecation, e.account_id, c.email AS contact, n.step, n.template, n.state,
       n.reason, n.deadline, n.due_at, n.sent_at, n.delivered_at, n.bounced_at, n.resent_at,
       n.acknowledged_at, n.attempts, coalesce(named.message_id, n.message_id) AS message_id,
       encode(v.digest, 'hex') AS template_version, v.language
  FROM notices n JOIN enrollments e USING (enrollment_id) JOIN contacts c USING (contact_id)
  LEFT JOIN notices named ON named.notice_id = n.letter
  LEFT JOIN template_versions v ON v.version_id = n.template_version
 WHERE n.notice_id = :notice_id
"""
EMPTY = """
WITH old AS MATERIALIZED (
  SELECT letter_id FROM letters WHERE packed IS NOT NULL AND begun_at < :before
   ORDER BY begun_at LIMIT :limit FOR UPDATE SKIP LOCKED)
UPDATE letters l SET packed = NULL, packed_with = NULL FROM old WHERE l.letter_id = old.letter_id
"""

_one_at_a_time = threading.Lock()  # a compressor is not for two threads


class SqlLetters:
    """Implements ``services.ports.letters`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def keep(self, letters: Sequence[NewLetter]) -> None:
        """Keep letters before the first byte of them leaves us."""
        if not letters:
            return
        self._connection.execute(
            text(KEEP),
            {
                "letter_ids": [letter.letter_id for letter in letters],
                "digests": [letter.digest for letter in letters],
                "sizes": [len(letter.data) for letter in letters],
                "packed": [_pack(letter.data, letter.version.specimen) for letter in letters],
                "packed_with": [letter.version.version_id for letter in letters],
            },
        )

    def drop(self, letter_ids: Collection[int]) -> None:
        """Forget letters that are known not to have been taken."""
        if letter_ids:
            query = text("DELETE FROM letters WHERE letter_id = ANY(:ids)")
            self._connection.execute(query, {"ids": list(letter_ids)})

    def of(self, notice_id: int) -> Sequence[KeptLetter]:
        """Return the letters that told a notice, or may have: the first one first."""
        rows = self._connection.execute(text(OF), {"notice_id": notice_id})
        return [_unpacked(row) for row in rows]

    def notice(self, notice_id: int) -> Mapping[str, Any] | None:
        """Return everything about a notice that people are shown."""
        found = self._connection.execute(text(NOTICE), {"notice_id": notice_id}).mappings()
        return next((dict(row) for row in found), None)

    def empty(self, before: datetime, limit: int) -> int:
        """Drop the bytes of letters that were begun before then; their digests stay."""
        which = {"before": before, "limit": limit}
        return self._connection.execute(text(EMPTY), which).rowcount


def _unpacked(row: Row[Any]) -> KeptLetter:
    known = (row.letter_id, row.begun_at, bytes(row.digest), row.size, tuple(row.tells))
    if row.packed is None:
        return KeptLetter(*known, None)
    try:
        return KeptLetter(*known, _unpack(bytes(row.packed), bytes(row.specimen or b"")))
    except zstandard.ZstdError:
        return KeptLetter(*known, None, spoilt=True)


def _pack(data: bytes, specimen: bytes) -> bytes:
    compressor = _compressor(specimen)
    with _one_at_a_time:
        return compressor.compress(data)


def _unpack(packed: bytes, specimen: bytes) -> bytes:
    unpacker = zstandard.ZstdDecompressor(dict_data=_dictionary(specimen))
    return unpacker.decompress(packed, max_output_size=LARGEST)


@lru_cache(maxsize=64)  # to make one takes longer than to pack a letter
def _compressor(specimen: bytes) -> zstandard.ZstdCompressor:
    dictionary = _dictionary(specimen)
    if dictionary is not None:
        dictionary.precompute_compress(level=LEVEL)
    return zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)


def _dictionary(specimen: bytes) -> zstandard.ZstdCompressionDict | None:
    raw = zstandard.DICT_TYPE_RAWCONTENT
    return zstandard.ZstdCompressionDict(specimen, dict_type=raw) if specimen else None
