"""Files of rows: what is read, and how everything that is wrong is named."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.rows import MAX_LINE, RowFile, RowFormat, format_of, open_rows
from rollout.domain.errors import BadInput
from rollout.domain.inventory_rows import Columns, Problem, Row

COLUMNS = Columns(("id", "name"), ("zone",))
SECRET = "sk_live_5up3r-secret"


def read(data: bytes, written_as: RowFormat = RowFormat.CSV) -> list[Row | Problem]:
    return list(RowFile("f", io.BytesIO(data), written_as).rows(COLUMNS))


def ndjson(*lines: object) -> list[Row | Problem]:
    return read("\n".join(map(json.dumps, lines)).encode(), RowFormat.NDJSON)


def refusal(data: bytes, written_as: RowFormat = RowFormat.CSV) -> str:
    with pytest.raises(BadInput) as refused:
        read(data, written_as)
    return refused.value.message


def row(line: int, *values: str) -> Row:
    return Row(line, dict(zip(("id", "name", "zone"), values, strict=False)))


def test_a_file_from_a_spreadsheet_is_read() -> None:
    data = '\ufeffid,name\r\na,"Acme, ""the"" Inc"\r\n\r\nb,Ümit\r\n'.encode()
    assert read(data) == [row(2, "a", 'Acme, "the" Inc'), row(4, "b", "Ümit")]


def test_columns_may_come_in_any_order_and_without_a_last_line_end() -> None:
    assert read(b" name , zone,id\nAcme,UTC,a") == [
        Row(2, {"name": "Acme", "zone": "UTC", "id": "a"})
    ]


def test_a_row_has_the_line_on_which_it_starts() -> None:
    data = b'id,name\na,"one\ntwo\n\nthree"\nb,Beta\nc\n'
    assert read(data) == [
        row(2, "a", "one\ntwo\n\nthree"),
        row(6, "b", "Beta"),
        Problem(7, "", "has 1 fields, the header has 2"),
    ]


def test_short_and_long_rows_are_named_and_the_others_are_kept() -> None:
    assert read(b"id,name\na\nb,B,x\nc,C\n") == [
        Problem(2, "", "has 1 fields, the header has 2"),
        Problem(3, "", "has 3 fields, the header has 2"),
        row(4, "c", "C"),
    ]


def test_what_is_not_utf8_is_named_by_line_and_byte_and_the_next_row_is_read() -> None:
    data = b'id,name\na,M\xfcller\nb,"two\nl\xefnes"\nc,C\n'
    assert read(data) == [
        Problem(2, "", "byte 4 of line 2 is not UTF-8"),
        Problem(4, "", "byte 2 of line 4 is not UTF-8"),
        row(5, "c", "C"),
    ]


def test_a_cut_character_does_not_swallow_the_end_of_its_line() -> None:
    data = b"id,name\na,\xc3\nb,B\n"
    assert read(data) == [Problem(2, "", "byte 3 of line 2 is not UTF-8"), row(3, "b", "B")]


def test_a_nul_byte_reaches_the_rules_of_its_field() -> None:
    assert read(b"id,name\na,A\0B\n") == [row(2, "a", "A\0B")]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"id\n", "name is missing"),
        (b"id,nmae\n", "column 2 is unknown; did you mean name?; name is missing"),
        (b"id,name,extra1\n", "column 3 is unknown"),
        (b"id,name,id\n", "columns 1 and 3 are both id"),
        (b"ID,name\n", "column 1 is unknown; did you mean id?; id is missing"),
        (b"id;name\n", "the columns are not separated by commas"),
        (b"id\tname\n", "the columns are not separated by commas"),
        (b"\n", "id is missing; name is missing"),
        (b"id,n\xe4me\n", "byte 5 of line 1 is not UTF-8"),
        ("id,name\n".encode("utf-16"), "byte 1 of line 1 is not UTF-8"),
    ],
)
def test_a_wrong_header_is_told_with_all_its_faults(header: bytes, fault: str) -> None:
    assert refusal(header) == f"f:1: {fault}"


def test_a_file_without_a_header_does_not_show_its_first_row() -> None:
    assert SECRET not in refusal(f"k1,{SECRET}\n".encode())


def test_an_empty_file_is_refused_and_a_header_alone_is_fine() -> None:
    assert refusal(b"") == refusal(b"", RowFormat.NDJSON) == "f is empty"
    assert read(b"id,name\n") == []


@pytest.mark.parametrize(
    "data",
    [
        b'id,name\na,A\nb,"never closed\nc,C\n',
        b'id,name\na,A\nb,"6" pipe"\nc,C\n',
        b"id,name\na,A\nb,old\rmac\nc,C\n",
    ],
)
def test_broken_quotes_refuse_the_file_and_name_the_row(data: bytes) -> None:
    assert refusal(data).startswith("f:3: this row is not CSV: ")


def test_a_binary_file_is_named_as_what_it_is() -> None:
    data = b"\x7fELF\x02\x01\xff\rid,name\n"
    assert refusal(data) == "f:1: byte 7 of line 1 is not UTF-8"


def test_a_quote_that_swallows_the_file_is_refused_before_it_fills_the_memory() -> None:
    data = b'id,name\na,"open\n' + b"b,B\n" * 500_000
    assert refusal(data).startswith("f:2: this row is not CSV: field larger than field limit")


@pytest.mark.parametrize("written_as", RowFormat)
def test_a_line_of_more_than_a_megabyte_is_refused(written_as: RowFormat) -> None:
    line = b'{"id": "' + b"x" * MAX_LINE + b'"}'
    assert refusal(line, written_as) == "f:1: the line is longer than 1,000,000 bytes"


class Endless(io.RawIOBase):
    """A line without an end; reading it all would never return."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        buffer[:] = b"x" * len(buffer)
        return len(buffer)


def test_a_line_without_an_end_is_refused_after_its_first_megabyte() -> None:
    endless = RowFile("f", io.BufferedReader(Endless()), RowFormat.CSV)
    with pytest.raises(BadInput, match="longer than"):
        list(endless.rows(COLUMNS))


def test_ndjson_is_read_null_is_empty_and_blank_lines_are_no_rows() -> None:
    data = b'\xef\xbb\xbf{"id": "a", "name": null}\r\n\n{"name": "B", "zone": "UTC", "id": "b"}'
    assert read(data, RowFormat.NDJSON) == [
        row(1, "a", ""),
        Row(3, {"name": "B", "zone": "UTC", "id": "b"}),
    ]


def test_each_fault_of_an_ndjson_row_is_named() -> None:
    assert ndjson({"id": 7, "nmae": "x"}, [1], "text", {"id": "c", "name": "C"}) == [
        Problem(1, "id", "is not text; write it in quotes"),
        Problem(1, "", "member 2 is unknown; did you mean name?"),
        Problem(1, "name", "is missing"),
        Problem(2, "", "is not a JSON object"),
        Problem(3, "", "is not a JSON object"),
        row(4, "c", "C"),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"id": "a", "id": "b", "name": ""}', Problem(1, "id", "is given twice")),
        (b'{"id": "a"', Problem(1, "", "is not JSON: Expecting ',' delimiter at character 11")),
        (b"\x1f\x8b\x08 binary", Problem(1, "", "byte 2 of line 1 is not UTF-8")),
        (b"[" * 500_000, Problem(1, "", "is not JSON that can be read")),
        (b'{"id": ' + b"1" * 5000 + b"}", Problem(1, "", "is not JSON that can be read")),
    ],
)
def test_an_ndjson_line_that_cannot_be_read_is_named_and_the_next_is_read(
    line: bytes, problem: Problem
) -> None:
    data = line + b'\n{"id": "c", "name": "C"}\n'
    assert read(data, RowFormat.NDJSON) == [problem, row(2, "c", "C")]


def test_an_unknown_member_is_not_shown() -> None:
    [problem] = ndjson({"id": "a", "name": "A", SECRET: "x"})
    assert SECRET not in str(problem)


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))),
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_whatever_a_csv_writer_writes_comes_back(cells: list[tuple[str, str]], end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("id", "name"), *cells])
    rows = read(text.getvalue().encode())
    assert [tuple(row.values.values()) for row in rows if isinstance(row, Row)] == cells


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.csv", RowFormat.CSV),
        ("dir.csv/A.CSV.GZ", RowFormat.CSV),
        ("a.ndjson", RowFormat.NDJSON),
        ("a.jsonl.gz", RowFormat.NDJSON),
        ("a.json", None),
        ("csv", None),
        ("-", None),
    ],
)
def test_the_name_of_a_file_tells_its_format(path: str, expected: RowFormat | None) -> None:
    assert format_of(path) is expected


def test_a_gzipped_file_has_the_digest_of_what_is_in_it(tmp_path: Path) -> None:
    data = b"id,name\na,A\n"
    path = tmp_path / "f.csv.gz"
    path.write_bytes(gzip.compress(data))
    with open_rows(str(path), RowFormat.CSV) as source:
        assert list(source.rows(COLUMNS)) == [row(2, "a", "A")]
        assert (source.name, source.sha256) == ("f.csv.gz", hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("damage", ["truncated", "garbage", "flipped"])
def test_a_damaged_gzip_is_named(tmp_path: Path, damage: str) -> None:
    whole = gzip.compress(b"id,name\n" + b"".join(b"%d,A\n" % n for n in range(50_000)))
    middle = len(whole) // 2
    data = {
        "truncated": whole[:middle],
        "garbage": b"not a gzip file at all",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
    }[damage]
    path = tmp_path / "f.csv.gz"
    path.write_bytes(data)
    with (
        open_rows(str(path), RowFormat.CSV) as source,
        pytest.raises(BadInput, match=r"f\.csv\.gz is a damaged gzip file"),
    ):
        list(source.rows(COLUMNS))


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BadInput, match=why), open_rows(str(path), RowFormat.CSV):
            pass
