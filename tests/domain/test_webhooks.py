"""Which addresses are called, with what is signed, and when an attempt is repeated."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.errors import BadInput, Refused, RolloutError
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.attempts import ATTEMPTS, DELAYS, Answer, Ending, delay
from rollout.domain.webhooks.secrets import Generation, WebhookSecrets

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PUBLIC = Reach()
HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("url", "written", "hint"),
    [
        (
            "HTTPS://Hooks.Acme.example",
            "https://hooks.acme.example/",
            "https://hooks.acme.example/…",
        ),
        ("https://a.example:443/x?y=1", "https://a.example/x?y=1", "https://a.example/…"),
        ("https://a.example?y=1", "https://a.example/?y=1", "https://a.example/…"),
        (
            "https://hooks.slack.com/services/T0/B0/XyZ123abc",
            "https://hooks.slack.com/services/T0/B0/XyZ123abc",
            "https://hooks.slack.com/…3abc",
        ),
        (
            "https://[2606:4700::1111]:8443/in",
            "https://[2606:4700::1111]:8443/in",
            "https://[2606:4700::1111]:8443/…",
        ),
    ],
)
def test_an_address_is_written_in_one_way_and_shown_by_its_server(
    url: str, written: str, hint: str
) -> None:
    address = PUBLIC.read(url)
    assert (address.url, address.hint) == (written, hint)
    assert PUBLIC.read(written) == address


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks.acme.example", "ftp://a.example/", "https:///x", "https://a.example:0/"),
        *("https://user:pass@a.example/", "https://a.example/#x", "https://a.example/ x"),
        *("https://a.example:99999/", "https://ä.example/", "https://a.example/\r\nHost: b"),
        *("https://a.example\\@b.example/", "https://a.example/" + "x" * 2_000),
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        PUBLIC.read(url)
    assert "pass" not in refused.value.message
    assert refused.value.fix


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.1.2.3"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "fd00:ec2::254"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::"),
    ],
)
def test_no_name_leads_into_a_network_that_is_not_public(ip: str) -> None:
    assert not PUBLIC.permits("hooks.acme.example", ip)
    assert Reach(frozenset({"hooks.acme.example"})).permits("hooks.acme.example", ip)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_what_is_public_may_be_called(ip: str) -> None:
    assert PUBLIC.permits("hooks.acme.example", ip)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254"])
def test_an_address_that_is_private_by_itself_is_refused_at_once(url: str) -> None:
    with pytest.raises(Refused) as refused:
        PUBLIC.read(url)
    assert "ROLLOUT_WEBHOOK_PRIVATE_HOSTS" in (refused.value.fix or "")
    hosts = frozenset({"127.0.0.1", "::1", "169.254.169.254"})
    assert Reach(hosts).read(url)


def test_http_is_for_trying_out_on_this_machine_only() -> None:
    trying = Reach(trying_out=True)
    assert trying.read("http://127.0.0.1:8000/x").url == "http://127.0.0.1:8000/x"
    assert trying.permits("127.0.0.1", "127.0.0.1")
    for reach, url in [
        (trying, "http://localhost/"),
        (trying, "http://hooks.acme.example/"),
        (PUBLIC, "http://127.0.0.1:8000/x"),
        (Reach(frozenset({"intern.example"})), "http://intern.example/"),
    ]:
        with pytest.raises(RolloutError):
            reach.read(url)
    assert not trying.permits("evil.example", "127.0.0.1")
    assert not trying.permits("127.0.0.1", "10.0.0.1")


def test_a_secret_is_another_for_each_endpoint_generation_and_pepper() -> None:
    secrets = WebhookSecrets(b"k" * 32)
    made = {secrets.of(7, 1), secrets.of(7, 2), secrets.of(8, 1), WebhookSecrets(b"l").of(7, 1)}

    assert len(made) == 4
    assert secrets.of(7, 1) in made
    assert all(secret.startswith("whsec_") for secret in made)
    assert {len(b64decode(secret.removeprefix("whsec_"))) for secret in made} == {32}
    assert "kkkk" not in repr(secrets)


def test_the_secret_before_signs_for_a_day() -> None:
    assert Generation(1, NOW).valid(NOW) == (1,)
    assert Generation(3, NOW).valid(NOW + 24 * HOURS - timedelta(seconds=1)) == (3, 2)
    assert Generation(3, NOW).valid(NOW + 24 * HOURS) == (3,)


def test_attempts_are_spread_over_three_days_and_end() -> None:
    waits = [delay("msg_1", attempts) for attempts in range(1, ATTEMPTS)]
    spread = [wait / planned for wait, planned in zip(waits, DELAYS, strict=True) if wait]

    assert len(spread) == 9
    assert all(1 <= factor <= 1.1 for factor in spread)
    assert len(set(spread)) == 9
    assert timedelta(days=3) < sum(DELAYS, timedelta(0)) < timedelta(days=3.2)
    assert delay("msg_1", ATTEMPTS) is None
    assert delay("msg_1", ATTEMPTS, HOURS) is None
    assert delay("msg_1", 1) != delay("msg_2", 1)


def test_a_server_may_ask_for_a_longer_wait_but_for_no_shorter_one() -> None:
    assert delay("msg_1", 1, HOURS) == HOURS
    assert delay("msg_1", 1, 100 * HOURS) == 24 * HOURS
    assert (delay("msg_1", 9, timedelta(0)) or HOURS) >= 24 * HOURS


@pytest.mark.parametrize(
    ("status", "ending"),
    [
        (200, Ending.DELIVERED),
        (204, Ending.DELIVERED),
        (410, Ending.GONE),
        *[(status, Ending.AGAIN) for status in (None, 100, 301, 302, 400, 404, 429, 500, 503)],
    ],
)
def test_only_a_2xx_means_that_it_was_taken(status: int | None, ending: Ending) -> None:
    assert Answer(status, "").ending is ending
