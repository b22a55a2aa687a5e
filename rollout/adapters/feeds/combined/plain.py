"""Counts plain access log lines by the column: the same as reading them one by one, but faster.

A plain line has no escapes and no odd fields. What it holds between quotes is cut out by place,
and lines are grouped before any of it is looked at, so that a text that comes a thousand times is
read once. Polars does both, outside of the interpreter's lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl
from polars import col

from rollout.adapters.feeds.combined.lines import NOBODY, REFUSALS, instant
from rollout.adapters.feeds.reading import digest_record, field
from rollout.domain.inventory_fields import MAX_ID
from rollout.domain.usage import USE_BYTES, Caller, Uses, normalise_user_agent
from rollout.domain.usage.endpoints import (
    ENDPOINT_BYTES,
    SECRETS,
    digest_endpoint,
    endpoint_of_request,
)
from rollout.services.ports import Counts

# A line is "front:10:05:14 +0000] "request" 200 5 "referrer" "agent" more": by its quotes, seven
# parts, or three where it is common. What these patterns match, lines.py reads in the same way.
_FRONT = re.compile(
    rf"""
    ([^\s"\[]++)[ ]\S++[ ]([^\s"\[]{{1,{MAX_ID}}}+)[ ]        # address, identity, user
    \[([0-9]{{2}}/[A-Z][a-z]{{2}}/[0-9]{{4}}:[0-9]{{2}})      # date and hour
    """,
    re.VERBOSE | re.ASCII,
)
_ZONE = re.compile(r" ([-+][0-9]{2}00)\] ")  # of whole hours: an hour here is an hour of UTC
_SECOND = "^:[0-5][0-9]:[0-5][0-9]$"
_ANSWER = "^ [0-9]{3} (?:[0-9]+|-) ?$"  # status and size
# Most of what is no endpoint in a request: then few are left, and those are read one by one.
_PROTOCOL = " HTTP/1.1"  # of most
_QUERY = "[?#].*"
_NO_WORD = "/(?:[0-9A-Z%]|(?:[^/? #\nv]|v[^/? #\n0-9])[^/? #\n]*[0-9A-Z%])[^/? #\n]*"

AT_ONCE = 1 << 15  # lines: what is made of them on the way is three times as large
HOUR = timedelta(hours=1)
_REFUSED = [status.decode() for status in REFUSALS]
_NOBODY = frozenset(user.decode() for user in NOBODY)

_Hour = tuple[str, str, datetime]  # address, user, and the first instant of the hour


def count_plain(lines: Sequence[bytes], counts: Counts, latest: datetime) -> Iterable[int]:
    """Count the plain ones of these lines; return the places of the others.

    The lines come without their ends and without trailing space.
    """
    parts = (lines[at : at + AT_ONCE] for at in range(0, len(lines), AT_ONCE))
    endpoints: dict[str, str] = {}
    taken_apart = pl.concat(_take_apart(part, endpoints) for part in parts)
    groups = (
        taken_apart.filter("plain")
        .group_by("front", "zone", "agent")
        .agg(
            *("event", "endpoint"),
            pl.len().alias("uses"),
            first=col("second").min(),
            last=col("second").max(),
        )
    )
    hours, odd = _read_hours(groups, latest)
    if odd:
        front = col("front").is_in(odd)
        taken_apart = taken_apart.with_columns(plain=col("plain") & ~front)
        groups = groups.filter(~front)
    _add(groups, hours, counts)
    _name(groups, hours, endpoints.values(), counts)
    return (~taken_apart["plain"]).arg_true()


def _take_apart(lines: Sequence[bytes], endpoints: dict[str, str]) -> pl.DataFrame:
    """Cut the lines into columns, and say which of them are plain.

    ``endpoints`` is told what was called: of each distinct call, the endpoint.
    """
    digests = np.frombuffer(b"".join(map(digest_record, lines)), ">u8").astype(np.uint64)
    parts = pl.select(line=_texts(lines)).with_columns(
        col("line").str.splitn('"', 7).struct.unnest()
    )
    before, answer, after = col("field_0"), col("field_2"), col("field_6")
    second = before.str.tail(14).str.head(6)
    common = ~answer.str.ends_with(" ") & col("field_3").is_null()
    combined = (
        answer.str.ends_with(" ")
        & (col("field_4") == " ")
        & ((after == "") | after.str.starts_with(" "))
    )
    refused = answer.str.slice(1, 3).is_in(_REFUSED)
    columns = parts.select(
        front=before.str.head(-14),
        second=second,
        zone=before.str.tail(8),
        agent=col("field_5").fill_null(""),
        call=_without_ids(col("field_1")),
        # The outcome stands in the lowest bit (``domain.usage.mark``).
        event=(pl.Series(digests) & ~np.uint64(1)) | refused.cast(pl.UInt64),
        plain=(
            answer.str.contains(_ANSWER)
            & (common | combined)
            & second.str.contains(_SECOND)
            & ~col("line").str.contains("\\", literal=True)
        ).fill_null(value=False),
    )
    here = {call: endpoint_of_request(call) for call in columns["call"].unique()}
    endpoints |= here
    return columns.select(pl.exclude("call"), endpoint=_digests(here))


def _without_ids(requests: pl.Expr) -> pl.Expr:
    """Take out most of what is no endpoint: few distinct calls are left, to be read one by one.

    In one text of all requests, which hold no line ends, that takes two thirds of the time. What
    names a secret stays, however odd: it says that the next segment is to be taken out too.
    """
    calls = requests.fill_null("").str.strip_suffix(_PROTOCOL)
    cut = calls.str.join("\n").str.replace_all(_QUERY, "").str.replace_all(_NO_WORD, "/{id}")
    names_secret = calls.str.contains(f"{SECRETS}/")
    return pl.when(names_secret).then(calls).otherwise(cut.str.split("\n").explode())


def _texts(lines: Sequence[bytes]) -> pl.Series:
    """Return the lines as text, null where one is not UTF-8."""
    try:
        return pl.Series(lines, dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:  # it does not say which
        return pl.Series(map(_text, lines), dtype=pl.String)


def _text(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _read_hours(
    groups: pl.DataFrame, latest: datetime
) -> tuple[dict[tuple[str, str], _Hour], list[str]]:
    """Read who called in which hour; return also what cannot be read, or is ahead of us."""
    hours: dict[tuple[str, str], _Hour] = {}
    odd = []
    for front, zone in set(groups.select("front", "zone").iter_rows()):
        hour = _read_hour(front, zone)
        if hour is None or hour[2] + HOUR > latest:
            odd.append(front)
        else:
            hours[front, zone] = hour
    return hours, odd


@lru_cache(maxsize=1 << 16)
def _read_hour(front: str, zone: str) -> _Hour | None:
    who, where = _FRONT.fullmatch(front), _ZONE.fullmatch(zone)
    begin = instant(f"{who[3]}:00:00 {where[1]}".encode()) if who and where else None
    return (field(who[1]), field(who[2]), begin) if who and begin else None


def _digests(endpoints: Mapping[str, str]) -> pl.Expr:
    """Put what stands for its endpoint in the place of each call."""
    digests = [int.from_bytes(digest_endpoint(endpoint)) for endpoint in endpoints.values()]
    return col("call").replace_strict(
        pl.Series(list(endpoints), dtype=pl.String),
        pl.Series(digests, dtype=pl.UInt64),
        return_dtype=pl.UInt64,
    )


def _add(groups: pl.DataFrame, hours: dict[tuple[str, str], _Hour], counts: Counts) -> None:
    """Turn groups of lines into counts."""
    agents: dict[str, tuple[str, str]] = {}
    for agent in groups["agent"].unique():
        logged = field(agent)
        agents[agent] = logged, normalise_user_agent(logged)
    for (front, zone, agent, first, last), each in _each(groups):
        network, user, begin = hours[front, zone]
        logged, named = agents[agent]
        counts.records += len(each) // USE_BYTES
        counts.addresses.add(network)
        uses = Uses(begin + _past(first), begin + _past(last), bytearray(each))
        counts.span(uses.first_at)
        counts.span(uses.last_at)
        if user in _NOBODY:
            counts.keyless += len(each) // USE_BYTES
            continue
        caller = Caller(user, None, named, network, "", begin, own_ids=False)
        counts.name((named, network, ""), logged)
        if caller in counts.uses:
            counts.uses[caller].merge(uses)
        else:
            counts.uses[caller] = uses
    counts.user_agents |= {logged for logged, _ in agents.values() if logged}


def _name(
    groups: pl.DataFrame,
    hours: dict[tuple[str, str], _Hour],
    endpoints: Iterable[str],
    counts: Counts,
) -> None:
    """Keep the names of the endpoints that were called with a key."""
    keyless = [front for (front, _), hour in hours.items() if hour[1] in _NOBODY]
    called = groups.filter(~col("front").is_in(keyless))["endpoint"].explode().unique()
    wanted = {digest.to_bytes(ENDPOINT_BYTES) for digest in called}
    for endpoint in endpoints:
        if digest_endpoint(endpoint) in wanted:
            counts.call(endpoint)


def _each(groups: pl.DataFrame) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Hand out each group, and what ``Uses`` hold of each of its lines, one after the other."""
    columns = [groups[name].explode().to_numpy() for name in ("event", "endpoint")]
    each = np.stack(columns, axis=1).astype(">u8").tobytes()
    ends = [0, *(groups["uses"].cum_sum() * USE_BYTES)]
    of_group = groups.select("front", "zone", "agent", "first", "last").iter_rows()
    for group, (start, end) in zip(of_group, pairwise(ends), strict=True):
        yield group, each[start:end]


@lru_cache(maxsize=3600)
def _past(second: str) -> timedelta:
    """Read ``:05:14``: what is past of the hour."""
    return timedelta(minutes=int(second[1:3]), seconds=int(second[4:6]))
