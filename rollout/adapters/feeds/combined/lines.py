"""One line of an access log, however odd it is.

Tolerated: a virtual host in front, further fields at the end, quotes that nobody escaped, and a
user agent whose closing quote is missing (the text to the end of the line is taken).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from rollout.adapters.feeds.reading import (
    LONGEST_RECORD,
    digest_record,
    example,
    field,
)
from rollout.domain.usage import Sighting
from rollout.domain.usage.endpoints import endpoint_of_request
from rollout.services.ports import Keyless, Reading, Unreadable

# Possessive throughout, so that no line, however hostile, costs more than a few passes.
_LINE = re.compile(
    rb"""
    (?: (?: [^\s:]++ | \[[^\s\]]++\] ) : [0-9]++ [ ] )?      # virtual host and port
    (\S++) [ ] \S++ [ ] (.*?) [ ]                            # address, identity, user
    \[ ([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}(?::[0-9]{2}){3}[ ][-+][0-9]{4}) \] [ ]
    " ([^"\\]*+ (?: (?: \\. | " (?! [ ][0-9]{3}[ ][-0-9] ) ) [^"\\]*+ )*+) " [ ]   # request
    ([0-9]{3}) [ ] (?: [0-9]++ | - ) (?![^ ])                # status, size
    (?:
        [ ] " [^"\\]*+ (?: (?: \\. | " (?! [ ]" ) ) [^"\\]*+ )*+ " [ ]       # referrer
        " ( [^"\\]*+ (?: (?: \\. | " (?! [ ] | \Z ) ) [^"\\]*+ )*+ )            # user agent
    )?
    """,
    re.VERBOSE | re.DOTALL,
)
_MONTHS = {
    b"Jan": 1, b"Feb": 2, b"Mar": 3, b"Apr": 4, b"May": 5, b"Jun": 6,
    b"Jul": 7, b"Aug": 8, b"Sep": 9, b"Oct": 10, b"Nov": 11, b"Dec": 12,
}  # fmt: skip
NOBODY = (b"-", b"", b'""')
REFUSALS = (b"401", b"403")


def read_line(line: bytes) -> Reading | None:
    """Return what a line, without its end, says; None if it is not an access log line."""
    match = _LINE.match(line) if len(line) <= LONGEST_RECORD else None
    if match is None:
        return None
    address, user, time, request, status, agent = match.groups()
    at = instant(time)
    if at is None:
        return None
    user_agent = field(agent) if agent else ""
    if user in NOBODY:
        return Keyless(at, user_agent, field(address))
    return Sighting(
        key_id=field(user),
        at=at,
        user_agent=user_agent,
        network=field(address),
        refused=status in REFUSALS,
        account_id=None,
        event=digest_record(line),
        own_id=False,
        endpoint=endpoint_of_request(request.decode("utf-8", "replace")),
    )


def unreadable(number: int, line: bytes) -> Unreadable:
    """Say why a line could not be read."""
    long = len(line) > LONGEST_RECORD
    why = "the line is longer than 16 MB" if long else "not an access log line"
    return Unreadable(f"line {number}", why, example(line))


@lru_cache(maxsize=4096)
def instant(text: bytes) -> datetime | None:
    """Read ``17/May/2015:10:05:14 +0200`` into UTC; None where there is no such time."""
    offset = timedelta(hours=int(text[22:24]), minutes=int(text[24:26]))
    try:
        local = datetime(
            int(text[7:11]),
            _MONTHS[text[3:6]],
            int(text[0:2]),
            int(text[12:14]),
            int(text[15:17]),
            min(int(text[18:20]), 59),  # a leap second is written :60
            tzinfo=UTC,
        )
        return local + offset if text[21:22] == b"-" else local - offset
    except (KeyError, ValueError, OverflowError):
        return None
