"""Reads logs by a map, which says where everything stands.

For formats that ship with us it is written in code, for those that operators describe themselves
in YAML (``docs/maps.md``). A map is data. It has no code and no regular expressions, so the worst
that a hostile one can do is to read nonsense.
"""

from rollout.adapters.feeds.mapped.feed import Map, Mapped
from rollout.adapters.feeds.mapped.file import load_map, read_map

__all__ = ["Map", "Mapped", "load_map", "read_map"]
