"""What Typer says of wrong usage, in words that are ours."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

LEAKED = "Value error, "  # how the library that checks values for Typer begins its sentences


class PlainWords(TyperGroup):
    """The group of all commands: no complaint about an option begins with a library's own words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix(LEAKED)
            raise
