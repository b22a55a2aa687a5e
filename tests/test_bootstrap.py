"""The composition root refuses what must not be wired."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import bootstrap
from rollout.domain.errors import BadInput, Refused, Unavailable
from rollout.settings import Settings
from tests.support.cast import NOW
from tests.support.database import set_clock


def settings(database_url: str, servers: EmbeddedServers, **more: str) -> Settings:
    return Settings.from_environment(
        {
            "ROLLOUT_ENVIRONMENT": "production",
            "ROLLOUT_DATABASE_URL": database_url,
            "ROLLOUT_REDIS_URL": servers.redis_url,
            "ROLLOUT_SMTP_URL": "smtp://127.0.0.1:2525",
            "ROLLOUT_PEPPER": "0123456789abcdef",
            **more,
        }
    )


def test_production_refuses_a_database_on_shifted_time(
    database_url: str, servers: EmbeddedServers, engine: Engine
) -> None:
    with bootstrap(settings(database_url, servers)):
        pass  # as it should be
    set_clock(engine, NOW)
    with (
        pytest.raises(Refused, match="rehearsal database"),
        bootstrap(settings(database_url, servers)),
    ):
        pass


def test_a_database_without_tables_is_named_with_the_way_out(servers: EmbeddedServers) -> None:
    empty = servers.database_url.replace("/rollout?", "/postgres?")
    with pytest.raises(Unavailable) as refused, bootstrap(settings(empty, servers)):
        pass
    assert refused.value.fix == "run `rollout migrate`"


def test_a_short_pepper_is_refused(
    database_url: str, servers: EmbeddedServers, tmp_path: Path
) -> None:
    given = settings(database_url, servers, ROLLOUT_PEPPER="short", ROLLOUT_DATA_DIR=str(tmp_path))
    with pytest.raises(BadInput, match="it needs 16"), bootstrap(given):
        pass


def test_production_refuses_embedded_servers() -> None:
    with pytest.raises(BadInput, match="ROLLOUT_DATABASE_URL"):
        Settings.from_environment({"ROLLOUT_ENVIRONMENT": "production"})


def test_a_misspelt_setting_is_named() -> None:
    with pytest.raises(BadInput, match="ROLLOUT_SMTP_ULR"):
        Settings.from_environment({"ROLLOUT_SMTP_ULR": "smtp://localhost"})


def test_a_setting_can_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "pepper"
    secret.write_text("0123456789abcdef\n")
    assert Settings.from_environment({"ROLLOUT_PEPPER_FILE": str(secret)}).pepper == (
        "0123456789abcdef"
    )
    with pytest.raises(BadInput, match="cannot read") as refused:
        Settings.from_environment({"ROLLOUT_PEPPER_FILE": str(tmp_path / "none")})
    assert refused.value.fix == "name a file that this user may read, or set ROLLOUT_PEPPER"


@pytest.mark.parametrize("text", ["soon", "-1", "inf", ""])
def test_a_length_of_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_POLL"):
        Settings.from_environment({"ROLLOUT_POLL": text})


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        *(("ROLLOUT_LETTERS_PER_DAY", text, "a whole number") for text in ("many", "0.5", "-1")),
        *(("ROLLOUT_POLL", text, "a number") for text in ("soon", "-1", "nan", "inf")),
    ],
)
def test_a_number_that_is_none_is_refused_with_a_way_out(
    variable: str, text: str, wanted: str
) -> None:
    with pytest.raises(BadInput, match=f"{variable} is '{text}'") as refused:
        Settings.from_environment({variable: text})
    assert refused.value.fix == f"give {wanted}, such as 30"


@pytest.mark.parametrize(
    "url",
    [
        *("", "rollout.example.com", "https://", "ftp://rollout.example.com", "https://a b"),
        *("http://rollout.example.com", "https://rollout.example.com?a", "https://a.example#a"),
        *("https://me:secret@rollout.example.com", "https://rollout.example.com:port"),
        *("https://[::1", "https://rollout.example.com:", "https://rollout.example.com\n"),
        *("https://a.example/ü", "https://a.example/x>", "https://a.example/\r\nBcc: b@c.example"),
    ],
)
def test_a_public_address_to_which_nobody_could_be_sent_is_refused_with_a_way_out(url: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_PUBLIC_URL is not an https address") as refused:
        Settings.from_environment({"ROLLOUT_PUBLIC_URL": url})
    assert refused.value.fix == (
        "write it like https://rollout.example.com, or https://example.com/rollout"
    )


@pytest.mark.parametrize(
    "url", ["https://rollout.example.com", "https://example.com:8443/rollout/"]
)
def test_a_public_address_is_kept_as_it_is(url: str) -> None:
    assert Settings.from_environment({"ROLLOUT_PUBLIC_URL": url}).public_url == url


def test_settings_do_not_show_secrets() -> None:
    secret = "0123456789abcdef"
    assert secret not in repr(Settings.from_environment({"ROLLOUT_PEPPER": secret}))


@pytest.mark.parametrize("domain", ["", "a@b.example", "bücher.example", "x y"])
def test_a_bounce_domain_that_is_none_is_refused_with_a_way_out(
    database_url: str, servers: EmbeddedServers, domain: str
) -> None:
    given = settings(database_url, servers, ROLLOUT_BOUNCE_DOMAIN=domain)
    with (
        pytest.raises(BadInput, match="ROLLOUT_BOUNCE_DOMAIN is not a domain") as refused,
        bootstrap(given),
    ):
        pass
    assert refused.value.fix == "write it like bounces.example.com"


def test_limits_that_are_none_are_refused_with_a_way_out(
    database_url: str, servers: EmbeddedServers
) -> None:
    given = settings(database_url, servers, ROLLOUT_MAIL_RATES="gmail.com=fast")
    with (
        pytest.raises(BadInput, match=r"ROLLOUT_MAIL_RATES: 'gmail\.com=fast' has no") as refused,
        bootstrap(given),
    ):
        pass
    assert "write it like gmail.com=20/s" in (refused.value.fix or "")
