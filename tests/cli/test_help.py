"""What ``--help`` says: every command shows how it is called."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from rollout.cli.main import app

Leaf = tuple[str, TyperCommand]


def leaves(group: TyperGroup, path: str = "") -> Iterator[Leaf]:
    for name, command in group.commands.items():
        full = f"{path} {name}".strip()
        if isinstance(command, TyperGroup):
            yield from leaves(command, full)
        else:
            assert isinstance(command, TyperCommand)
            yield full, command


def root() -> TyperGroup:
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    return command


COMMANDS = dict(leaves(root()))


def example(command: TyperCommand) -> list[str]:
    """The words of the example, from ``rollout`` on."""
    _, found, line = (command.help or "").partition("Example: ")
    assert found, "its docstring has no line that begins with `Example: `"
    words = shlex.split(line.partition("\n\n")[0])
    return words[words.index("rollout") + 1 :]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_shows_an_example_of_itself_with_options_that_it_has(path: str) -> None:
    command = COMMANDS[path]
    words = example(command)
    known = {option for param in command.params for option in param.opts}

    assert " ".join(words).startswith(path)
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_says_what_it_is_for(path: str) -> None:
    silent = [
        param.name
        for param in COMMANDS[path].params
        if param.param_type_name == "option" and not getattr(param, "help", None)
    ]

    assert silent == []


def test_the_walk_reaches_commands_of_every_depth() -> None:
    assert {"up", "usage keys", "import usage", "account extend"} <= set(COMMANDS)
