"""Every record of a log is accounted for: a use of a key, a record without one, or unreadable."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.feeds.reading import LONGEST_RECORD
from rollout.domain.errors import BadInput
from rollout.domain.usage import Sighting
from rollout.services.ports import Keyless, Reading, Unreadable

CLOUDTRAIL, COMBINED = LogFormat.CLOUDTRAIL, LogFormat.COMBINED
LINE = b'10.0.0.1 - k1 [17/May/2015:10:05:14 +0200] "GET / HTTP/1.1" 200 5 "-" "curl/8.1"'

Read = Callable[..., list[Reading]]


def read_file(log_format: LogFormat, path: Path) -> list[Reading]:
    return list(FEEDS[log_format].read(LogFile(path)))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read the bytes of a log."""

    def read_bytes(log_format: LogFormat, content: bytes) -> list[Reading]:
        path = tmp_path / "log"
        path.write_bytes(content)
        return read_file(log_format, path)

    return read_bytes


def one(readings: list[Reading]) -> Any:
    assert len(readings) == 1
    return readings[0]


def kinds(readings: list[Reading]) -> Counter[str]:
    return Counter(type(reading).__name__ for reading in readings)


def event(**changes: Any) -> dict[str, Any]:
    """Make a CloudTrail event."""
    return {
        "eventID": "e1",
        "eventTime": "2024-07-31T12:36:52Z",
        "eventName": "GetSecretValue",
        "sourceIPAddress": "253.201.144.253",
        "userAgent": "Zapier",
        "userIdentity": {"accessKeyId": "AKIA1", "accountId": "903144391865"},
    } | changes


SECRETS = "secretsmanager.amazonaws.com"


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


# CloudTrail


def test_a_cloudtrail_event_becomes_a_sighting_with_all_it_says(read: Read) -> None:
    sighting = one(read(CLOUDTRAIL, dump([event(errorCode="AccessDenied", eventSource=SECRETS)])))

    assert sighting == Sighting(
        key_id="AKIA1",
        at=datetime(2024, 7, 31, 12, 36, 52, tzinfo=UTC),
        user_agent="Zapier",
        network="253.201.144.253",
        refused=True,
        account_id="903144391865",
        event=sighting.event,
        own_id=True,
        endpoint="secretsmanager:GetSecretValue",
    )
    assert len(sighting.event) == 8


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(dump({"Records": [event(), event()]}), id="records"),
        pytest.param(dump({"Records": [event(), event()]} | {"NextToken": "x"}), id="token"),
        pytest.param(json.dumps([event(), event()], indent=2).encode(), id="pretty array"),
        pytest.param(dump([event()]) + b"\n" + dump({"Records": [event()]}), id="documents"),
        pytest.param(dump(event()) + b"\r\n\r\n" + dump(event()), id="lines, no final newline"),
        pytest.param(dump({"x": 1, "Records": [event(), event()]}), id="records come later"),
        pytest.param(b"\xef\xbb\xbf" + dump([event(), event()]), id="byte order mark"),
        pytest.param(
            dump({"Events": [{"CloudTrailEvent": json.dumps(event())}] * 2}), id="LookupEvents"
        ),
        pytest.param(dump([{"detail-type": "x", "detail": event()}] * 2), id="EventBridge"),
        pytest.param(gzip.compress(dump([event()])) + gzip.compress(dump([event()])), id="gzip"),
    ],
)
def test_cloudtrail_comes_in_many_wrappings(read: Read, content: bytes) -> None:
    readings = read(CLOUDTRAIL, content)

    assert [r.key_id for r in readings if isinstance(r, Sighting)] == ["AKIA1", "AKIA1"]
    assert len(readings) == 2


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-11-25T17:51:21Z", datetime(2024, 11, 25, 17, 51, 21, tzinfo=UTC)),
        ("2024-11-25 17:51:21Z", datetime(2024, 11, 25, 17, 51, 21, tzinfo=UTC)),
        ("2024-11-25 17:51:21", datetime(2024, 11, 25, 17, 51, 21, tzinfo=UTC)),
        ("2024-11-25 17:51:21.250000000", datetime(2024, 11, 25, 17, 51, 21, 250000, tzinfo=UTC)),
        ("2024-11-25T17:51:21+11:00", datetime(2024, 11, 25, 6, 51, 21, tzinfo=UTC)),
    ],
)
def test_each_shape_of_time_is_read_and_no_offset_means_utc(
    read: Read, text: str, at: datetime
) -> None:
    assert one(read(CLOUDTRAIL, dump(event(eventTime=text)))).at == at


@pytest.mark.parametrize("text", ["redacted", "...", "", None, 17, "0001-01-01T00:00:00+14:00"])
def test_a_use_at_no_time_is_unreadable(read: Read, text: Any) -> None:
    reading = one(read(CLOUDTRAIL, dump(event(eventTime=text))))

    assert reading.why == "eventTime is missing or not a time"


@pytest.mark.parametrize("identity", [None, {}, {"accessKeyId": ""}, {"accessKeyId": None}])
def test_an_event_without_a_key_is_keyless_whatever_else_it_lacks(
    read: Read, identity: Any
) -> None:
    reading = one(read(CLOUDTRAIL, dump(event(userIdentity=identity, eventTime=None))))

    assert reading == Keyless(None, "Zapier", "253.201.144.253")


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"[1]", "not a CloudTrail event"),
        (b'{"hello": "world"}', "not a CloudTrail event"),
        (b'{"CloudTrailEvent": "{"}', "not a CloudTrail event"),
        (b'{"eventName": "x", "userIdentity": "AKIA1"}', "userIdentity is not an object"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_event_is_unreadable_and_the_next_line_is_read(
    read: Read, record: bytes, why: str
) -> None:
    readings = read(CLOUDTRAIL, b"{}\n" + record + b"\n" + dump(event()))

    assert kinds(readings) == {"Unreadable": 2, "Sighting": 1}
    assert isinstance(readings[1], Unreadable)
    assert readings[1].where == "line 2"
    assert readings[1].why.startswith(why)


def test_numbers_are_accepted_as_ids_and_the_account_is_never_taken_from_a_message(
    read: Read,
) -> None:
    identity = {"accessKeyId": 1111, "accountId": 12}
    message = "User arn:aws:iam::999999999999:user/x is not authorized"

    sighting = one(read(CLOUDTRAIL, dump(event(userIdentity=identity, errorMessage=message))))

    assert (sighting.key_id, sighting.account_id) == ("1111", "12")


def test_the_same_event_is_recognised_and_another_one_of_the_same_id_is_not(read: Read) -> None:
    reordered = dict(reversed(event().items()))
    records = [event(), reordered, event(eventName="Other"), event(eventID=None)]

    readings = read(CLOUDTRAIL, dump(records))
    first, again, other, nameless = (r for r in readings if isinstance(r, Sighting))

    assert first.event == again.event
    assert first.event != other.event
    assert [r.own_id for r in (first, again, other, nameless)] == [True, True, True, False]


@pytest.mark.parametrize("content", [b'{"Records": [', b"[", b'[{"eventName": "x"}, {"even'])
def test_a_list_that_breaks_off_is_refused_as_a_whole(read: Read, content: bytes) -> None:
    with pytest.raises(BadInput, match="damaged or cut off"):
        read(CLOUDTRAIL, content)


def test_a_list_goes_on_over_the_edges_of_blocks(read: Read) -> None:
    events = [event(eventID=str(n), padding="ü" * 700) for n in range(3000)]

    readings = read(CLOUDTRAIL, json.dumps({"Records": events}, ensure_ascii=False).encode())

    assert kinds(readings) == {"Sighting": 3000}
    assert len({r.event for r in readings if isinstance(r, Sighting)}) == 3000


# Combined and common access logs


def test_an_access_log_line_becomes_a_sighting_in_utc(read: Read) -> None:
    sighting = one(read(COMBINED, LINE))

    assert sighting == Sighting(
        key_id="k1",
        at=datetime(2015, 5, 17, 8, 5, 14, tzinfo=UTC),
        user_agent="curl/8.1",
        network="10.0.0.1",
        refused=False,
        account_id=None,
        event=sighting.event,
        own_id=False,
        endpoint="GET /",
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b' "-" "curl/8.1"', b"", "user_agent", ""),
        (b'curl/8.1"', b'curl/8.1" "203.0.113.9" rt=0.1 "', "user_agent", "curl/8.1"),
        (b'curl/8.1"', b"curl/8.1", "user_agent", "curl/8.1"),
        (b'curl/8.1"', b'curl/8.1"\r', "user_agent", "curl/8.1"),
        (b'curl/8.1"', b'a "quoted" name"', "user_agent", 'a "quoted'),
        (b'curl/8.1"', rb'a \"quoted\" name"', "user_agent", r"a \"quoted\" name"),
        (b"curl/8.1", b"caf\xe9", "user_agent", "caf\ufffd"),
        (b"curl/8.1", b"a\0b", "user_agent", "a\ufffdb"),
        (b"curl/8.1", b"x" * 1_000_000, "user_agent", "x" * 1000),
        (b'"GET / ', b'"GET /?a="b"&c=d" ', "key_id", "k1"),
        (b'"GET / HTTP/1.1"', rb'"\x16\x03\x01"', "key_id", "k1"),
        (b'"GET / HTTP/1.1"', b'"GET /\\" 200 5 \\"-\\" HTTP/1.1"', "refused", False),
        (b"10.0.0.1 ", b"shop.example.com:443 10.0.0.1 ", "network", "10.0.0.1"),
        (b"10.0.0.1 ", b"[2001:db8::2]:443 10.0.0.1 ", "network", "10.0.0.1"),
        (b"10.0.0.1 ", b"2001:db8::1 ", "network", "2001:db8::1"),
        (b"10.0.0.1 ", b"::1 ", "network", "::1"),
        (b"10.0.0.1 ", b"999.01.2.3 ", "network", "999.01.2.3"),
        (b" k1 ", b" Jane Doe ", "key_id", "Jane Doe"),
        (b" 200 ", b" 401 ", "refused", True),
        (b" 200 ", b" 403 ", "refused", True),
        (b" 200 ", b" 500 ", "refused", False),
        (b" 200 5", b" 304 -", "key_id", "k1"),
        (b":14 +0200", b":60 -0130", "at", datetime(2015, 5, 17, 11, 35, 59, tzinfo=UTC)),
    ],
)
def test_what_servers_and_clients_do_to_a_line_is_read_well(
    read: Read, old: bytes, new: bytes, field: str, value: Any
) -> None:
    assert old in LINE

    assert getattr(one(read(COMBINED, LINE.replace(old, new))), field) == value


@pytest.mark.parametrize("user", [b"-", b'""'])
def test_a_request_without_a_user_is_keyless_and_keeps_who_called(read: Read, user: bytes) -> None:
    reading = one(read(COMBINED, LINE.replace(b"k1", user)))

    assert reading == Keyless(datetime(2015, 5, 17, 8, 5, 14, tzinfo=UTC), "curl/8.1", "10.0.0.1")


@pytest.mark.parametrize(
    "line",
    [
        b"hello",
        b"\x00\x1b[31m\xff",
        LINE.replace(b"17/May", b"31/Feb"),
        LINE.replace(b"May", b"Foo"),
        LINE.replace(b"10:05", b"25:05"),
        LINE.replace(b" 200 ", b" OK "),
    ],
)
def test_a_line_that_is_none_is_unreadable_and_the_next_one_is_read(
    read: Read, line: bytes
) -> None:
    readings = read(COMBINED, line + b"\n\n" + LINE)

    assert kinds(readings) == {"Unreadable": 1, "Sighting": 1}
    assert isinstance(readings[0], Unreadable)
    assert readings[0].where == "line 1"
    assert readings[0].example.isprintable()


# Files


def test_a_truncated_gzip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.log.gz"
    path.write_bytes(gzip.compress(b"\n".join([LINE] * 5000))[:-20])

    with pytest.raises(BadInput, match=r"cut\.log\.gz: the gzip data is cut off"):
        read_file(COMBINED, path)


def test_a_gzip_with_a_broken_middle_is_named(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b"\n".join(b"%d" % n + LINE for n in range(5000))))
    content[1000:1010] = b"\xff" * 10
    path = tmp_path / "bad.log.gz"
    path.write_bytes(content)

    with pytest.raises(BadInput, match=r"bad\.log\.gz: the gzip data is damaged"):
        read_file(COMBINED, path)


def test_a_missing_file_is_named_without_its_control_characters(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a\\x1bb: it cannot be opened"):
        read_file(COMBINED, tmp_path / "a\x1bb")


def test_the_digest_is_of_the_decompressed_bytes(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(LINE)
    packed.write_bytes(gzip.compress(LINE))
    digests = []
    for path in (plain, packed):
        log = LogFile(path)
        list(log.blocks())
        digests.append(log.digest())

    assert digests[0] == digests[1]


def test_progress_adds_up_to_the_size_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"\n".join(b"%d" % n + LINE for n in range(50_000))))
    steps: list[int] = []
    list(LogFile(path, steps.append).blocks())

    assert sum(steps) == path.stat().st_size
    assert len(steps) > 1


@pytest.mark.parametrize("log_format", [CLOUDTRAIL, COMBINED])
def test_a_line_of_exactly_the_limit_is_read_and_a_longer_one_is_not(
    read: Read, log_format: LogFormat
) -> None:
    start = b'{"eventName": "' if log_format is CLOUDTRAIL else LINE[:-1]
    end = b'"}' if log_format is CLOUDTRAIL else b'"'
    longest = start + b"x" * (LONGEST_RECORD - len(start) - len(end)) + end

    readings = read(log_format, longest + b"\n" + start + b"x" + longest[len(start) :])

    assert not isinstance(readings[0], Unreadable)
    assert isinstance(readings[1], Unreadable)
    assert readings[1].why == "the line is longer than 16 MB"
    assert len(readings) == 2


MEASURE = """
import json, resource, sys
from collections import Counter
from pathlib import Path
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.domain.errors import BadInput
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
kinds = []
try:
    for reading in FEEDS[LogFormat(sys.argv[1])].read(LogFile(Path(sys.argv[2]))):
        kinds.append(type(reading).__name__)
except BadInput as error:
    kinds.append(error.message)
print(json.dumps([Counter(kinds), peak() - before]))
"""


def measure(log_format: LogFormat, path: Path) -> tuple[dict[str, int], int]:
    """Read a log in a process of its own; return its readings and the megabytes that it took."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, log_format, path],
        capture_output=True,
        text=True,
        check=True,
    )
    counts, megabytes = json.loads(done.stdout)
    return counts, megabytes


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("log_format", [CLOUDTRAIL, COMBINED])
def test_a_line_of_200_megabytes_is_one_unreadable_record_in_bounded_memory(
    tmp_path: Path, log_format: LogFormat, *, packed: bool
) -> None:
    good = dump(event()) if log_format is CLOUDTRAIL else LINE
    path = tmp_path / "long"
    with gzip.open(path, "wb", 1) if packed else path.open("wb") as out:
        out.write(good + b"\n")
        for _ in range(200):
            out.write(b"x" * 1_000_000)
        out.write(b"\n" + good)

    readings, megabytes = measure(log_format, path)

    assert readings == {"Sighting": 2, "Unreadable": 1}
    assert megabytes < 100


def test_a_list_of_200_megabytes_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "long"
    record = dump(event(padding="x" * 1_000_000))
    with path.open("wb") as out:
        out.write(b'{"Records": [' + record)
        for _ in range(199):
            out.write(b"," + record)
        out.write(b"]}")

    readings, megabytes = measure(CLOUDTRAIL, path)

    assert readings == {"Sighting": 200}
    assert megabytes < 100


def test_an_endless_element_of_a_list_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless"
    with path.open("wb") as out:
        out.write(b'[{"eventName": "')
        for _ in range(200):
            out.write(b"x" * 1_000_000)

    readings, megabytes = measure(CLOUDTRAIL, path)

    (error,) = readings
    assert "the JSON is damaged or cut off after 0 records" in error
    assert megabytes < 150


# Real logs with known answers


@pytest.mark.parametrize(
    ("log_format", "file", "expected"),
    [
        (COMBINED, "access-elastic/access.log.gz", {"Keyless": 10_000}),
        (COMBINED, "access-hackers/access.log.gz", {"Keyless": 3456}),
        (COMBINED, "access-formats/apache.log", {"Keyless": 14, "Sighting": 1}),
        (COMBINED, "access-formats/elb.log", {"Unreadable": 16}),
        (CLOUDTRAIL, "access-formats/cloudtrail.jsonl", {"Sighting": 5, "Keyless": 1}),
        (
            CLOUDTRAIL,
            "cloudtrail-fixtures/cloudtrail.jsonl.gz",
            {"Sighting": 355, "Keyless": 108},
        ),
        (CLOUDTRAIL, "cloudtrail-fixtures/gcp.jsonl", {"Unreadable": 168}),
    ],
)
def test_every_record_of_the_real_logs_is_accounted_for(
    shared_data: Path, log_format: LogFormat, file: str, expected: dict[str, int]
) -> None:
    assert kinds(read_file(log_format, shared_data / file)) == expected


def test_the_fixtures_hold_the_keys_and_accounts_that_they_are_known_for(shared_data: Path) -> None:
    readings = read_file(CLOUDTRAIL, shared_data / "cloudtrail-fixtures/cloudtrail.jsonl.gz")
    sightings = [reading for reading in readings if isinstance(reading, Sighting)]

    prefixes = Counter(s.key_id[:4] for s in sightings)
    assert len({s.key_id for s in sightings}) == 49
    assert (prefixes["AKIA"], prefixes["ASIA"]) == (62, 119)


def test_the_line_with_no_closing_quote_is_salvaged(shared_data: Path) -> None:
    readings = read_file(COMBINED, shared_data / "access-elastic/access.log.gz")

    assert readings[8898] == Keyless(
        datetime(2015, 5, 20, 12, 5, 17, tzinfo=UTC),
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html",
        "46.118.127.106",
    )
