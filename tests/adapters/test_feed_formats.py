"""Each format that ships with us: what its servers and hostile callers do to it is read well."""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.aws_credential_report import CredentialReport
from rollout.adapters.feeds.reading import LONGEST_RECORD, Piece
from rollout.domain.errors import BadInput
from rollout.domain.usage import Sighting
from rollout.services.ports import Keyless, LastUse, Reading, Unreadable

AT = datetime(2026, 5, 17, 8, 5, 14, tzinfo=UTC)
ALB = (
    b"https 2026-05-17T08:05:14.000000Z app/api/50dc 203.0.113.9:44325 10.0.0.1:80 0.013 0.164 0.0"
    b' 200 200 391 1079 "GET https://api.example.com:443/v1?app_id=app-7 HTTP/1.1" "Zapier"'
    b" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:x"
)
FIELDS = b"#Version: 1.0\n#Fields: date time c-ip sc-status cs(User-Agent) cs-uri-query\n"
CLOUDFRONT = b"2026-05-17\t08:05:14\t203.0.113.9\t200\tZapier\tapp_id=app-7"
JSON: dict[LogFormat, dict[str, Any]] = {
    LogFormat.NGINX_JSON: {
        "time_iso8601": "2026-05-17T10:05:14+02:00",
        "remote_user": "app-7",
        "remote_addr": "203.0.113.9",
        "http_user_agent": "Zapier",
        "status": "200",
    },
    LogFormat.ENVOY: {
        "start_time": "2026-05-17T08:05:14.000Z",
        "key_id": "app-7",
        "downstream_remote_address": "203.0.113.9:4711",
        "user_agent": "Zapier",
        "response_code": 200,
    },
    LogFormat.NDJSON: {
        "at": "2026-05-17T08:05:14Z",
        "key_id": "app-7",
        "network": "203.0.113.9",
        "user_agent": "Zapier",
    },
    LogFormat.KONG: {
        "started_at": 1779005114000,
        "client_ip": "203.0.113.9",
        "request": {"headers": {"user-agent": "Zapier", "x-credential-identifier": "app-7"}},
        "response": {"status": 200},
    },
}
USER_AGENT = {
    LogFormat.NGINX_JSON: "http_user_agent",
    LogFormat.ENVOY: "user_agent",
    LogFormat.NDJSON: "user_agent",
}
LINES = {
    **{log_format: json.dumps(record).encode() for log_format, record in JSON.items()},
    LogFormat.ALB: ALB,
    LogFormat.CLOUDFRONT: CLOUDFRONT,
}
TEXTS = ("key_id", "user_agent", "network", "client", "example")
HEADERS = {LogFormat.CLOUDFRONT: FIELDS}


def read(log_format: LogFormat, content: bytes) -> list[Reading]:
    return list(FEEDS[log_format].read(Piece("log", HEADERS.get(log_format, b"") + content)))


def one(log_format: LogFormat, line: bytes | dict[str, Any]) -> Reading:
    content = line if isinstance(line, bytes) else json.dumps(line).encode()
    (reading,) = read(log_format, content)
    return reading


@pytest.mark.parametrize("log_format", LINES)
def test_a_line_becomes_a_sighting_with_all_it_says(log_format: LogFormat) -> None:
    sighting = one(log_format, LINES[log_format])

    assert isinstance(sighting, Sighting)
    assert sighting == Sighting(
        key_id="app-7",
        at=AT,
        user_agent="Zapier",
        network="203.0.113.9",
        refused=False,
        account_id=None,
        event=sighting.event,
        own_id=False,
        endpoint="GET /v1" if log_format is LogFormat.ALB else "",
    )


REQUEST = {"method": "GET", "uri": "/v1/users/42?key=s3cret"}


@pytest.mark.parametrize(
    ("log_format", "said"),
    [
        (LogFormat.NGINX_JSON, {"request": "GET /v1/users/42?key=s3cret HTTP/1.1"}),
        (LogFormat.NGINX_JSON, {"request_method": "GET", "request_uri": "/v1/users/42?key=s3cret"}),
        (LogFormat.NDJSON, {"method": "get", "path": "/v1/users/42"}),
        (LogFormat.NDJSON, {"method": "GET", "path": "https://api.example.com/v1/users/42"}),
        (LogFormat.ENVOY, {"method": "GET", "path": "/v1/users/42"}),
        (LogFormat.KONG, {"request": JSON[LogFormat.KONG]["request"] | REQUEST}),
    ],
)
def test_what_was_called_is_read_without_what_it_was_about(
    log_format: LogFormat, said: dict[str, Any]
) -> None:
    sighting = one(log_format, JSON[log_format] | said)

    assert isinstance(sighting, Sighting)
    assert sighting.endpoint == "GET /v1/users/{id}"


def test_cloudfront_says_what_was_called_where_its_fields_do() -> None:
    fields = FIELDS.replace(b"c-ip", b"cs-method cs-uri-stem c-ip")
    line = CLOUDFRONT.replace(b"203.", b"GET\t/v1/users/42\t203.")
    (sighting,) = FEEDS[LogFormat.CLOUDFRONT].read(Piece("log", fields + line))

    assert isinstance(sighting, Sighting)
    assert sighting.endpoint == "GET /v1/users/{id}"


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_reader_goes_to_other_processes_and_keeps_its_name(log_format: LogFormat) -> None:
    feed = pickle.loads(pickle.dumps(FEEDS[log_format]))  # noqa: S301 - our own bytes

    assert feed.name == log_format
    assert feed.by_line is FEEDS[log_format].by_line


@pytest.mark.parametrize("log_format", LINES)
@pytest.mark.parametrize(
    "line",
    [b"hello", b"\x00\x1b[31m\xff", b"[]", b"null", b"17", b"{", b"{}", b'"', b"[" * 100_000],
)
def test_a_line_that_is_none_is_unreadable_and_the_next_one_is_read(
    log_format: LogFormat, line: bytes
) -> None:
    readings = read(log_format, line + b"\r\n\r\n" + LINES[log_format])

    assert [type(reading) for reading in readings] == [Unreadable, Sighting]
    assert isinstance(readings[0], Unreadable)
    assert readings[0].where == ("line 3" if log_format in HEADERS else "line 1")
    assert readings[0].example.isprintable()


@pytest.mark.parametrize("log_format", LINES)
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_truncated_line_is_never_a_use_of_another_key(log_format: LogFormat, cut: float) -> None:
    line = LINES[log_format]

    for reading in read(log_format, line[: int(len(line) * cut)]):
        assert not isinstance(reading, Sighting) or reading.key_id == "app-7"


@pytest.mark.parametrize("log_format", USER_AGENT)
@pytest.mark.parametrize(
    ("user_agent", "kept"),
    [
        ("x" * 1_000_000, "x" * 1000),
        ("a\0b", "a\ufffdb"),
        ("\ud800", "?"),
        ("\x1b[31mred", "\x1b[31mred"),
        ("=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
        (None, ""),
        (["x"], ""),
        ({"x": 1}, ""),
        (17, "17"),
    ],
)
def test_an_odd_user_agent_does_not_cost_the_use_of_the_key(
    log_format: LogFormat, user_agent: Any, kept: str
) -> None:
    reading = one(log_format, JSON[log_format] | {USER_AGENT[log_format]: user_agent})

    assert isinstance(reading, Sighting)
    assert reading.user_agent == kept


@pytest.mark.parametrize("log_format", LINES)
def test_a_line_of_exactly_the_limit_is_read_and_a_longer_one_is_not(log_format: LogFormat) -> None:
    line = LINES[log_format]
    padded = line.replace(b"Zapier", b"x" * (LONGEST_RECORD - len(line) + len(b"Zapier")))

    readings = read(log_format, padded + b"\n" + padded.replace(b"xx", b"xxx", 1) + b"\n" + line)

    assert [type(reading) for reading in readings] == [Sighting, Unreadable, Sighting]
    assert isinstance(readings[1], Unreadable)
    assert readings[1].why == "the line is longer than 16 MB"


@st.composite
def damaged(draw: st.DrawFn, line: bytes) -> bytes:
    """Make a line in which some bytes are others, more, or missing, but no line ends."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(line)))
        end = draw(st.integers(start, min(len(line), start + 20)))
        line = line[:start] + draw(st.binary(max_size=20)) + line[end:]
    return line.replace(b"\n", b" ")


@pytest.mark.parametrize("log_format", LINES)
@given(data=st.data())
def test_any_damage_gives_one_reading_whose_texts_a_table_can_hold(
    log_format: LogFormat, data: st.DataObject
) -> None:
    line = data.draw(damaged(LINES[log_format]))

    readings = read(log_format, line + b"\n" + LINES[log_format])

    assert len(readings) == 2 or not line.strip() or line.startswith(b"#")
    assert isinstance(readings[-1], Sighting)
    for reading in readings:
        for text in (getattr(reading, name, "") for name in TEXTS):
            assert "\0" not in text
            assert text.encode("utf-8").decode("utf-8") == text


MEASURE = """
import json, resource, sys
from pathlib import Path
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kinds = [type(r).__name__ for r in FEEDS[LogFormat(sys.argv[1])].read(LogFile(Path(sys.argv[2])))]
print(json.dumps([kinds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""


@pytest.mark.parametrize("log_format", LINES)
def test_a_line_of_200_megabytes_is_one_unreadable_record_in_bounded_memory(
    tmp_path: Path, log_format: LogFormat
) -> None:
    path = tmp_path / "long.gz"
    with gzip.open(path, "wb", 1) as out:
        out.write(HEADERS.get(log_format, b"") + LINES[log_format] + b"\n")
        for _ in range(200):
            out.write(b"x" * 1_000_000)
        out.write(b"\n" + LINES[log_format])

    done = subprocess.run(
        [sys.executable, "-c", MEASURE, log_format, path],
        capture_output=True,
        text=True,
        check=True,
    )

    kinds, megabytes = json.loads(done.stdout)
    assert kinds == ["Sighting", "Unreadable", "Sighting"]
    assert megabytes < 100


# nginx in JSON


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"time_iso8601": None, "time_local": "17/May/2026:10:05:14 +0200"}, "at", AT),
        ({"time_iso8601": None, "msec": "1779005114.000"}, "at", AT),
        ({"time_iso8601": None, "@timestamp": "2026-05-17T08:05:14Z"}, "at", AT),
        ({"status": 401}, "refused", True),
        ({"status": None, "response_status": "403"}, "refused", True),
        ({"status": "500"}, "refused", False),
        ({"remote_user": "-", "http_authorization": "Basic YTpi"}, "key_id", "a"),
        ({"remote_user": "", "user": "b"}, "key_id", "b"),
        ({"remote_addr": None, "client_ip": "2001:db8::1"}, "network", "2001:db8::1"),
        ({"remote_addr": "999.01.2.3"}, "network", "999.01.2.3"),
        ({"account_id": 17}, "account_id", "17"),
        ({"client_id": "zap"}, "client", "zap"),
    ],
)
def test_nginx_fields_are_read_under_the_names_that_people_give_them(
    changes: dict[str, Any], field: str, value: Any
) -> None:
    reading = one(LogFormat.NGINX_JSON, JSON[LogFormat.NGINX_JSON] | changes)

    assert getattr(reading, field) == value


@pytest.mark.parametrize("user", ["-", "", None, {}])
def test_a_request_without_a_user_is_without_a_key_and_keeps_who_called(user: Any) -> None:
    reading = one(LogFormat.NGINX_JSON, JSON[LogFormat.NGINX_JSON] | {"remote_user": user})

    assert reading == Keyless(AT, "Zapier", "203.0.113.9")


# Our own


def test_the_same_event_of_a_key_has_the_same_name_whatever_else_is_said() -> None:
    def name(**changes: Any) -> bytes:
        reading = one(LogFormat.NDJSON, JSON[LogFormat.NDJSON] | changes)
        assert isinstance(reading, Sighting)
        assert reading.own_id is ("event_id" in changes)
        return reading.event

    assert name(event_id="e1") == name(event_id="e1", user_agent="x")
    assert name(event_id="e1") != name(event_id="e2")
    assert name(event_id="e1") != name(event_id="e1", key_id="app-8")
    assert name() != name(user_agent="x")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [({"refused": True}, True), ({"refused": False}, False), ({"status": 403}, True),
     ({"status": 500}, False), ({"refused": None, "status": None}, False)],
)  # fmt: skip
def test_a_refusal_is_said_outright_or_by_a_status(
    changes: dict[str, Any], *, refused: bool
) -> None:
    reading = one(LogFormat.NDJSON, JSON[LogFormat.NDJSON] | changes)

    assert isinstance(reading, Sighting)
    assert reading.refused is refused


# Kong and Envoy


@pytest.mark.parametrize(
    ("changes", "key_id", "account_id"),
    [
        ({"consumer": {"username": "acme", "custom_id": "a-1"}}, "app-7", "a-1"),
        ({"request": {}, "authenticated_entity": {"id": "4d92"}}, "4d92", None),
        ({"request": None, "credential": {"id": "4d92"}}, "4d92", None),
        ({"request": [], "consumer": {"username": "acme"}}, "acme", "acme"),
    ],
)
def test_kong_names_the_credential_or_else_the_consumer(
    changes: dict[str, Any], key_id: str, account_id: str | None
) -> None:
    reading = one(LogFormat.KONG, JSON[LogFormat.KONG] | changes)

    assert isinstance(reading, Sighting)
    assert (reading.key_id, reading.account_id) == (key_id, account_id)


def test_the_anonymous_consumer_of_kong_has_no_key() -> None:
    headers = {"x-anonymous-consumer": "true", "user-agent": "Zapier"}
    anonymous = {"request": {"headers": headers}, "consumer": {"username": "anonymous"}}

    reading = one(LogFormat.KONG, JSON[LogFormat.KONG] | anonymous)

    assert reading == Keyless(AT, "Zapier", "203.0.113.9")


@pytest.mark.parametrize(
    ("changes", "network"),
    [
        ({"downstream_remote_address": "[2001:db8::1]:80"}, "2001:db8::1"),
        ({"downstream_remote_address_without_port": "198.51.100.1"}, "198.51.100.1"),
        ({"downstream_remote_address": None, "x_forwarded_for": "198.51.100.1,10.0.0.1"},
         "198.51.100.1"),
    ],
)  # fmt: skip
def test_envoy_names_the_caller_without_its_port(changes: dict[str, Any], network: str) -> None:
    reading = one(LogFormat.ENVOY, JSON[LogFormat.ENVOY] | changes)

    assert isinstance(reading, Sighting)
    assert reading.network == network


# AWS


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        (b"?app_id=app-7", b"?x=1&KEY_ID=a%2Fb", "key_id", "a"),
        (b"?app_id=app-7", b"?X-Amz-Credential=AKIA1%2F20260517%2Feu%2Fs3", "key_id", "AKIA1"),
        (b" 200 200 ", b" 403 - ", "refused", True),
        (b" 200 200 ", b" 502 403 ", "refused", False),
        (b"203.0.113.9:", b"2001:db8::1:", "network", "2001:db8::1"),
        (b"203.0.113.9:", b"[2001:db8::1]:", "network", "2001:db8::1"),
        (b'"Zapier"', b'"a "b" c"', "user_agent", 'a "b'),
        (b'"Zapier"', b'"' + b"x" * 1_000_000 + b'"', "user_agent", "x" * 1000),
        (b'"Zapier"', b'"-"', "user_agent", ""),
        (b"app_id=app-7", b'app_id=app-7&q="x"', "key_id", "app-7"),
        (b"10.0.0.1:80 0.013 0.164 0.0", b"- -1 -1 -1", "key_id", "app-7"),
        (b"https 2026", b"2026", "key_id", "app-7"),
        (b"https 2026", b"grpcs 2026", "key_id", "app-7"),
    ],
)
def test_what_a_load_balancer_writes_is_read(
    old: bytes, new: bytes, field: str, value: Any
) -> None:
    assert old in ALB

    assert getattr(one(LogFormat.ALB, ALB.replace(old, new)), field) == value


@pytest.mark.parametrize("parameter", [b"api_key", b"token", b"key", b"password", b"xapp_id"])
@pytest.mark.parametrize("log_format", [LogFormat.ALB, LogFormat.CLOUDFRONT])
def test_a_parameter_that_may_hold_a_secret_is_never_taken_for_a_key(
    log_format: LogFormat, parameter: bytes
) -> None:
    line = LINES[log_format].replace(b"app_id=", parameter + b"=")

    assert one(log_format, line) == Keyless(AT, "Zapier", "203.0.113.9")


def test_a_load_balancer_line_of_no_such_time_is_unreadable() -> None:
    reading = one(LogFormat.ALB, ALB.replace(b"2026-05-17", b"2026-02-31"))

    assert isinstance(reading, Unreadable)
    assert reading.why == "there is no such time"


def test_cloudfront_fields_stand_where_the_last_header_says() -> None:
    other = b"#Fields: cs-uri-query sc-status time date cs(User-Agent)\n"
    content = CLOUDFRONT + b"\n" + other + b"app_id=b\t403\t08:05:14\t2026-05-17\tA%2520b%20c\n"

    first, second = read(LogFormat.CLOUDFRONT, content)

    assert isinstance(first, Sighting)
    assert isinstance(second, Sighting)
    assert (second.key_id, second.at, second.refused) == ("b", AT, True)
    assert (second.user_agent, second.network) == ("A b c", "")


def test_cloudfront_lines_without_a_header_are_unreadable() -> None:
    (reading,) = FEEDS[LogFormat.CLOUDFRONT].read(Piece("log", CLOUDFRONT))

    assert isinstance(reading, Unreadable)
    assert reading.why == "no #Fields line stands before it"


# The credential report

COLUMNS = (
    "user,arn,password_last_used,access_key_1_active,access_key_1_last_rotated,"
    "access_key_1_last_used_date,access_key_2_active,access_key_2_last_rotated,"
    "access_key_2_last_used_date\n"
)
ARN = "arn:aws-us-gov:iam::123456789012:user/team/jane"
USED, NEVER = "2026-05-17T08:05:14+00:00", "N/A"


def report(*rows: str, as_of: datetime | None = AT) -> list[Reading]:
    content = COLUMNS + "\n".join(rows)
    return list(CredentialReport(as_of).read(Piece("report", content.encode())))


def test_both_keys_of_a_user_are_named_by_their_slot() -> None:
    readings = report(f"jane,{ARN},N/A,TRUE,{USED},{USED},false,{USED},{NEVER}")

    assert readings == [
        LastUse(f"{ARN}#1", "123456789012", AT, AT, active=True),
        LastUse(f"{ARN}#2", "123456789012", None, AT, active=False),
    ]


def test_a_user_without_keys_is_a_record_without_a_key() -> None:
    assert report(f"jane,{ARN},N/A,false,N/A,N/A,false,N/A,N/A") == [Keyless(None, "", "")]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (f"jane,{ARN},N/A,true,N/A,no_information,false,N/A,N/A",
         "access_key_1_last_used_date is not a time"),
        (f"jane,{ARN},N/A,true,N/A,not_supported,false,N/A,N/A",
         "access_key_1_last_used_date is not a time"),
        (f"jane,{ARN},N/A,true,N/A,2099-01-01T00:00:00+00:00,false,N/A,N/A",
         "key 1 was used after the report is said to be made"),
        (f"jane,{ARN},N/A,perhaps,N/A,N/A,false,N/A,N/A",
         "the arn, or access_key_1_active, is not one"),
        ("jane,jane,N/A,true,N/A,N/A,false,N/A,N/A",
         "the arn, or access_key_1_active, is not one"),
        (f"jane,{ARN},N/A,true", "has 4 fields, not 9"),
    ],
)  # fmt: skip
def test_what_is_no_evidence_is_unreadable_and_never_means_unused(row: str, why: str) -> None:
    reading, *rest = report(row)

    assert isinstance(reading, Unreadable)
    assert (reading.where, reading.why) == ("line 2", why)
    assert not any(isinstance(other, LastUse) for other in rest)


def test_a_password_also_tells_how_old_a_report_can_be() -> None:
    readings = report(f"jane,{ARN},{USED},true,N/A,N/A,false,N/A,N/A", as_of=None)

    assert readings == [LastUse(f"{ARN}#1", "123456789012", None, AT, active=True)]


def test_another_csv_is_refused_as_a_whole() -> None:
    with pytest.raises(BadInput, match="not a credential report, for it has no column arn"):
        list(CredentialReport().read(Piece("x", b"a,b\n1,2\n")))
