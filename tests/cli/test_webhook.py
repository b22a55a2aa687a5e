"""``rollout webhook``: what an operator types, sees, and gets wrong."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from rollout.adapters.webhooks.seals import AddressSeals
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN, bring_on
from tests.support.command_line import CommandLine
from tests.support.database import digests
from tests.support.webhook_server import WebhookServer, answer

SLACK = "https://hooks.slack.com/services/T0/B0/XyZ123abc"
PRODUCTION = {
    "environment": "production",
    "smtp_url": "smtp://127.0.0.1:1",
    "pepper": "a pepper of sixteen or more",
}


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _cast(campaign: Campaign) -> None:
    bring_on(campaign.engine)


def facts(campaign: Campaign) -> list[tuple[str, str, str | None]]:
    return [
        (actor, action, reason)
        for actor, action, reason in campaign.rows(
            "SELECT actor, action, reason FROM facts"
            " WHERE action LIKE 'webhook.%' AND subject = 'account:acme' ORDER BY seq"
        )
    ]


def announced(cli: CommandLine, campaign: Campaign, server: WebhookServer) -> int:
    """Add a webhook and let its first event wait; return its number."""
    number: int = cli("webhook", "add", "acme", server.url, "--json").json["endpoint_id"]
    campaign.at(NOW)
    campaign.plan.apply(PLAN, "plan.yaml", "olga")
    campaign.remind()
    return number


def test_a_webhook_from_its_first_day_to_its_last(
    cli: CommandLine, campaign: Campaign, server: WebhookServer
) -> None:
    added = cli("webhook", "add", "acme", server.url, "--json").json
    number = added["endpoint_id"]
    assert added == {
        "endpoint_id": number,
        "account_id": "acme",
        "kind": "standard",
        "hint": f"http://127.0.0.1:{server.port}/…",
    }
    secret = cli("webhook", "secret", number).stdout.strip()
    assert secret.startswith("whsec_")
    assert cli("webhook", "secret", number, "--renew").stdout.strip() != secret
    assert f"{added['hint']} answered: 200 OK: ok" in cli("webhook", "test", number).stdout
    reason = ("--reason", "asked for")
    assert cli("webhook", "disable", number, *reason).code == 0
    [listed] = cli("webhook", "list", "acme", "--json").items
    assert (listed["state"], listed["reason"], listed["added_by"]) == (
        *("disabled", "asked for"),
        "olga",
    )
    assert cli("webhook", "enable", number, "--as", "bob").code == 0
    assert cli("webhook", "remove", number, *reason).code == 0

    assert cli("webhook", "list", "--json").items == []
    assert facts(campaign) == [
        ("olga", "webhook.added", None),
        ("olga", "webhook.secret-renewed", None),
        ("olga", "webhook.tested", None),
        ("olga", "webhook.disabled", "asked for"),
        ("bob", "webhook.enabled", None),
        ("olga", "webhook.removed", "asked for"),
    ]
    assert campaign.rows("SELECT sealed, digest FROM webhook_endpoints") == [(None, None)]


def test_no_address_and_no_secret_stands_in_the_database_or_on_the_screen(
    cli: CommandLine, campaign: Campaign
) -> None:
    added = cli("webhook", "add", "acme", SLACK, "--kind", "slack")
    shown = cli("webhook", "list").stdout + cli("webhook", "list", "--json").stdout
    stored = " ".join(
        str(campaign.rows(f"SELECT t::text FROM {table} t")) for table in digests(campaign.engine)
    )

    assert "https://hooks.slack.com/…3abc" in added.stdout
    for text in (added.stdout, shown, stored):
        assert "XyZ123" not in text
        assert "services/T0" not in text
    assert SLACK.encode().hex() not in stored
    ((sealed,),) = campaign.rows("SELECT sealed FROM webhook_endpoints")
    pepper = (cli.settings["ROLLOUT_DATA_DIR"] + "/pepper", "rb")
    with open(*pepper) as file:  # noqa: PTH123
        seals = AddressSeals(file.read())
    assert seals.open("acme", sealed) == SLACK


def test_an_address_may_come_by_standard_input_where_no_history_keeps_it(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(SLACK + "\n"))
    assert cli("webhook", "add", "acme", "-", "--kind", "slack").code == 0
    [listed] = cli("webhook", "list", "--json").items
    assert listed["hint"] == "https://hooks.slack.com/…3abc"


def test_a_test_that_is_not_taken_is_a_failure_that_says_what_came_back(
    cli: CommandLine, server: WebhookServer
) -> None:
    number = cli("webhook", "add", "acme", server.url, "--json").json["endpoint_id"]
    server.always(answer(404, "no_service"))

    done = cli("webhook", "test", number, "--json")
    assert (done.code, done.json["taken"], done.json["status"]) == (1, False, 404)
    assert "did not take it: 404 Not Found: no_service" in done.complaint


def test_deliveries_are_listed_also_of_a_webhook_that_is_removed(
    cli: CommandLine, campaign: Campaign, server: WebhookServer
) -> None:
    number = announced(cli, campaign, server)
    cli("webhook", "remove", number, "--reason", "gone")

    [delivery] = cli("webhook", "deliveries", number, "--json").items
    assert (delivery["step"], delivery["state"]) == ("announcement", "skipped")
    assert delivery["reason"] == "its endpoint is removed: gone"
    assert cli("webhook", "deliveries", "--state", "failed", "--json").items == []
    assert "announcement" in cli("webhook", "deliveries").stdout


def test_what_was_skipped_is_sent_again_once_the_webhook_is_on(
    cli: CommandLine, campaign: Campaign, server: WebhookServer
) -> None:
    number = announced(cli, campaign, server)
    cli("webhook", "disable", number, "--reason", "they move house")
    assert "`rollout webhook enable" in cli("webhook", "resend", number).complaint
    cli("webhook", "enable", number)

    again = cli("webhook", "resend", number, "--json").json
    [delivery] = cli("webhook", "deliveries", number, "--json").items
    assert again == {"endpoint_id": number, "deliveries": [delivery["delivery_id"]]}
    assert (delivery["state"], delivery["attempts"], delivery["reason"]) == ("pending", 0, None)
    [listed] = cli("account", "show", "acme", "--json").json["webhooks"]
    assert (listed["endpoint_id"], listed["hint"]) == (number, f"http://127.0.0.1:{server.port}/…")
    assert f"http://127.0.0.1:{server.port}/…" in cli("account", "show", "acme").stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("add", "nobody", SLACK), "there is no account 'nobody'"),
        (("add", "acme", "hooks.example"), "not the address of a webhook"),
        (("add", "acme", "http://hooks.example/"), "read and forged by everybody"),
        (("add", "acme", "https://10.0.0.1/"), "no public address"),
        (("add", "acme", SLACK), "has a webhook with this address already"),
        (("list", "nobody"), "there is no account 'nobody'"),
        (("secret", "4711"), "there is no webhook 4711"),
        (("deliveries", "4711"), "there is no webhook 4711"),
        (("secret", "{slack}"), "not signed"),
        (("secret", "{removed}"), "was removed"),
        (("test", "{removed}"), "was removed"),
        (("resend", "4711"), "there is no webhook 4711"),
        (("resend", "{removed}"), "was removed"),
        (("resend", "{slack}"), "has no such delivery: one that failed or was skipped"),
        (("resend", "{slack}", "7", "5"), "has no such delivery as 5, 7"),
        (("enable", "{slack}"), "is active already"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(
    cli: CommandLine, command: tuple[str, ...], said: str
) -> None:
    numbers = {}
    for name, url in (("slack", SLACK), ("removed", "https://other.example/")):
        added = cli("webhook", "add", "acme", url, "--kind", "slack", "--json")
        numbers[name] = added.json["endpoint_id"]
    cli("webhook", "remove", numbers["removed"], "--reason", "gone")

    done = cli("webhook", *(word.format(**numbers) for word in command))
    assert done.code == 1
    assert said in done.complaint


def test_another_pepper_cannot_read_the_address_and_says_so(
    cli: CommandLine, server: WebhookServer
) -> None:
    number = cli("webhook", "add", "acme", server.url, "--json").json["endpoint_id"]
    done = cli("webhook", "test", number, pepper="another pepper of sixteen")

    assert done.code == 1
    assert "kept under another ROLLOUT_PEPPER" in done.complaint
    assert server.received == []


def test_production_calls_nobody_without_tls_and_private_hosts_only_by_name(
    cli: CommandLine, server: WebhookServer
) -> None:
    assert (
        "forged by everybody" in cli("webhook", "add", "acme", server.url, **PRODUCTION).complaint
    )
    inside = f"https://127.0.0.1:{server.port}/"
    assert "no public address" in cli("webhook", "add", "acme", inside, **PRODUCTION).complaint
    hosts = {"webhook_private_hosts": "intern.example, 127.0.0.1"}
    assert cli("webhook", "add", "acme", inside, **PRODUCTION, **hosts).code == 0
