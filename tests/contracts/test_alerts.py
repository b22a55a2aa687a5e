"""What tells operators keeps its promises: the shipped fake, and Apprise before a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from rollout.adapters.alerts import AppriseAlerts
from rollout.domain.alarms import Alert
from rollout.services.ports.alarms import Alerts
from rollout.testing import FakeAlerts
from tests.support.http_receiver import HttpReceiver

ALERT = Alert("the mail server takes nothing", "since noon\n\nWhat to do: look, näturally")


@dataclass
class Channel:
    """Two addresses, what each was told, and a way to break the second and to mend it."""

    alerts: Alerts
    told: Callable[[], tuple[list[str], list[str]]]
    broken: Callable[[bool], None]


@contextmanager
def fake_channel() -> Iterator[Channel]:
    alerts = FakeAlerts("json (1st)", "json (2nd)")

    def told() -> tuple[list[str], list[str]]:
        first, second = (
            [alert.text for to, alert in alerts.told if to == name] for name in alerts.addresses()
        )
        return first, second

    def broken(so: bool) -> None:  # noqa: FBT001
        alerts.broken = {"json (2nd)"} if so else set()

    yield Channel(alerts, told, broken)


@contextmanager
def real_channel() -> Iterator[Channel]:
    with HttpReceiver() as first, HttpReceiver() as second:
        urls = f"json://{first.address}/s3cret, json://{second.address}/s3cret"
        alerts = AppriseAlerts("ROLLOUT_ALERT_URLS", urls, b"key", "production")

        def broken(so: bool) -> None:  # noqa: FBT001
            second.status = 503 if so else 200

        yield Channel(
            alerts,
            lambda: (
                [posted["message"] for posted in first.posted],
                [posted["message"] for posted in second.posted],
            ),
            broken,
        )


@pytest.fixture(params=[fake_channel, real_channel], ids=["fake", "real"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    with request.param() as channel:
        yield channel


def test_every_address_is_told_each_time(channel: Channel) -> None:
    for _ in range(2):
        told = channel.alerts.tell(ALERT)
        assert (len(told.reached), told.failed) == (2, ())

    assert channel.told() == ([ALERT.text] * 2, [ALERT.text] * 2)


def test_one_that_fails_is_named_and_does_not_keep_the_others_from_it(channel: Channel) -> None:
    channel.broken(True)
    told = channel.alerts.tell(ALERT)

    assert (len(told.reached), told.failed) == (1, ("json (2nd)",))
    assert channel.told() == ([ALERT.text], [])


def test_whoever_has_it_already_is_left_out(channel: Channel) -> None:
    channel.broken(True)
    first = channel.alerts.tell(ALERT)
    channel.broken(False)
    second = channel.alerts.tell(ALERT, first.reached)

    assert (len(second.reached), second.failed) == (1, ())
    assert not first.reached & second.reached
    assert channel.told() == ([ALERT.text], [ALERT.text])


def test_addresses_are_called_by_names_that_give_nothing_away(channel: Channel) -> None:
    assert list(channel.alerts.addresses()) == ["json (1st)", "json (2nd)"]
