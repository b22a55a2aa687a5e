"""``rollout usage``: who still uses what. Each module holds the commands about one thing."""

from __future__ import annotations

from rollout.cli.usage import callers, counts, decisions, endpoints, keys, sources, survey
from rollout.cli.usage.group import usage

__all__ = ["callers", "counts", "decisions", "endpoints", "keys", "sources", "survey", "usage"]
