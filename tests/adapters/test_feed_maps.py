"""A map says where everything stands; a wrong one is refused, a hostile one does no harm."""

from __future__ import annotations

import json
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.feeds.mapped import load_map, read_map
from rollout.adapters.feeds.reading import LONGEST_RECORD, Piece
from rollout.domain.errors import BadInput, BadRows
from rollout.domain.usage import Sighting
from rollout.services.ports import Keyless, Reading, Unreadable

AT = datetime(2026, 5, 17, 8, 5, 14, tzinfo=UTC)
NDJSON = "map: m\nformat: ndjson\nkey: k\nat: t\n"
CSV = "map: m\nformat: csv\nkey: k\nat: t\n"


def read(the_map: str, content: bytes, first_line: int = 1) -> list[Reading]:
    return list(read_map(the_map, "m.yaml").read(Piece("log", content, first_line)))


def read_one(the_map: str, record: Any) -> Reading:
    content = record if isinstance(record, bytes) else json.dumps(record).encode()
    (reading,) = read(the_map, content)
    return reading


def faults(the_map: str) -> list[str]:
    with pytest.raises(BadRows) as refused:
        read_map(the_map, "m.yaml")
    return list(refused.value.rows)


def record(**changes: Any) -> dict[str, Any]:
    return {"k": "app-7", "t": "2026-05-17T08:05:14Z"} | changes


# Where a text stands


@pytest.mark.parametrize(
    ("source", "fields", "found"),
    [
        ("a.b", {"a": {"b": "x"}}, "x"),
        ("a[1].b", {"a": [0, {"b": "x"}]}, "x"),
        ('a["b.c"]', {"a": {"b.c": "x"}}, "x"),
        ('"@a"', {"@a": "x"}, "x"),
        ("a", {"a": 1111}, "1111"),
        ("a", {"a": 1.5}, "1.5"),
        ("a", {"a": True}, "true"),
        ("[a, b]", {"a": "", "b": "x"}, "x"),
        ("[a, b]", {"a": "-", "b": "x"}, "x"),
        ("[a, b]", {"a": None, "b": "x"}, "x"),
        ("[a, b]", {"a": {"b": 1}, "b": "x"}, "x"),
        ("[{field: a, after: ':'}, b]", {"a": "x", "b": "y"}, "y"),
        ("{field: [a, b], after: ':'}", {"b": "k:x"}, "x"),
        ("{join: [a, b]}", {"a": "x", "b": "y"}, "x y"),
        ("{join: [a, {field: b, after: ':'}]}", {"a": "x", "b": ":y"}, "x y"),
        ("{field: a, after: 'id:', before: ','}", {"a": "p, id:x, q"}, "x"),
        ("{field: a, before: ',', after: 'id:'}", {"a": "id:x, id:y"}, "x"),
        ("{field: a, without_end: '.0'}", {"a": 17.0}, "17"),
        ("{field: a, quoted: 2}", {"a": '"" "x"'}, "x"),
        ("{field: a, query: k}", {"a": "GET /v1?j=1&k=a%20b#k=2 HTTP/1.1"}, "a b"),
        ("{field: a, query: k}", {"a": "https://h/v1?k=x"}, "x"),
        ("{field: a, segment: 2}", {"a": "GET /v1/x?y HTTP/1.1"}, "x"),
        ("{field: a, segment: 2}", {"a": "https://h:1/v1/a%2Fb/c"}, "a/b"),
        ("{field: a, basic: user}", {"a": "basic YXBwLTc6c2VjcmV0"}, "app-7"),
        ("{field: a, without_port: true}", {"a": "10.0.0.1:80"}, "10.0.0.1"),
        ("{field: a, without_port: true}", {"a": "[2001:db8::1]:80"}, "2001:db8::1"),
        ("{field: a, without_port: true}", {"a": "2001:db8::1"}, "2001:db8::1"),
        ("{field: a, percent_decoded: true}", {"a": "a%20b"}, "a b"),
    ],
)
def test_a_text_is_found_where_the_map_says(
    source: str, fields: dict[str, Any], found: str
) -> None:
    reading = read_one(f"map: m\nformat: ndjson\nkey: {source}\nat: t\n", record(**fields))

    assert isinstance(reading, Sighting)
    assert reading.key_id == found


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a.b", {"a": "text"}),
        ("a[0]", {"a": {"0": "x"}}),
        ("a[7]", {"a": ["x"]}),
        ("a", {"a": ["x"]}),
        ("{field: a, after: 'id:'}", {"a": "x"}),
        ("{join: [a, b]}", {"a": "x"}),
        ("{field: a, quoted: 2}", {"a": '"x"'}),
        ("{field: a, query: k}", {"a": "/v1?kk=1"}),
        ("{field: a, segment: 3}", {"a": "/v1/x"}),
        ("{field: a, basic: user}", {"a": "Bearer YXBwLTc6c2VjcmV0"}),
        ("{field: a, basic: user}", {"a": "Basic YXBwLTc"}),
        ("{field: a, basic: user}", {"a": "Basic é"}),
    ],
)
def test_a_key_that_is_not_there_makes_a_record_without_a_key(
    source: str, value: dict[str, Any]
) -> None:
    reading = read_one(f"map: m\nformat: ndjson\nkey: {source}\nat: t\n", record(**value))

    assert reading == Keyless(AT, "", "")


def test_words_that_stand_for_nothing_can_be_named() -> None:
    the_map = NDJSON + "absent: [anonymous]\n"

    assert isinstance(read_one(the_map, record(k="anonymous")), Keyless)
    assert isinstance(read_one(the_map, record(k="-")), Sighting)


# Times


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ("t", "2026-05-17T08:05:14Z"),
        ("t", "2026-05-17 10:05:14+02:00"),
        ("t", "2026-05-17 08:05:14.000000000"),
        ("{field: t, zone: Europe/Berlin}", "2026-05-17 10:05:14,000"),
        ("{field: t, zone: Europe/Berlin}", "2026-05-17T08:05:14Z"),
        ("{field: t, format: epoch_s}", 1779005114),
        ("{field: t, format: epoch_s}", "1779005114.000"),
        ("{field: t, format: epoch_ms}", 1779005114000.0),
        ("{field: t, format: epoch_us}", 1779005114000000),
        ("{field: t, format: epoch_ns}", 1.779005114e18),
        ("{field: t, format: access_log}", "17/May/2026:10:05:14 +0200"),
        ("{field: t, format: '%d.%m.%Y %H:%M:%S', zone: Europe/Berlin}", "17.05.2026 10:05:14"),
        ("{field: t, format: [epoch_ms, iso]}", "2026-05-17T08:05:14Z"),
        ("{field: t, after: '[', format: iso}", "[2026-05-17T08:05:14Z"),
        ("[missing, {field: t, format: epoch_s}]", 1779005114),
        ("[{field: t, format: epoch_s}, t]", "2026-05-17T08:05:14Z"),
    ],
)
def test_a_time_is_read_in_each_format_and_zone(time: str, value: Any) -> None:
    reading = read_one(f"map: m\nformat: ndjson\nkey: k\nat: {time}\n", record(t=value))

    assert isinstance(reading, Sighting)
    assert reading.at == AT


@pytest.mark.parametrize("form", ["iso", "epoch_s", "epoch_ns", "access_log", "'%Y-%m-%d'"])
@pytest.mark.parametrize(
    "value",
    ["", "soon", None, [], "9" * 30, "1e99", "-1e99", "1e9999999", "NaN", "0001-01-01T00:00+14:00",
     "2026-02-31 00:00", "9" * 1_000_000, "٣", "2026-05-17\0"],
)  # fmt: skip
def test_a_use_at_no_time_is_unreadable(form: str, value: Any) -> None:
    the_map = f"map: m\nformat: ndjson\nkey: k\nat: {{field: t, format: {form}}}\n"

    reading = read_one(the_map, record(t=value))

    assert isinstance(reading, Unreadable)
    assert (reading.where, reading.why) == ("line 1", "the time is missing or cannot be read")


# Conditions and events


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("{s: '403'}", True),
        ("{s: 403}", True),
        ("{s: [401, 403]}", True),
        ("{s: 200}", False),
        ("{s: {not: [200]}}", True),
        ("{s: {not: [403]}}", False),
        ("{missing: {not: [403]}}", True),
        ("{missing: {present: true}}", False),
        ("{missing: {present: false}}", True),
        ("{s: {present: true, not: [200]}}", True),
        ("{s: 403, u: x}", False),
        ("[{s: 200}, {s: 403}]", True),
        ("{a.b: true}", True),
    ],
)
def test_conditions_say_what_was_refused_and_what_counts(condition: str, *, holds: bool) -> None:
    fields = record(s=403, u="y", a={"b": True})

    refused = read_one(NDJSON + f"refused: {condition}\n", fields)
    counted = read_one(NDJSON + f"where: {condition}\n", fields)

    assert isinstance(refused, Sighting)
    assert refused.refused is holds
    assert isinstance(counted, Sighting) is holds
    assert holds or counted == Keyless(AT, "", "")


@pytest.mark.parametrize(
    ("status", "refused"),
    [(401, True), ("403", True), ("403.0", True), (200, False), (None, False)],
)
def test_a_status_of_401_or_403_is_a_refusal(status: Any, *, refused: bool) -> None:
    reading = read_one(NDJSON + "status: s\n", record(s=status))

    assert isinstance(reading, Sighting)
    assert reading.refused is refused


def test_an_event_is_named_by_its_id_and_key_or_else_by_its_whole_record() -> None:
    def name(the_map: str, **changes: Any) -> tuple[bytes, bool]:
        reading = read_one(the_map, record(**changes))
        assert isinstance(reading, Sighting)
        return reading.event, reading.own_id

    with_id = NDJSON + "event_id: i\n"
    assert name(with_id, i="1") == name(with_id, i="1", extra=2)
    assert name(with_id, i="1") != name(with_id, i="2")
    assert name(with_id, i="1") != name(with_id, i="1", k="other")
    assert name(with_id)[1] is False
    assert name(with_id) != name(with_id, extra=2)
    assert name(NDJSON, i="1")[1] is False


def test_a_record_that_has_nothing_of_what_is_read_is_none_of_this_log() -> None:
    assert isinstance(read_one(NDJSON, {"other": 1}), Unreadable)
    assert read_one(NDJSON + "known_by: [other]\n", {"other": 1}) == Keyless(None, "", "")


# Formats


def test_what_is_wrapped_is_unwrapped_also_from_text() -> None:
    the_map = NDJSON + "unwrap: [log, message]\n"

    for wrapped in ({"log": record()}, {"message": json.dumps(record())}, record()):
        assert isinstance(read_one(the_map, wrapped), Sighting)
    assert isinstance(read_one(the_map, {"message": "{"}), Unreadable)


def test_json_is_an_array_on_any_number_of_lines() -> None:
    the_map = "map: m\nformat: json\nkey: k\nat: t\n"
    content = json.dumps([record(), record(k="b"), 17, {}], indent=2).encode()

    readings = read(the_map, content)

    assert [type(reading) for reading in readings] == [Sighting, Sighting, Unreadable, Unreadable]
    assert not read_map(the_map, "m").by_line


def test_lines_of_json_are_numbered_from_where_their_piece_begins() -> None:
    content = json.dumps(record()).encode() + b"\r\n\n[1]\n{\n" + json.dumps(record()).encode()

    readings = read(NDJSON, content, first_line=101)

    assert [r.where for r in readings if isinstance(r, Unreadable)] == ["line 103", "line 104"]
    assert [type(r) for r in (readings[0], readings[3])] == [Sighting, Sighting]
    assert read_map(NDJSON, "m").by_line


@pytest.mark.parametrize(
    ("the_map", "content"),
    [
        (CSV, b"t,k,x\r\n2026-05-17T08:05:14Z,app-7,\r\n"),
        (CSV, b'\xef\xbb\xbft,"k"\n2026-05-17T08:05:14Z,"app-7"'),
        (CSV.replace("csv", "tsv"), b"t\tk\n2026-05-17T08:05:14Z\tapp-7\n"),
        (CSV.replace("csv", "delimited") + "delimiter: ' | '\n",
         b"t | k\n2026-05-17T08:05:14Z | app-7"),
        (CSV + "columns: [t, k]\n", b"2026-05-17T08:05:14Z,app-7"),
        (CSV + "delimiter: ;\n", b"t;k\n2026-05-17T08:05:14Z;app-7"),
        (CSV + "columns: {3: [t, k, a], 2: [k, t]}\n", b"2026-05-17T08:05:14Z,app-7,x"),
        (CSV + "columns: {3: [t, k, a], 2: [k, t]}\n", b"app-7,2026-05-17T08:05:14Z"),
        (CSV.replace(": k", ": 2").replace(": t", ": 1") + "header: false\n",
         b"2026-05-17T08:05:14Z,app-7,x,y"),
    ],
)  # fmt: skip
def test_lines_of_fields_are_named_by_header_map_or_position(the_map: str, content: bytes) -> None:
    (reading,) = read(the_map, content)

    assert isinstance(reading, Sighting)
    assert (reading.key_id, reading.at) == ("app-7", AT)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (b'"a ""b"", c"', 'a "b", c'),
        (b'""', ""),
        (b'a"b', 'a"b'),
        (b'=cmd|" /C calc"!A0', '=cmd|" /C calc"!A0'),
        (b"\x1b[31mred", "\x1b[31mred"),
        (b"caf\xe9", "caf\ufffd"),
        (b"a\0b", "a\ufffdb"),
        (b"x" * 1_000_000, "x" * 1000),
        (b'"' + b"x" * 1_000_000 + b'"', "x" * 1000),
    ],
)
def test_odd_cells_are_kept_as_they_are_but_for_what_no_table_can_hold(
    cell: bytes, found: str
) -> None:
    the_map = CSV + "columns: [t, u, k]\nuser_agent: u\n"

    (reading,) = read(the_map, b"2026-05-17T08:05:14Z," + cell + b",app-7")

    assert isinstance(reading, Sighting)
    assert (reading.user_agent, reading.key_id) == (found, "app-7")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"app-7", "has 1 fields, not 2"),
        (b"a,b,c", "has 3 fields, not 2"),
        (b'a,"b', "a quoted field does not end where it should"),
        (b'a,"b"c', "a quoted field does not end where it should"),
        (b"," * 100_000, "has 1000 fields, not 2"),
    ],
)
def test_a_line_of_another_shape_is_unreadable_and_the_next_one_is_read(
    line: bytes, why: str
) -> None:
    readings = read(CSV, b"t,k\n" + line + b"\n2026-05-17T08:05:14Z,app-7")

    assert isinstance(readings[0], Unreadable)
    assert (readings[0].where, readings[0].why) == ("line 2", why)
    assert isinstance(readings[1], Sighting)


def test_a_last_column_may_take_the_rest_of_the_line() -> None:
    the_map = (
        "map: m\nformat: delimited\ndelimiter: ' '\ncolumns: [t, k, u...]\nkey: k\nat: t\n"
        "user_agent: u\n"
    )

    (reading,) = read(the_map, b"2026-05-17T08:05:14Z app-7 Mozilla/5.0 (X11; Linux)")

    assert isinstance(reading, Sighting)
    assert reading.user_agent == "Mozilla/5.0 (X11; Linux)"


def test_a_header_without_a_column_of_the_map_refuses_the_log_as_a_whole() -> None:
    with pytest.raises(BadInput, match="the first line names no column `k`") as refused:
        read(CSV, b"t,key\x1b\n2026-05-17T08:05:14Z,app-7")

    assert refused.value.fix == r"correct the map; the columns are t, key\x1b"


def test_of_alternatives_one_column_is_enough() -> None:
    (reading,) = read(CSV.replace("key: k", "key: [id, k]"), b"t,k\n2026-05-17T08:05:14Z,app-7")

    assert isinstance(reading, Sighting)


# Faults of a map


@pytest.mark.parametrize(
    ("the_map", "fault"),
    [
        ("", "m.yaml:1: the file is empty"),
        ("map: m", "m.yaml:1: format: missing"),
        (NDJSON + "kye: k\n", "m.yaml:5: kye: unknown name; did you mean `key`?"),
        (NDJSON.replace("ndjson", "jsonl"),
         "m.yaml:2: format: unknown word `jsonl`; did you mean `json`?"),
        (NDJSON + "user_agent: a..b\n",
         'm.yaml:5: user_agent: `a..b` is no path: write a.b, a.list[0] or a["name.with.dots"]'),
        (NDJSON + "network: {field: a, join: [a]}\n",
         "m.yaml:5: network: exactly one of `field` and `join` is expected"),
        (NDJSON + "network: {field: a, regex: .*}\n", "m.yaml:5: network.regex: unknown name"),
        (NDJSON + "network: {field: a, segment: 0}\n",
         "m.yaml:5: network.segment: must be between 1 and 100, not 0"),
        (NDJSON + "network: []\n",
         "m.yaml:5: network: between 1 and 20 must be listed; there are 0"),
        (NDJSON + "where: {}\n", "m.yaml:5: where: at least one condition is expected"),
        (NDJSON + "where: {a: {}}\n",
         "m.yaml:5: where.a: one of `in`, `not` and `present` is expected"),
        (NDJSON + "delimiter: ','\n",
         "m.yaml:5: delimiter: has no meaning in the format ndjson"),
        (CSV + "unwrap: [log]\n", "m.yaml:5: unwrap: has no meaning in the format csv"),
        (CSV.replace("csv", "delimited"),
         "m.yaml:1: delimiter: missing; it is what stands between two fields"),
        (CSV + "columns: [t, kk]\n", "m.yaml:3: key: no column `k`; did you mean `kk`?"),
        (CSV + "columns: [t, k, k]\n", "m.yaml:5: columns[2]: `k` is named twice"),
        (CSV + "columns: {3: [t, k]}\n",
         "m.yaml:5: columns.3: 2 columns are listed; write 2 before them"),
        (CSV + "columns: [t, k]\nheader: true\n",
         "m.yaml:1: columns: the first line names them; remove one of the two"),
        (CSV + "header: false\n",
         ("m.yaml:3: key: `k` is no position: without `columns` and `header`, write 1 for the"
          " first field")),
        (NDJSON.replace("at: t", "at: {field: t, format: unix}"),
         ("m.yaml:4: at.format: unknown format `unix`; it is one of iso, access_log, epoch_s,"
          ' epoch_ms, epoch_us, epoch_ns, or a pattern such as "%Y-%m-%d %H:%M:%S"')),
        (NDJSON.replace("at: t", "at: {field: t, format: '%Y %Y'}"),
         "m.yaml:4: at.format: no letter may come twice"),
        (NDJSON.replace("at: t", "at: {field: t, zone: Mars/Phobos}"),
         "m.yaml:4: at.zone: there is no time zone 'Mars/Phobos'; use a name like Europe/Berlin"),
        (NDJSON.replace("map: m", "map: ../../m"),
         ("m.yaml:1: map: `../../m` is no name: up to 63 lower-case letters, digits and hyphens,"
          " a letter or digit first")),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_line_and_the_way_out(the_map: str, fault: str) -> None:
    assert fault in faults(the_map)


def test_all_faults_are_named_at_once() -> None:
    assert [fault.split(" ")[0] for fault in faults("map: M\nformat: xml\nkey: []\nat: []\n")] == [
        "m.yaml:1:", "m.yaml:2:", "m.yaml:3:", "m.yaml:4:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    [
        "map: !!python/object/apply:os.system [id]\n",
        "a: &a [x]\nb: [*a, *a]\n",
        "[" * 10_000,
        NDJSON + "network: {field: " + "a." * 1000 + "}\n",
        NDJSON + "network: [" + ", ".join(["a"] * 100_000) + "]\n",
        NDJSON + "where: {" + ", ".join(f"a{n}: b" for n in range(5000)) + "}\n",
        NDJSON.replace("at: t", "at: {field: t, format: '" + "%f" * 100 + "'}"),
        NDJSON.replace("at: t", "at: {field: t, format: '%Q'}"),
        NDJSON.replace("at: t", "at: {field: t, format: 'x%'}"),
        NDJSON.replace("at: t", "at: {field: t, zone: ../../etc/passwd}"),
        CSV + "columns: [" + ", ".join(f"c{n}" for n in range(50_000)) + "]\n",
        "x" * 2_000_000,
        "\x00\x1b",
    ],
)
def test_a_hostile_map_is_refused_in_printable_words_and_in_time(hostile: str) -> None:
    begin = time.monotonic()

    for fault in faults(hostile):
        assert fault.isprintable()
        assert len(fault) < 1000
    assert time.monotonic() - begin < 30


def test_no_map_and_no_log_together_take_long() -> None:
    alternatives = ", ".join(
        f"{{field: [{', '.join(['a'] * 20)}], query: k{n}, after: '&&', percent_decoded: true}}"
        for n in range(20)
    )
    begin = time.monotonic()

    for text in ("&" * LONGEST_RECORD, "%" * 1_000_000, "/" * 1_000_000, '"' * 400_000):
        read_one(
            f"map: m\nformat: ndjson\nkey: [{alternatives}]\nat: t\n",
            json.dumps(record(a=text)).encode()[: LONGEST_RECORD + 10],
        )

    assert time.monotonic() - begin < 10


def test_a_map_file_is_loaded_and_named_and_goes_to_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        NDJSON.replace("at: t", "at: {field: t, format: ['%Y', iso], zone: Asia/Tokyo}")
    )

    feed = pickle.loads(pickle.dumps(load_map(path)))  # noqa: S301 - our own bytes

    assert feed.name == "m"
    assert feed.by_line
    (reading,) = feed.read(Piece("log", json.dumps(record()).encode()))
    assert reading.key_id == "app-7"


@pytest.mark.parametrize("content", [b"\xff", None])
def test_a_map_that_is_no_text_or_no_file_is_refused_by_name(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "m\x1b.yaml"
    if content:
        path.write_bytes(content)

    with pytest.raises(BadInput, match=r"m\\x1b\.yaml: it (is not UTF-8|cannot be read)"):
        load_map(path)
