"""Counts plain access log lines by the block: the same as reading them one by one, but faster.

A block all of whose lines are plain (no escapes, no odd fields, offsets of whole hours) is taken
apart by one pattern in one call. Any other block goes to the patient reader, line by line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice
from operator import itemgetter

from rollout.adapters.feeds.combined.lines import NOBODY, REFUSALS, instant
from rollout.adapters.feeds.reading import digest_record, field
from rollout.domain.usage import EVENT_BYTES, Caller, Uses, normalise_user_agent
from rollout.services.ports import Counts

BLOCK = 256 << 10  # bytes: what is made of a block's lines stays in the processor's cache

# Possessive throughout. What it matches, lines.py reads in the same way; an id that is too long
# for a key is not matched.
_PLAIN = re.compile(
    rb"""
    ^([^ \n"\[]++)[ ][^ \n]++[ ]([^ \n"\[]{1,255}+)[ ]                  # address, user
    \[([0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2})(:[0-5][0-9]:[0-5][0-9])([ ][-+][0-9]{2}00)\][ ]
    "[^"\\\n]*+"[ ]([0-9]{3})[ ](?:[0-9]++|-)                           # request, status, size
    (?:[ ]"[^"\\\n]*+"[ ]"([^"\\\n]*+)"(?:[ ][^\n]*+)?)?\r?$             # referrer, user agent
    """,
    re.VERBOSE | re.MULTILINE,
)
HOUR = timedelta(hours=1)
_HOUR = itemgetter(2, 4)  # of a line that was taken apart: date and hour, offset
_CLEARED = bytes(byte & 0xFE for byte in range(256))
_SET = bytes(byte | 1 for byte in range(256))

# address, user, date and hour, offset, user agent, refused
_Group = tuple[bytes, bytes, bytes, bytes, bytes, bool]


class PlainLines:
    """Groups the plain lines of a piece, and turns the groups into counts at its end."""

    def __init__(self, latest: datetime) -> None:
        self._latest = latest
        # minute and second of the first and of the last, then the names of the events
        self._groups: dict[_Group, list[bytes]] = {}
        self._hours: dict[tuple[bytes, bytes], datetime] = {}  # (date and hour, offset) → UTC
        self._records = 0

    def take(self, lines: list[bytes], block: bytes) -> bool:
        """Count a block, whose lines these are; False: some are not plain, and none was counted."""
        found = _PLAIN.findall(block)
        if len(found) != len(lines):
            return False
        if not all(self._knows(hour, offset) for hour, offset in set(map(_HOUR, found))):
            return False
        groups, known = self._groups, self._groups.get
        for (address, user, hour, second, offset, status, agent), event in zip(
            found, map(digest_record, lines), strict=True
        ):
            group = (address, user, hour, offset, agent, status in REFUSALS)
            uses = known(group)
            if uses is None:
                groups[group] = [second, second, event]
            else:
                uses.append(event)
                if second > uses[1]:
                    uses[1] = second
                elif second < uses[0]:
                    uses[0] = second
        self._records += len(lines)
        return True

    def _knows(self, hour: bytes, offset: bytes) -> bool:
        """Say whether there is such an hour, and it is not ahead of us."""
        if (hour, offset) not in self._hours:
            begin = instant(hour + b":00:00" + offset)
            if begin is None or begin + HOUR > self._latest:
                return False
            self._hours[hour, offset] = begin
        return True

    def add_to(self, counts: Counts) -> None:
        """Turn everything that was taken into counts."""
        counts.records += self._records
        agents: dict[bytes, tuple[str, str]] = {}
        for group, (first, last, *_) in self._groups.items():
            address, user, hour, offset, agent, refused = group
            if agent not in agents:
                logged = field(agent)
                agents[agent] = logged, normalise_user_agent(logged)
            logged, named = agents[agent]
            begin, network = self._hours[hour, offset], field(address)
            uses = Uses(begin + _past(first), begin + _past(last))
            events = b"".join(islice(self._groups[group], 2, None))
            counts.addresses.add(network)
            if user in NOBODY:
                counts.keyless += len(events) // EVENT_BYTES
                counts.span(uses.first_at)
                counts.span(uses.last_at)
                continue
            uses.events = _marked(events, refused=refused)
            caller = Caller(field(user), None, named, network, "", begin, own_ids=False)
            counts.name((named, network, ""), logged)
            if caller in counts.uses:
                counts.uses[caller].merge(uses)
            else:
                counts.uses[caller] = uses
        counts.user_agents |= {logged for logged, _ in agents.values() if logged}
        for uses in counts.uses.values():
            counts.span(uses.first_at)
            counts.span(uses.last_at)


def blocks_of_lines(content: bytes) -> Iterator[tuple[list[bytes], bytes]]:
    """Cut a piece into blocks of whole lines, without the empty ones and without trailing space."""
    start = 0
    while start < len(content):
        end = content.rfind(b"\n", start, start + BLOCK) + 1
        if end <= start:  # a line longer than a block, or the last one, without its end
            end = content.find(b"\n", start) + 1 or len(content)
        block = content[start:end]
        yield [line.rstrip() for line in block.split(b"\n")], block
        start = end


@lru_cache(maxsize=3600)
def _past(second: bytes) -> timedelta:
    """Read ``:05:14``: what is past of the hour."""
    return timedelta(minutes=int(second[1:3]), seconds=int(second[4:6]))


def _marked(events: bytes, *, refused: bool) -> bytearray:
    """Write the outcome into the lowest bit of each event's name (``domain.usage.mark``)."""
    marked = bytearray(events)
    lowest = slice(EVENT_BYTES - 1, None, EVENT_BYTES)
    marked[lowest] = marked[lowest].translate(_SET if refused else _CLEARED)
    return marked
