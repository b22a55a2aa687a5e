"""nginx access logs in JSON, under the names that ``log_format … escape=json`` is given.

nginx has no names of its own for JSON; most people take those of its variables.
"""

from __future__ import annotations

from rollout.adapters.feeds.instants import ACCESS_LOG, Epoch, Iso
from rollout.adapters.feeds.mapped.conditions import Refusal
from rollout.adapters.feeds.mapped.cuts import BasicUser
from rollout.adapters.feeds.mapped.feed import Map, Mapped
from rollout.adapters.feeds.mapped.moments import Moment
from rollout.adapters.feeds.mapped.records import JsonLines
from rollout.adapters.feeds.mapped.sources import FirstOf, first_of, part_of

TIMES = first_of("time_iso8601", "@timestamp", "timestamp", "time_local", "time", "msec", "ts")

NGINX_JSON = Mapped(
    Map(
        name="nginx-json",
        records=JsonLines(),
        key=FirstOf(
            (
                first_of("key_id", "remote_user", "user"),
                part_of("http_authorization", BasicUser()),
            )
        ),
        at=Moment(TIMES, (Iso(), ACCESS_LOG, Epoch(1))),
        user_agent=first_of("http_user_agent", "user_agent", "agent"),
        network=first_of("remote_addr", "client_ip", "remote_ip", "client", "ip"),
        account=first_of("account_id", "account"),
        client=first_of("client_id", "oauth_client"),
        method=first_of("request_method", "method"),
        path=first_of("request_uri", "uri", "path", "request"),
        refused=Refusal(first_of("status", "response_status", "code")),
    )
)
