"""What a bench finds out: a rate or a time, beside its floor or its peer from the same run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. ``floor`` is in the same unit."""

    what: str
    value: float
    unit: str
    beside: str = ""  # what the floor is
    floor: float | None = None
    owed: str = ""  # by DESIGN, section 11; a ratio, unless it names a unit

    @property
    def ratio(self) -> float | None:
        """How many times the floor."""
        return None if self.floor is None else self.value / self.floor


def show(figures: Iterable[Figure], title: str) -> None:
    """Print the table."""
    table = Table("figure", title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("measured", "ratio"):
        table.add_column(column, justify="right")
    table.add_column("to")
    table.add_column("owed")
    for figure in figures:
        table.add_row(
            figure.what,
            _amount(figure.value, figure.unit),
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            ""
            if figure.floor is None
            else f"{figure.beside}, {_amount(figure.floor, figure.unit)}",
            figure.owed,
        )
    Console(width=130).print(table)


def _amount(value: float, unit: str) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
