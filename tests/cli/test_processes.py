"""``rollout up`` and its parts: what they refuse, and that they start and end together."""

from __future__ import annotations

import json
import signal
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import pytest
from sqlalchemy import create_engine, make_url, text

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from rollout.cli.serving import listen_on
from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine
from tests.support.processes import environment, free_port, rollout, wait_until

PARTS = ["--imap", "clock", "gateway", "mail-in", "web", "worker"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("worker", "--queue", "notice"),
            "no such queue: notice (known: cutoff, notices, webhooks, audit, usage, alarms)",
        ),
        (("worker", "notices"), "unexpected extra argument"),
        (("clock", "--distrust"), "No such option: --distrust"),
        (("clock", "now"), "unexpected extra argument"),
        (("up", "--listen", "127.0.0.1:80"), "No such option: --listen"),
        (("migrate", "head"), "unexpected extra argument"),
        (("upp",), "No such command 'upp'"),
    ],
)
def test_wrong_usage_is_explained_with_exit_2(
    cli: CommandLine, arguments: tuple[str, ...], said: str
) -> None:
    done = cli(*arguments)

    assert (done.code, done.stdout) == (2, "")
    assert said in done.complaint


@pytest.mark.parametrize("command", ["worker", "clock", "up", "migrate", "doctor"])
def test_a_misspelt_setting_is_named_before_anything_starts(cli: CommandLine, command: str) -> None:
    done = cli(command, databse_url="postgresql://localhost/rollout")

    assert (done.code, done.stdout) == (1, "")
    assert "unknown setting ROLLOUT_DATABSE_URL" in done.stderr
    assert "docs/settings.md lists them all" in done.stderr


@pytest.mark.parametrize(
    "url", ["s3cret", "mysql://u:s3cret@h/x", "sqlite:///s3cret", "postgresql://u:p@h:s3cret/x"]
)
def test_a_database_address_that_is_none_is_refused_and_not_repeated(
    cli: CommandLine, url: str
) -> None:
    done = cli("migrate", database_url=url)

    assert (done.code, done.stdout) == (1, "")
    assert "ROLLOUT_DATABASE_URL is no address of a PostgreSQL" in done.stderr
    assert "write postgresql://user:password@host:5432/database" in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("url", ["s3cret", "https://u:s3cret@h/0", "redis://u:p@h:s3cret/0"])
def test_a_valkey_address_that_is_none_is_refused_and_not_repeated(
    cli: CommandLine, url: str
) -> None:
    done = cli("usage", "keys", redis_url=url)

    assert (done.code, done.stdout) == (1, "")
    assert "ROLLOUT_REDIS_URL is no address of a Valkey or Redis" in done.stderr
    assert "s3cret" not in done.stderr


def test_an_empty_database_is_migrated_once(cli: CommandLine, servers: EmbeddedServers) -> None:
    administrator = create_engine(servers.database_url, isolation_level="AUTOCOMMIT")
    url = make_url(servers.database_url).set(database="fresh")
    fresh = url.render_as_string(hide_password=False)
    with administrator.connect() as connection:
        connection.execute(text("CREATE DATABASE fresh"))
    try:
        before = cli("usage", "keys", database_url=fresh)
        first = cli("migrate", database_url=fresh)
        second = cli("migrate", database_url=fresh)
        after = cli("usage", "keys", "--json", database_url=fresh)
    finally:
        with administrator.connect() as connection:
            connection.execute(text("DROP DATABASE fresh WITH (FORCE)"))
        administrator.dispose()

    assert (before.code, "run `rollout migrate`" in before.stderr) == (1, True)
    assert (first.code, first.stdout.startswith("migrated from nothing to ")) == (0, True)
    assert (second.code, second.stdout.startswith("the database is up to date")) == (0, True)
    assert after.json == {"items": []}


def test_a_database_that_is_down_is_not_migrated(cli: CommandLine) -> None:
    done = cli("migrate", database_url="postgresql://u:s3cret@127.0.0.1:1/x")

    assert (done.code, done.stdout) == (1, "")
    assert "the database does not answer" in done.stderr
    assert "s3cret" not in done.stderr


def test_a_stopped_cutoff_goes_on_when_somebody_trusts_the_clock(
    cli: CommandLine, campaign: Campaign
) -> None:
    needless = cli("clock", "--trust")
    with campaign.start() as uow:
        uow.clock.stop("the database's clock jumped", "rollout")
        uow.commit()
    done = cli("clock", "--trust", "--as", "alice")

    assert (needless.code, "cutting is not stopped" in needless.stderr) == (1, True)
    assert (done.code, done.stdout) == (0, "the clock is trusted; cutting goes on\n")
    (fact,) = cli("audit", "list", "--action", "cutting.resumed", "--json").items
    assert fact["actor"] == "alice"


@pytest.mark.parametrize("service", ["web", "gateway", "mail"])
def test_up_names_a_taken_port_before_it_starts_anything(cli: CommandLine, service: str) -> None:
    addresses = {
        f"{name}_listen": f"127.0.0.1:{free_port()}" for name in ("web", "gateway", "mail")
    }
    with listen_on("127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        addresses[f"{service}_listen"] = f"127.0.0.1:{port}"
        done = cli("up", **addresses, bounce_domain="bounces.platform.example")

    assert (done.code, done.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{port}: somebody else listens there" in done.stderr
    assert "ROLLOUT_WEB_LISTEN or ROLLOUT_GATEWAY_LISTEN" in done.stderr


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside of pytest's own, which every other run of pytest closes to servers."""
    with TemporaryDirectory(prefix="rollout-test-") as place:
        yield Path(place)


@pytest.mark.slow
def test_up_starts_everything_keeps_it_alive_and_ends_everything(place: Path) -> None:
    settings = {
        "ROLLOUT_DATA_DIR": f"{place}/data",
        "ROLLOUT_WEB_LISTEN": f"127.0.0.1:{free_port()}",
        "ROLLOUT_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
        "ROLLOUT_MAIL_LISTEN": f"127.0.0.1:{free_port()}",
        "ROLLOUT_BOUNCE_DOMAIN": "bounces.platform.example",
        "ROLLOUT_IMAP_URL": f"imap://user:s3cret@127.0.0.1:{free_port()}/INBOX",
    }
    with running_up(settings, place / "said") as up:
        wait_until(lambda: all_well(settings), 120)
        servers = running_servers(place / "data")
        first = parts(up)
        killed = ("gateway", "mail-in")
        for name in killed:
            first[name].kill()
        wait_until(lambda: all(parts(up).get(n) not in {None, first[n]} for n in killed), 60)
        wait_until(lambda: answers(settings["ROLLOUT_GATEWAY_LISTEN"]), 60)
        wait_until(lambda: greets(settings["ROLLOUT_MAIL_LISTEN"]), 60)
        last = parts(up)
        up.send_signal(signal.SIGTERM)
        code = up.wait(60)

    said = (place / "said").read_text()
    assert f"http://{settings['ROLLOUT_WEB_LISTEN']}/healthz" in said
    assert f"servers  embedded, under {place}/data\n" in said
    assert f"mail-in  smtp://{settings['ROLLOUT_MAIL_LISTEN']}\n" in said
    assert "mail-in  INBOX at 127.0.0.1" in said
    assert "mail-in  not run" not in said
    assert "s3cret" not in said
    assert code == 0
    assert None not in servers.values()
    assert running_servers(place / "data") == {"PostgreSQL": None, "Valkey": None}
    assert sorted(last) == PARTS
    assert not any(part.is_running() for part in (*first.values(), *last.values()))


def test_up_says_that_nothing_reads_mail_that_comes_back(cli: CommandLine, place: Path) -> None:
    ports = {
        "ROLLOUT_WEB_LISTEN": f"127.0.0.1:{free_port()}",
        "ROLLOUT_GATEWAY_LISTEN": f"127.0.0.1:{free_port()}",
    }
    with running_up(cli.settings | ports, place / "said"):
        wait_until(lambda: "Ctrl-C ends" in (place / "said").read_text(), 60)

    assert "mail-in  not run: neither ROLLOUT_BOUNCE_DOMAIN nor" in (place / "said").read_text()


def test_up_names_a_wrong_mailbox_before_it_starts_anything(cli: CommandLine) -> None:
    done = cli("up", imap_url="pop3://user:s3cret@mail.example.com")

    assert (done.code, done.stdout) == (1, "")
    assert "ROLLOUT_IMAP_URL" in done.stderr
    assert "s3cret" not in done.stderr


@contextmanager
def running_up(settings: dict[str, str], said: Path) -> Iterator[subprocess.Popen[bytes]]:
    with said.open("wb") as file:
        up = subprocess.Popen(
            rollout("up"), env=environment(settings), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield up
    finally:
        up.terminate()  # politely, even where a test has failed: it ends its parts
        up.wait(120)


def all_well(settings: dict[str, str]) -> bool:
    """Ask another command, which finds the servers; the doctor knows of clock and worker."""
    asked = subprocess.run(
        rollout("doctor", "--json"), env=environment(settings), capture_output=True, check=False
    )
    if asked.returncode != 0:
        return False
    health = {item["subject"]: item["health"] for item in json.loads(asked.stdout)["items"]}
    return (
        health["clock"] == health["worker"] == "ok"
        and answers(settings["ROLLOUT_WEB_LISTEN"], "readyz")
        and answers(settings["ROLLOUT_GATEWAY_LISTEN"])
    )


def answers(address: str, path: str = "healthz") -> bool:
    try:
        return httpx.get(f"http://{address}/{path}", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def greets(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        with smtplib.SMTP(host, int(port), timeout=5) as line:
            return line.noop()[0] == 250
    except OSError:
        return False


def parts(up: subprocess.Popen[bytes]) -> dict[str, psutil.Process]:
    """The processes that `up` has started, by name; a dead one is left out."""
    found = {}
    for child in psutil.Process(up.pid).children():
        with suppress(psutil.Error):
            words = [word.removeprefix("workers.") for word in child.cmdline()]
            found |= {word: child for word in words[-1:] if word in PARTS}
    return found
