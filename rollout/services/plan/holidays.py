"""How the plan learns of public holidays: by country codes, from whoever knows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

HolidayFinder = Callable[[tuple[str, ...]], Callable[[date], str | None]]
