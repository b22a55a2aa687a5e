"""Envoy access logs in JSON, under the names that Istio and most ``json_format`` blocks use.

Which key was used, Envoy knows only from whoever checked it: ``docs/formats.md`` shows how to log
that as ``key_id``.
"""

from __future__ import annotations

from rollout.adapters.feeds.instants import Epoch, Iso
from rollout.adapters.feeds.mapped.conditions import Refusal
from rollout.adapters.feeds.mapped.cuts import BasicUser, Before, WithoutPort
from rollout.adapters.feeds.mapped.feed import Map, Mapped
from rollout.adapters.feeds.mapped.moments import Moment
from rollout.adapters.feeds.mapped.records import JsonLines
from rollout.adapters.feeds.mapped.sources import FirstOf, first_of, part_of

ENVOY = Mapped(
    Map(
        name="envoy",
        records=JsonLines(),
        key=FirstOf(
            (
                first_of("key_id", "username", "user"),
                part_of("authorization", BasicUser()),
            )
        ),
        at=Moment(first_of("start_time", "timestamp", "time"), (Iso(), Epoch(1))),
        user_agent=first_of("user_agent"),
        network=FirstOf(
            (
                part_of("downstream_remote_address_without_port"),
                part_of("downstream_remote_address", WithoutPort()),
                part_of("x_forwarded_for", Before(",")),  # last: the caller writes it
            )
        ),
        account=first_of("account_id", "account"),
        client=first_of("client_id"),
        method=first_of("method", "request_method"),
        path=first_of("path", "x_envoy_original_path", "request_path"),
        refused=Refusal(first_of("response_code", "status")),
    )
)
