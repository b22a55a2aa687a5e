"""Reads a deprecation from its YAML file (DESIGN, section 12), strictly.

document    text → values that know their line and their path; what YAML has too much of is refused
shape       a mapping or a list of them, with every fault collected
fields      one scalar each: a name, a duration, a day, a URL …
calendar    the section of that name
parse       the other sections, and the whole
"""

from __future__ import annotations

from rollout.adapters.deprecation_file.parse import read_deprecation

__all__ = ["read_deprecation"]
