"""The documents are true: settings, commands, links and versions are those of the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from rollout.cli.main import app
from rollout.settings import PREFIX, Settings
from tests.house_rules.checkout import ROOT, documents, pyproject, tracked_files

SETTINGS_PAGE = ROOT / "docs/settings.md"
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = {"sh", "bash", "shell", "console"}
INLINE = re.compile(r"`(rollout\s[^`]+)`")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ +(?P<text>.+?)\s*$", re.MULTILINE)
END_OF_COMMAND = {"|", "||", "&&", ";", ">", ">>", "<", "2>", "&"}

REGISTRY = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|docker\.io|ghcr\.io|quay\.io|gcr\.io"
    r"|proxy\.golang\.org|crates\.io)\b"
)
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:root|home|Users|work|tmp/[a-z]+)/\w+")


# Settings


def row(field: Field[Any]) -> str:
    """Return the line of a setting as ``docs/settings.md`` must have it; ``…`` is free text."""
    default = "…" if field.default is MISSING else f"`{field.default}`"
    if field.default is None:
        default = "unset"
    secret = "*secret*; " if field.metadata["secret"] else ""
    return f"| `{PREFIX}{field.name.upper()}` | {default} | {secret}{field.metadata['doc']} |"


def settings_table() -> list[str]:
    text = SETTINGS_PAGE.read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith(f"| `{PREFIX}")]


def test_every_setting_has_its_line_with_default_and_meaning_and_no_other_has() -> None:
    wanted = [row(field) for field in fields(Settings)]
    patterns = [re.escape(line).replace("\\|\\ …\\ \\|", r"\|\ \S[^|]*\ \|") for line in wanted]
    found = settings_table()

    differing = [
        f"is    {is_}\nought {ought}"
        for is_, ought, pattern in zip(found, wanted, patterns, strict=False)
        if not re.fullmatch(pattern, is_)
    ]
    assert not differing, "\n".join(differing)
    assert len(found) == len(wanted), "\n".join(wanted)


def test_every_setting_that_a_document_names_exists() -> None:
    known = {PREFIX + field.name.upper() for field in fields(Settings)}
    known |= {f"{name}_FILE" for name in known}
    unknown = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in documents()
        for name in re.findall(rf"\b{PREFIX}[A-Z_]+\b", path.read_text(encoding="utf-8"))
        if name not in known
    ]

    assert not unknown, "\n".join(unknown)


# Commands


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words after ``rollout`` of every command that a document shows."""
    blocks = [m["body"] for m in FENCE.finditer(text) if m["language"] in SHELL]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += [code.replace("\n", " ") for code in INLINE.findall(FENCE.sub("", text))]
    for line in lines:
        words = shlex.split(line.removeprefix("$ "), comments=True)
        for position, word in enumerate(words):
            if Path(word).name == "rollout":
                yield before_operator(words[position + 1 :])
                break


def before_operator(words: list[str]) -> list[str]:
    end = next((i for i, word in enumerate(words) if word in END_OF_COMMAND), len(words))
    return words[:end]


def wrong_word(words: list[str]) -> str | None:
    """Return the first word that is neither command nor option of ours, or None."""
    command = get_command(app)
    for word in words:
        if word.startswith("--"):
            known = {
                name for param in command.params for name in (*param.opts, *param.secondary_opts)
            }
            if word.partition("=")[0] not in known | {"--help"}:
                return word
        elif isinstance(command, TyperGroup) and word != "…":
            names = word.split("|")  # "list|verify" in prose names two commands
            if any(name not in command.commands for name in names):
                return word
            command = command.commands[names[0]]
    return None


@pytest.mark.parametrize("path", sorted(documents()), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_a_document_shows_exists(path: Path) -> None:
    shown = commands(path.read_text(encoding="utf-8"))
    wrong = [
        f"rollout {' '.join(words)}: no {word}" for words in shown if (word := wrong_word(words))
    ]

    assert not wrong, "\n".join(wrong)


def test_a_command_or_option_that_does_not_exist_is_caught() -> None:
    text = (
        "```sh\n$ .venv/bin/rollout migrate --nope | cat  # comment\n```\nand `rollout\nnonsense`."
    )

    assert [wrong_word(words) for words in commands(text)] == ["--nope", "nonsense"]
    assert list(commands("```yaml\nrollout nonsense\n```")) == []


# Links


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings make."""
    headings = (m["text"] for m in HEADING.finditer(FENCE.sub("", text)))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(path: Path, text: str) -> Iterator[str]:
    for match in LINK.finditer(FENCE.sub("", text)):
        target, _, anchor = match["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        page = (path.parent / target).resolve() if target else path
        if not page.exists():
            yield f"{path.name}: no {target}"
        elif anchor and anchor not in anchors(page.read_text(encoding="utf-8") if target else text):
            yield f"{path.name}: {page.name} has no heading for #{anchor}"


@pytest.mark.parametrize("path", sorted(documents()), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    broken = list(broken_links(path, path.read_text(encoding="utf-8")))

    assert not broken, "\n".join(broken)


def test_a_link_that_leads_nowhere_is_caught() -> None:
    text = (
        "# Here\n[a](settings.md) [b](#here) [c](#there) [d](nowhere.md) [e](https://example.com)"
    )

    broken = list(broken_links(SETTINGS_PAGE, text))

    assert broken == [
        "settings.md: settings.md has no heading for #there",
        "settings.md: no nowhere.md",
    ]


# The rest


def offending_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if REGISTRY.search(line) or MACHINE_PATH.search(line):
            yield number, line


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in tracked_files()
        for number, line in offending_lines(path.read_text(encoding="utf-8", errors="replace"))
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "planted",
    ["--index-url https://" + "pypi" + ".org/simple", "image: ghcr" + ".io/x/y", "cd /ro" + "ot/x"],
)
def test_a_planted_registry_or_machine_path_is_caught(planted: str) -> None:
    assert list(offending_lines(f"fine\n{planted}\n")) == [(2, planted)]


def test_the_newest_version_in_the_changelog_is_that_of_the_package() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(\d[^\]]*)\]", text, re.MULTILINE)

    assert versions[0] == pyproject()["project"]["version"]
