"""Kong Gateway: what its logging plugins write (file-log, http-log, tcp-log …), in JSON."""

from __future__ import annotations

from rollout.adapters.feeds.instants import Epoch
from rollout.adapters.feeds.mapped.conditions import NotAmong, Refusal
from rollout.adapters.feeds.mapped.feed import Map, Mapped
from rollout.adapters.feeds.mapped.moments import Moment
from rollout.adapters.feeds.mapped.records import JsonLines
from rollout.adapters.feeds.mapped.sources import first_of

KONG = Mapped(
    Map(
        name="kong",
        records=JsonLines(),
        # The header is set by Kong, for it removes the caller's: the user of basic-auth, the id of
        # the credential of key-auth.
        key=first_of(
            "request.headers.x-credential-identifier",
            "authenticated_entity.id",
            "credential.id",
            "consumer.username",
        ),
        where=NotAmong(first_of("request.headers.x-anonymous-consumer"), frozenset({"true"})),
        at=Moment(first_of("started_at"), (Epoch(1000),)),
        user_agent=first_of("request.headers.user-agent"),
        network=first_of("client_ip"),
        account=first_of("consumer.custom_id", "consumer.username", "consumer.id"),
        client=first_of("request.headers.x-client-id"),
        method=first_of("request.method"),
        path=first_of("request.uri", "request.url"),
        refused=Refusal(first_of("response.status")),
    )
)
