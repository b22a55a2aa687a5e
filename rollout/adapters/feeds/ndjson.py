"""Our own format: one use of a key on each line; also the body of ``POST /api/v1/usage``."""

from __future__ import annotations

from rollout.adapters.feeds.mapped.conditions import Among, AnyOf, Refusal
from rollout.adapters.feeds.mapped.feed import Map, Mapped
from rollout.adapters.feeds.mapped.moments import Moment
from rollout.adapters.feeds.mapped.records import JsonLines
from rollout.adapters.feeds.mapped.sources import first_of

NDJSON = Mapped(
    Map(
        name="ndjson",
        records=JsonLines(),
        key=first_of("key_id"),
        at=Moment(first_of("at")),
        user_agent=first_of("user_agent"),
        network=first_of("network"),
        account=first_of("account_id"),
        client=first_of("client"),
        event_id=first_of("event_id"),
        method=first_of("method"),
        path=first_of("path"),
        refused=AnyOf(
            (Among(first_of("refused"), frozenset({"true"})), Refusal(first_of("status")))
        ),
    )
)
