"""docker-compose.yml and the image hold together: by the Compose schema, and by what they name."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli.main import app
from rollout.settings import Settings
from tests.house_rules.checkout import ROOT, tracked_files
from tests.house_rules.tools import tool

COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SERVING = ["postgres", "valkey", "mailpit", "web", "gateway", "mail-in", "nginx"]


def check_schema(path: str) -> subprocess.CompletedProcess[str]:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_compose_file_is_valid_by_the_compose_schema() -> None:
    checked = check_schema(str(COMPOSE))

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_schema_refuses_a_misspelt_key(tmp_path: Any) -> None:
    misspelt = tmp_path / "docker-compose.yml"
    text = COMPOSE.read_text(encoding="utf-8").replace("    healthcheck:", "    healthchecks:", 1)
    misspelt.write_text(text, encoding="utf-8")

    checked = check_schema(str(misspelt))

    assert checked.returncode == 1
    assert "healthchecks" in checked.stdout


def test_every_part_of_the_issue_is_there() -> None:
    assert set(OURS) == {"migrate", "web", "gateway", "mail-in", "worker", "clock"}
    assert set(SERVICES) == set(SERVING) | set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_every_part_of_rollout_runs_a_command_that_exists(name: str) -> None:
    commands = get_command(app)

    assert isinstance(commands, TyperGroup)
    assert SERVICES[name]["command"] == [name]
    assert name in commands.commands


@pytest.mark.parametrize("name", OURS)
def test_every_part_of_rollout_gets_settings_that_it_knows(name: str) -> None:
    environment = {
        variable: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        for variable, value in SERVICES[name]["environment"].items()
    }

    settings = Settings.from_environment(environment)

    assert settings.database_url == "postgresql://rollout:rollout@postgres/rollout"
    assert settings.pepper == "pepper-for-trying-out-only"


@pytest.mark.parametrize("name", SERVING)
def test_whoever_serves_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize(
    ("name", "port"), [("web", "8080"), ("gateway", "8081")], ids=["web", "gateway"]
)
def test_a_health_check_asks_where_its_service_listens(name: str, port: str) -> None:
    listen = SERVICES[name]["environment"][f"ROLLOUT_{name.upper()}_LISTEN"]

    assert listen == f"0.0.0.0:{port}"
    assert f"http://127.0.0.1:{port}/healthz" in SERVICES[name]["healthcheck"]["test"][-1]


def test_mail_that_comes_back_is_read_where_notices_are_sent_from_their_own_return_paths() -> None:
    domains = {service["environment"]["ROLLOUT_BOUNCE_DOMAIN"] for service in OURS.values()}
    mail_in = SERVICES["mail-in"]

    assert len(domains) == 1
    assert mail_in["environment"]["ROLLOUT_MAIL_LISTEN"] == "0.0.0.0:2525"
    assert mail_in["ports"] == ["127.0.0.1:2525:2525"]  # it takes mail for any address
    assert "s.SMTP('127.0.0.1', 2525" in mail_in["healthcheck"]["test"][-1]


def test_nobody_starts_before_what_it_needs_is_ready() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            once = needed == "migrate"
            ready = "service_completed_successfully" if once else "service_healthy"
            assert how["condition"] == ready, f"{name} waits for {needed} in the wrong way"
            assert once or SERVICES[needed]["healthcheck"]


def test_files_that_are_mounted_or_copied_into_the_image_are_in_the_checkout() -> None:
    mounted = [
        volume.removeprefix("./").partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        source
        for words in re.findall(r"^COPY (?!--from)(.+)$", dockerfile, re.MULTILINE)
        for source in words.split()[:-1]
    ]
    tracked = {str(path.relative_to(ROOT)) for path in tracked_files()}
    folders = {name.partition("/")[0] for name in tracked}
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert mounted == ["docs/gateway/nginx.conf"]
    assert set(mounted) <= tracked
    assert set(copied) <= tracked | folders
    assert {f"!{source}" for source in copied} <= set(allowed)
