"""Alerts through Apprise: one URL for each channel, whatever it is.

A URL is a secret as a whole: its host may name a person, its path may be a token. So an address is
called by its scheme and its place in the setting, and known by a keyed digest.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from rollout.domain.alarms import Alert
from rollout.domain.errors import BadInput
from rollout.services.ports.alarms import Told

if TYPE_CHECKING:
    from apprise import NotifyBase

log = structlog.get_logger()

_SEPARATOR = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")  # a URL may hold commas
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")


@dataclass(frozen=True, slots=True)
class _Address:
    name: str  # such as `slack (2nd)`
    digest: str
    plugin: NotifyBase = field(repr=False)


class AppriseAlerts:
    """Implements ``services.ports.alarms.Alerts``.

    Each URL has time-outs of its own (``?cto=`` and ``?rto=``, of a few seconds).
    """

    def __init__(self, setting: str, urls: str, key: bytes, environment: str) -> None:
        """Read the URLs of a setting; raise ``BadInput``, which repeats none, for a wrong one."""
        self._addresses = tuple(_read(setting, urls, key))
        self._environment = environment

    def addresses(self) -> Sequence[str]:
        """Return what each address is called: never the address itself."""
        return [address.name for address in self._addresses]

    def tell(self, alert: Alert, without: Collection[str] = ()) -> Told:
        """Tell every address but those with these ids; it blocks for as long as they take."""
        reached, failed = set(), []
        for address in self._addresses:
            if address.digest in without:
                continue
            if self._send(address, alert):
                reached.add(address.digest)
            else:
                failed.append(address.name)
        return Told(frozenset(reached), tuple(failed))

    def _send(self, address: _Address, alert: Alert) -> bool:
        title = f"[Rollout {self._environment}] {alert.title}"
        kind = "success" if alert.over else "failure"
        try:
            return bool(address.plugin.notify(title=title, body=alert.text, notify_type=kind))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, with its URL in it
            log.warning("alerts.failed", address=address.name, why=type(error).__name__)
            return False


def _read(setting: str, urls: str, key: bytes) -> Iterator[_Address]:
    given = [url for url in _SEPARATOR.split(urls.strip().strip(",")) if url]
    for place, url in enumerate(given, start=1):
        scheme = _SCHEME.match(url)
        plugin = _plugin(url) if len(url.split()) == 1 else None
        if plugin is None or scheme is None:
            raise BadInput(
                f"{setting}: the {_nth(place)} of {len(given)} is no URL that Apprise knows"
                " (it may be a secret, and is not repeated here)",
                fix="write it like slack://TokenA/TokenB/TokenC or mailto://user:password@host;"
                " `@`, `/` and `,` in a password are written %40, %2F and %2C",
            )
        digest = hmac.digest(key, b"alert address\0" + url.encode(), "sha256").hex()[:16]
        yield _Address(f"{scheme[0].lower()} ({_nth(place)})", digest, plugin)


def _plugin(url: str) -> NotifyBase | None:
    """Return what sends to a URL. Apprise takes a moment to load, so it is where there is one."""
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415

    # What it logs may repeat an address; what went wrong is told in our own words.
    logging.getLogger("apprise").disabled = True
    asset = AppriseAsset(app_id="Rollout", app_desc="Rollout", app_url="", storage_mode="memory")
    return Apprise.instantiate(url, asset=asset)


def _nth(place: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{'th' if place % 100 in (11, 12, 13) else ending}"
