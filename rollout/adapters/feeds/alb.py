"""AWS load balancers: Application, Classic and Network Load Balancer, also mixed in one log.

They log no user and no headers, so that a key is seen only where its id stands in the URL
(``url_keys``); a Network Load Balancer sees not even that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rollout.adapters.feeds.instants import Iso
from rollout.adapters.feeds.lines import Line, numbered_lines
from rollout.adapters.feeds.mapped.cuts import target
from rollout.adapters.feeds.reading import digest_record, field
from rollout.adapters.feeds.url_keys import LONGEST, key_in_query
from rollout.domain.usage import Sighting
from rollout.domain.usage.endpoints import endpoint_of_request
from rollout.services.ports import Keyless, Log, Reading, Unreadable

_TIME = rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}Z?)"
# Possessive, so that no line costs more than a few passes. Client and target with their ports,
# three durations, two statuses, two sizes, the request, the user agent; then whatever comes.
_REQUEST = re.compile(
    rb"(?:(?:https?|h2|grpcs?|wss?)[ ])?+" + _TIME + rb"[ ]\S++[ ](\S++)[ ]\S++"
    rb"(?:[ ]-?[0-9.]++){3}[ ]([0-9]{3}|-)[ ](?:[0-9]{3}|-)(?:[ ](?:-?[0-9]++|-)){2}"
    rb'[ ]"([^"]*+(?:"(?![ ]"|[ ]-|\Z)[^"]*+)*+)"(?:[ ]"([^"]*+(?:"(?![ ]|\Z)[^"]*+)*+)")?+',
)
_CONNECTION = re.compile(rb"(?:tls|tcp|udp)[ ]\S++[ ]" + _TIME + rb"[ ]\S++[ ]\S++[ ](\S++)[ ]\S++")
REFUSALS = (b"401", b"403")
_INSTANT = Iso()


class LoadBalancer:
    """Implements ``services.ports.UsageFeed``."""

    name = "alb"
    by_line = True

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        for line in numbered_lines(log):
            yield line if isinstance(line, Unreadable) else _reading(line)


def _reading(line: Line) -> Reading:
    match = _REQUEST.match(line.raw) or _CONNECTION.match(line.raw)
    if match is None:
        return line.unreadable("not a line of a load balancer's access log")
    at = _INSTANT(match[1].decode())
    if at is None:
        return line.unreadable("there is no such time")
    network = field(match[2].rpartition(b":")[0].strip(b"[]"))
    if match.re is _CONNECTION:
        return Keyless(at, "", network)
    url = target(match[4][:LONGEST].decode("utf-8", "replace"))
    user_agent = "" if match[5] in (None, b"-") else field(match[5])
    key_id = field(key_in_query(url.partition("?")[2]))
    if not key_id:
        return Keyless(at, user_agent, network)
    return Sighting(
        key_id=key_id,
        at=at,
        user_agent=user_agent,
        network=network,
        refused=match[3] in REFUSALS,
        account_id=None,
        event=digest_record(line.raw),
        own_id=False,
        endpoint=endpoint_of_request(match[4].decode("utf-8", "replace")),
    )
