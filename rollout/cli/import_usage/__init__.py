"""``rollout import usage``: who called, from logs.

``command`` reads the options, ``files`` finds and reads the logs, ``follow`` goes on reading one
that is still written, ``aws`` asks IAM, and ``outcome`` says what became of them.
"""

from __future__ import annotations

from rollout.cli.import_usage.aws import import_aws_last_used
from rollout.cli.import_usage.command import import_usage

__all__ = ["import_aws_last_used", "import_usage"]
