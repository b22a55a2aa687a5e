"""Ninety days of access logs: own code, a dozen integrations, and keys that nobody uses."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rollout.cli.demo.company import SampleAccount, SampleKey

DAYS = 90
INTEGRATIONS = (
    ("Zapier", "Zapier"),
    ("Make", "Make/production"),
    ("Segment", "Segment.io/1.0"),
    ("Fivetran", "Fivetran/2.4 (connector sync)"),
    ("HubSpot", "HubSpot Connect 2.0 (namespace: webhooks-follow-redirects)"),
    ("Salesforce", "SFDC-Callout/60.0"),
    ("Workato", "Workato/3.1"),
    ("n8n", "n8n/1.62.1"),
    ("Airbyte", "airbyte/1.8 (source connector)"),
    ("Stitch", "StitchData/1.4"),
    ("Zendesk", "Zendesk/External Content"),
    ("PagerDuty", "PagerDuty-Webhook/V3.0"),
)
OWN_CODE = (
    *("python-requests/2.31.0", "curl/8.5.0", "okhttp/4.12.0", "axios/1.7.2"),
    *("Go-http-client/1.1", "Faraday v2.9.0", "GuzzleHttp/7"),
)
PATHS = ("/v1/users", "/v1/orders", "/v1/events", "/v1/reports/daily", "/v1/contacts?page=2")


@dataclass(frozen=True, slots=True)
class Habit:
    """How one key is used: by what, from where, how often, and since when no longer."""

    key: SampleKey
    caller: str  # an integration's name, or `own code`
    user_agent: str
    addresses: tuple[str, ...]
    calls_per_day: float
    last_day: int  # days before now; 0: to this day


def make_habits(company: Sequence[SampleAccount], dice: random.Random) -> list[Habit]:
    """Give each key that is to be retired its use, or none at all."""
    return [habit for a in company for key in a.rest_keys for habit in _habits(key, dice)]


def _habits(key: SampleKey, dice: random.Random) -> Iterator[Habit]:
    kind = dice.choices(("never", "stopped", "own", "integration", "both"), (15, 25, 25, 25, 10))[0]
    if kind in {"own", "both", "stopped"}:
        last_day = dice.randint(40, 80) if kind == "stopped" else 0
        agent = dice.choice(OWN_CODE)
        yield Habit(key, "own code", agent, _addresses(dice, 2), dice.uniform(1, 8), last_day)
    if kind in {"integration", "both"}:
        name, agent = dice.choice(INTEGRATIONS)
        yield Habit(key, name, agent, _addresses(dice, 3), dice.uniform(2, 12), 0)


def _addresses(dice: random.Random, most: int) -> tuple[str, ...]:
    """Return addresses from the ranges that are kept for documentation (RFC 5737)."""
    networks = ("192.0.2", "198.51.100", "203.0.113")
    return tuple(
        f"{dice.choice(networks)}.{dice.randint(1, 254)}" for _ in range(dice.randint(1, most))
    )


def write_logs(habits: Sequence[Habit], now: datetime, folder: Path, dice: random.Random) -> int:
    """Write one combined log per 30 days, gzipped; return how many lines."""
    lines = 0
    for month in range(DAYS // 30):
        path = folder / f"access-{month + 1}.log.gz"
        with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
            for day in range(DAYS - 30 * month, DAYS - 30 * (month + 1), -1):
                for line in _day(habits, day, now, dice):
                    file.write(line)
                    lines += 1
    return lines


def _day(habits: Sequence[Habit], day: int, now: datetime, dice: random.Random) -> Iterator[str]:
    start = now - timedelta(days=day)
    for habit in habits:
        if day <= habit.last_day:
            continue
        for _ in range(round(habit.calls_per_day * dice.uniform(0.5, 1.5))):
            at = start + timedelta(seconds=dice.randint(0, 86_000))
            status = dice.choices((200, 201, 404, 429, 500), (88, 6, 3, 2, 1))[0]
            yield (
                f"{dice.choice(habit.addresses)} - {habit.key.key_id}"
                f" [{at:%d/%b/%Y:%H:%M:%S} +0000] "
                f'"GET {dice.choice(PATHS)} HTTP/1.1" {status} {dice.randint(200, 9000)}'
                f' "-" "{habit.user_agent}"\n'
            )
