"""The wheel is whole: built from the source archive, installed elsewhere, and used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rollout.adapters.embedded.servers import running_servers
from tests.house_rules.checkout import ROOT, tracked_files

RENDER = """
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.template_check import check_templates, sample_context
from rollout.adapters.resources import templates_dir

renderer = TemplateRenderer(templates_dir() / "notices")
assert check_templates(renderer) == []
assert renderer.languages() == ["de", "en", "es", "fr", "ja"]
print(renderer.render("reminder", sample_context()).text)
"""


@dataclass
class Installed:
    """An environment in which the wheel is installed, away from the checkout."""

    folder: Path
    data: Path

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment in an empty directory; return what it wrote."""
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.folder,
            env={**clean, "ROLLOUT_DATA_DIR": str(self.data), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive, and from nothing but that the wheel."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("rollout-*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Install the wheel; its dependencies are borrowed from the environment of the tests."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    site = sysconfig.get_path("purelib", vars={"base": str(folder)})
    # At the end of the path, so that the wheel's own packages are found first.
    (Path(site) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    # Not below pytest's folder: that is closed to other users each time pytest starts, and as root
    # the embedded PostgreSQL runs as another user.
    with TemporaryDirectory() as data:
        yield Installed(folder, Path(data))


def data_files() -> Iterator[str]:
    """Yield every template and migration of the checkout, where the wheel must have it."""
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("templates/", "migrations/")):
            yield f"rollout/_data/{name}"


def code_files() -> Iterator[str]:
    for path in tracked_files():
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("rollout/", "workers/")):
            yield name


def test_the_wheel_has_every_template_and_every_migration(names: set[str]) -> None:
    wanted = set(data_files())

    assert {"rollout/_data/templates/notices/reminder/body.html"} < wanted
    assert {"rollout/_data/templates/notices/_locale/ja.po"} < wanted
    assert {"rollout/_data/migrations/env.py"} < wanted
    assert not wanted - names


def test_the_wheel_has_all_code_of_rollout_and_the_workers_and_nothing_else(
    names: set[str],
) -> None:
    metadata = {name for name in names if ".dist-info/" in name}
    wanted = set(code_files())

    assert {"workers/__init__.py", "rollout/py.typed"} < wanted
    assert names - metadata == wanted | set(data_files())
    assert any(name.endswith("licenses/LICENSE") for name in metadata)


def test_the_installed_wheel_is_what_runs_not_the_checkout(installed: Installed) -> None:
    places = installed.run(
        "python", "-c", "import rollout, workers; print(rollout.__file__, workers.__file__)"
    )

    assert [Path(place).is_relative_to(installed.folder) for place in places.split()] == [True] * 2


def test_the_installed_command_explains_itself(installed: Installed) -> None:
    assert "Retire an API credential on schedule" in installed.run("rollout", "--help")


def test_the_installed_command_migrates_a_database_of_its_own(installed: Installed) -> None:
    assert "up to date" in installed.run("rollout", "migrate")

    assert (installed.data / "postgres").is_dir()
    assert set(running_servers(installed.data).values()) == {None}  # it left nothing running


def test_a_notice_is_rendered_from_the_installed_templates(installed: Installed) -> None:
    text = installed.run("python", "-c", RENDER)

    assert "Acme" in text
    assert "https://developers.example.com/access-tokens" in text
