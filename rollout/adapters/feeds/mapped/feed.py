"""Reads a log by a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from rollout.adapters.feeds.mapped.conditions import AllOf, AnyOf, Condition
from rollout.adapters.feeds.mapped.records import Found, Records
from rollout.adapters.feeds.mapped.sources import Record, Source, nothing
from rollout.adapters.feeds.reading import digest_record, field
from rollout.domain.usage import Sighting
from rollout.domain.usage.endpoints import endpoint_of, endpoint_of_request
from rollout.services.ports import Keyless, Log, Reading, Unreadable

ALWAYS = AllOf(())
NEVER = AnyOf(())


@dataclass(frozen=True, slots=True)
class Map:
    """Where in the records of a log everything stands that a sighting is made of."""

    name: str
    records: Records
    key: Source
    at: Callable[[Record], datetime | None]
    user_agent: Source = nothing
    network: Source = nothing
    account: Source = nothing
    client: Source = nothing
    event_id: Source = nothing
    method: Source = nothing
    path: Source = nothing  # or a URL, or a request line
    refused: Condition = NEVER
    where: Condition = ALWAYS  # what does not meet it was not made with a key
    known_by: frozenset[str] = frozenset()  # names; what has none of them is no record of this log


class Mapped:
    """Implements ``services.ports.UsageFeed``."""

    def __init__(self, the_map: Map) -> None:
        self._map = the_map

    @property
    def name(self) -> str:
        """The name of the map."""
        return self._map.name

    @property
    def by_line(self) -> bool:
        """Whether each line is a record."""
        return self._map.records.by_line

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        for found in self._map.records.read(log):
            yield found if isinstance(found, Unreadable) else self._reading(found)

    def _reading(self, found: Found) -> Reading:
        record, the_map = found.record, self._map
        key_id = field(the_map.key(record))
        at = the_map.at(record)
        user_agent = field(the_map.user_agent(record))
        network = field(the_map.network(record))
        if the_map.known_by.isdisjoint(record) and not (key_id or at or user_agent or network):
            return found.unreadable("none of the fields that are read is there")
        if not key_id or not the_map.where(record):
            return Keyless(at, user_agent, network)
        if at is None:
            return found.unreadable("the time is missing or cannot be read")
        event_id = the_map.event_id(record)
        return Sighting(
            key_id=key_id,
            at=at,
            user_agent=user_agent,
            network=network,
            refused=the_map.refused(record),
            account_id=field(the_map.account(record)) or None,
            event=_name(key_id, event_id) if event_id else digest_record(found.raw),
            own_id=bool(event_id),
            client=field(the_map.client(record)),
            endpoint=self._endpoint(record),
        )

    def _endpoint(self, record: Record) -> str:
        path = self._map.path(record)
        if " " in path:
            return endpoint_of_request(path)
        return endpoint_of(self._map.method(record), path) if path else ""


def _name(key_id: str, event_id: str) -> bytes:
    """Name an event by its own id; an id that two keys share hides neither's use."""
    return digest_record(f"{key_id}\0{event_id}".encode("utf-8", "replace"))
