"""Alerts through Apprise: what is sent, and that no address is ever shown."""

from __future__ import annotations

import logging

import pytest
import structlog

from rollout.adapters.alerts import AppriseAlerts
from rollout.domain.alarms import Alert
from rollout.domain.errors import BadInput
from tests.support.http_receiver import HttpReceiver
from tests.support.smtp_server import SmtpServer

ALERT = Alert("the mail server takes nothing", "since noon")
NOWHERE = "json://127.0.0.1:1/s3cret?cto=1&rto=1"


def alerts(urls: str) -> AppriseAlerts:
    return AppriseAlerts("ROLLOUT_ALERT_URLS", urls, b"key", "production")


def test_an_alert_says_of_which_installation_it_is_and_whether_it_is_bad_news() -> None:
    with HttpReceiver() as receiver:
        channel = alerts(f"json://{receiver.address}")
        channel.tell(ALERT)
        channel.tell(Alert("Over: the mail server takes nothing", "since one", over=True))

    assert [(p["title"], p["message"], p["type"]) for p in receiver.posted] == [
        ("[Rollout production] the mail server takes nothing", "since noon", "failure"),
        ("[Rollout production] Over: the mail server takes nothing", "since one", "success"),
    ]


def test_an_alert_goes_out_by_mail() -> None:
    with SmtpServer() as server:
        told = alerts(
            f"mailto://{server.address}?from=rollout@platform.example&to=ops@platform.example"
            "&mode=insecure"
        ).tell(ALERT)
        assert told.failed == ()
        [received] = server.wait_for(1)

    assert received.recipient == "ops@platform.example"
    assert received.message["Subject"] == "[Rollout production] the mail server takes nothing"
    assert "since noon" in received.raw.decode()


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n", " ,\n "])
def test_urls_are_separated_by_whatever_people_write(between: str) -> None:
    urls = ["json://a.example", "mailto://u:p@b.example?to=x@c.example,y@c.example", NOWHERE]

    assert list(alerts(f" {between.join(urls)}, ").addresses()) == [
        *("json (1st)", "mailto (2nd)", "json (3rd)")
    ]


def test_no_url_is_no_address() -> None:
    assert list(alerts("").addresses()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        "http://s3cret.example/hook",
        "slack://s3cret",
        "mailto://u:s3cret@",
        "nonsense://s3cret",
    ],
)
def test_a_url_that_cannot_be_used_is_an_error_that_does_not_repeat_it(
    wrong: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput, match="the 2nd of 2 is no URL that Apprise knows") as raised:
        alerts(f"json://a.example {wrong}")

    said = str(raised.value) + str(raised.value.fix) + caplog.text + "".join(capfd.readouterr())
    assert "s3cret" not in said


@pytest.mark.parametrize("wrong", ["s3cret", "s3cret json://b.example", "json://a.example s3cret"])
def test_what_is_no_url_at_all_is_not_passed_over(wrong: str) -> None:
    with pytest.raises(BadInput, match=r"the 1st of [12] is no URL") as raised:
        alerts(wrong)
    assert "s3cret" not in str(raised.value)


def test_what_is_not_taken_is_logged_without_its_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    told = alerts(NOWHERE).tell(ALERT)

    assert told.failed == ("json (1st)",)
    assert "127.0.0.1" not in caplog.text + "".join(capfd.readouterr())
    assert "s3cret" not in repr(alerts(NOWHERE)._addresses)


def test_a_plugin_that_raises_has_not_told() -> None:
    channel = alerts(NOWHERE)
    [address] = channel._addresses
    address.plugin.socket_connect_timeout = "nonsense"

    with structlog.testing.capture_logs() as logs:
        assert channel.tell(ALERT).failed == ("json (1st)",)
    assert [(entry["address"], entry["why"]) for entry in logs] == [("json (1st)", "ValueError")]


def test_an_address_that_says_nothing_is_given_up_after_its_time_out() -> None:
    with HttpReceiver() as receiver:
        receiver.hang = True
        told = alerts(f"json://{receiver.address}?rto=0.2").tell(ALERT)

    assert told.failed == ("json (1st)",)
