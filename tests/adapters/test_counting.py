"""Counting by the column, and in other processes, says the same as reading record by record."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.combined import Combined
from rollout.adapters.feeds.combined.plain import count_plain
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.parallel import PIECE, InPieces, Parallel
from rollout.adapters.feeds.reading import LONGEST_RECORD, Piece, cut_at_lines
from rollout.domain.errors import BadInput
from rollout.domain.usage import USE_BYTES
from rollout.services.ports import Counts
from rollout.services.usage.counting import count_log

LATEST = datetime(2027, 1, 1, tzinfo=UTC)
PLAIN = b'10.0.0.1 - k1 [17/May/2015:10:05:14 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8.1"'

# What a line may have that is not usual: each is read as the patient reader reads it.
ODDITIES = [
    (b"+0000", b"+0530"),
    (b"+0000", b"+0200"),
    (b"17/May/2015", b"31/Feb/2015"),
    (b"17/May/2015", b"17/May/2030"),
    (b":05:14", b":75:14"),
    (b"200", b"401"),
    (b"200 5", b"200 -"),
    (b' "-" "curl/8.1"', b""),
    (b'curl/8.1"', b"curl/8.1"),
    (b'curl/8.1"', b'curl/8.1" "203.0.113.9"'),
    (b'curl/8.1"', b'curl/8.1"\r'),
    (b'curl/8.1"', b'curl/8.1"  '),
    (b'curl/8.1"', b'curl "8.1" x"'),
    (b"curl/8.1", b"a\0b\xe9"),
    (b"curl/8.1", b"x" * 1100),
    (b" k1 ", b" - "),
    (b" k1 ", b' "" '),
    (b" k1 ", b" two words "),
    (b" k1 ", b" " + b"k" * 300 + b" "),
    (b"10.0.0.1", b"shop.example.com:443 10.0.0.1"),
    (b"10.0.0.1", b"2001:db8::1"),
    (b"10.0.0.1", b"10.0\t0.1"),
    (b"10.0.0.1 -", b"10.0.0.1"),
    (b"+0000] ", b"+0000]"),
    (b"GET / ", b'GET /?q="a" '),
    (b"GET / ", b"G?T /v1/x "),
    (b"GET / ", b"GET /v1/users/42 "),
    (b"GET / ", b"POST /v12.1/vX/v1x/v/a1/B#/7 "),
    (b"GET / ", b"GET http://API.example.com/v1/me?x=/7 "),
    (b"GET / ", b"GET //8//9/x /3"),
    (b"GET / ", b"GET /a/b/c/d/e/f/g/1 "),
    (b"GET / ", b"GET /x9_token/hunter "),
    (b"GET / ", "GET /P\u0130N/hunter/\u212aEY/hunter ".encode()),
    (b"GET / ", b"GET /token.json/hunter/Token%20/hunter "),
    (b"GET / ", b"GET /Token/keys/hunter/ID?x=/y "),
    (b"GET / HTTP/1.1", b"-"),
    (b"GET / HTTP/1.1", b""),
    (b"GET / ", b'GET /?q=\\"a\\" '),
    (b"GET / ", b"GET /\xc3\xa9\x01 "),
    (b' 200 5 "-"', b' 200 5 "-'),
    (PLAIN, b"nonsense"),
    (PLAIN, b""),
]


def counted(content: bytes) -> Counts:
    return Combined().count(Piece("log", content), LATEST)


def read_patiently(content: bytes, name: str = "log") -> Counts:
    counts = Counts()
    for batch in count_log(Combined(), Piece(name, content), LATEST):
        counts.merge(batch)
    return counts


def comparable(counts: Counts) -> Counts:
    """Event names come in the order of the lines, or of the groups: that is nobody's business."""
    for uses in counts.uses.values():
        each = [bytes(uses.each[n : n + USE_BYTES]) for n in range(0, len(uses.each), USE_BYTES)]
        uses.each = bytearray(b"".join(sorted(each)))
    return counts


@given(lines=st.lists(st.lists(st.sampled_from(ODDITIES), max_size=3), max_size=12))
@settings(deadline=None, max_examples=300)
def test_a_piece_counts_as_its_lines_do_one_by_one(
    lines: list[list[tuple[bytes, bytes]]],
) -> None:
    content = b""
    for number, oddities in enumerate(lines):
        line = PLAIN.replace(b":14 ", b":%02d " % (number * 7 % 60))
        for old, new in oddities:
            line = line.replace(old, new)
        content += line + b"\n"

    assert comparable(counted(content)) == comparable(read_patiently(content))


def test_the_usual_line_is_counted_by_the_column() -> None:
    counts = counted(PLAIN + b"\n" + PLAIN.replace(b"200", b"403"))

    ((caller, uses),) = counts.uses.items()
    assert (caller.key_id, caller.user_agent, caller.network) == ("k1", "curl", "10.0.0.1")
    assert caller.hour == datetime(2015, 5, 17, 10, tzinfo=UTC)
    assert sorted(uses.each[n] & 1 for n in (7, 7 + USE_BYTES)) == [0, 1]
    assert counts.endpoints == {bytes(uses.each[8:16]): "GET /"}


def test_of_a_piece_only_the_odd_lines_are_left_to_the_patient_reader() -> None:
    counts = Counts()
    lines = [
        PLAIN,
        PLAIN.replace(b"GET", b"\\GET"),
        b"",
        PLAIN.replace(b"17/May", b"31/Feb"),
        PLAIN,
    ]

    assert list(count_plain(lines, counts, LATEST)) == [1, 2, 3]
    assert counts.records == 2


@pytest.mark.parametrize("size", [1, 100, 1000, 1 << 20])
def test_pieces_are_whole_lines_and_together_the_log(size: int, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(2000)) + b"the last")

    pieces = list(cut_at_lines(LogFile(path), size))

    assert b"".join(piece.content for piece in pieces) == path.read_bytes()
    assert all(piece.content.endswith(b"\n") for piece in pieces[:-1])
    lines = 1
    for piece in pieces:
        assert piece.first_line == lines
        lines += piece.content.count(b"\n")


def test_of_a_line_without_end_only_the_beginning_is_held(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        for _ in range(5):
            file.write(b"x" * LONGEST_RECORD)
        file.write(b"\n" + PLAIN + b"\n")

    (piece,) = cut_at_lines(LogFile(path), 1 << 20)

    assert len(piece.content) < LONGEST_RECORD + (4 << 20)
    assert [len(line) > LONGEST_RECORD for line in piece.content.splitlines()] == [True, False]


@pytest.fixture(scope="module")
def parallel() -> Iterator[Parallel]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield Parallel(pool, at_once=3)


@pytest.mark.parametrize("in_processes", [True, False])
def test_pieces_count_as_the_whole_would_and_in_the_order_of_the_log(
    parallel: Parallel, tmp_path: Path, *, in_processes: bool
) -> None:
    counting = parallel if in_processes else InPieces()
    dice = random.Random(7)
    lines = []
    for number in range(400_000):
        line = PLAIN.replace(b"k1", b"k%d" % dice.randrange(50))
        lines.append(line.replace(b"10:05", b"%02d:05" % (number // 20_000)) + b" %d\n" % number)
    path = tmp_path / "log"
    path.write_bytes(b"".join(lines) + b"nonsense\n")
    assert path.stat().st_size > 2 * PIECE

    whole = Counts()
    ((log, pieces),) = counting.count(Combined(), [LogFile(path)], LATEST)
    for piece in pieces:
        whole.merge(piece)

    assert comparable(whole) == comparable(read_patiently(path.read_bytes(), log.name))
    assert whole.examples == [f"{log.name}: line 400001: not an access log line: xxxxxxxx"]


def test_a_damaged_log_spoils_only_itself(parallel: Parallel, tmp_path: Path) -> None:
    content = (PLAIN + b"\n") * 1000
    paths = [tmp_path / name for name in ("1.gz", "2.gz", "3.gz", "4.zst", "5.zst")]
    for path in paths[:3]:
        path.write_bytes(gzip.compress(content))
    paths[3].write_bytes(zstandard.compress(content) + zstandard.compress(content))
    paths[4].write_bytes(zstandard.compress(content))
    for path in (paths[1], paths[4]):
        path.write_bytes(path.read_bytes()[:-9])

    outcomes: list[int | str] = []
    for _, pieces in parallel.count(Combined(), map(LogFile, paths), LATEST):
        try:
            outcomes.append(sum(piece.records for piece in pieces))
        except BadInput as damage:
            outcomes.append(damage.message.rpartition(": ")[2])

    cut_off = "the {} data is cut off; nothing of it was kept"
    assert outcomes == [1000, cut_off.format("gzip"), 1000, 2000, cut_off.format("zstandard")]


def test_a_list_that_breaks_off_is_refused_by_the_process_that_reads_it(
    parallel: Parallel, tmp_path: Path
) -> None:
    path = tmp_path / "trail.json"
    path.write_text('{"Records": [{"eventName": "x"}, {"even')

    ((_, pieces),) = parallel.count(FEEDS[LogFormat.CLOUDTRAIL], [LogFile(path)], LATEST)

    with pytest.raises(BadInput, match="damaged or cut off after 1 records"):
        list(pieces)
