"""AWS CloudFront standard logs: fields between tabs, which a ``#Fields:`` line names.

CloudFront logs no user, so that a key is seen only where its id stands in the URL (``url_keys``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import unquote

from rollout.adapters.feeds.instants import Epoch, Iso
from rollout.adapters.feeds.lines import Line, numbered_lines
from rollout.adapters.feeds.reading import LONGEST_FIELD, digest_record, field
from rollout.adapters.feeds.url_keys import key_in_query
from rollout.domain.usage import Sighting
from rollout.domain.usage.endpoints import endpoint_of
from rollout.services.ports import Keyless, Log, Reading, Unreadable

FIELDS = "#Fields:"
ENCODED = 9  # characters in which one of a user agent may be written: %25C3%25BC is two
MOST_FIELDS = 200
REFUSALS = ("401", "403")
_INSTANT, _SECONDS = Iso(), Epoch(1)


class CloudFront:
    """Implements ``services.ports.UsageFeed``."""

    name = "cloudfront"
    by_line = False  # the first lines say what stands where in the others

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        names: list[str] = []
        for line in numbered_lines(log):
            if isinstance(line, Unreadable):
                yield line
            elif line.raw.startswith(b"#"):  # again and again, where files were put together
                text = line.raw[:10_000].decode("utf-8", "replace")
                if text.startswith(FIELDS):
                    names = text.removeprefix(FIELDS).split()[:MOST_FIELDS]
            else:
                yield _reading(line, names)


def _reading(line: Line, names: list[str]) -> Reading:
    if not names:
        return line.unreadable("no #Fields line stands before it")
    cells = line.raw.decode("utf-8", "replace").split("\t", len(names))
    if len(cells) != len(names):
        return line.unreadable(f"has {len(cells)} fields, not {len(names)}")
    record = {name: "" if cell == "-" else cell for name, cell in zip(names, cells, strict=True)}
    at = _instant(record)
    if at is None:
        return line.unreadable("date and time are missing or cannot be read")
    user_agent = _decoded(record.get("cs(User-Agent)", ""))
    network = field(record.get("c-ip", ""))
    key_id = field(key_in_query(record.get("cs-uri-query", "")))
    if not key_id:
        return Keyless(at, user_agent, network)
    return Sighting(
        key_id=key_id,
        at=at,
        user_agent=user_agent,
        network=network,
        refused=record.get("sc-status") in REFUSALS,
        account_id=None,
        event=digest_record(line.raw),
        own_id=False,
        endpoint=endpoint_of(record.get("cs-method", ""), record.get("cs-uri-stem", "")),
    )


def _instant(record: dict[str, str]) -> datetime | None:
    if record.get("date"):
        return _INSTANT(f"{record['date']} {record.get('time', '')}")
    return _SECONDS(record.get("timestamp", ""))


def _decoded(text: str) -> str:
    """Undo the percent encoding of a header, which older logs have twice."""
    once = unquote(text[: ENCODED * LONGEST_FIELD], errors="replace")
    return field(unquote(once, errors="replace") if "%2520" in text else once)
