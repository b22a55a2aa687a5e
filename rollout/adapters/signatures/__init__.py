"""Who is known by name: the signatures that ship with Rollout, and those of an operator's own file.

shipped/    one YAML file for each kind of business
entry       one signature of a file, read strictly
load        all files together
"""

from __future__ import annotations

from rollout.adapters.signatures.load import load_signatures

__all__ = ["load_signatures"]
