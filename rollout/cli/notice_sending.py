"""``rollout notice pause|resume``: stop the sending of a deprecation's notices, and go on."""

from __future__ import annotations

from typing import Annotated

import typer

from rollout.cli.options import AsOperator, Reason, operator_name
from rollout.cli.output import say
from rollout.cli.session import open_rollout

Name = Annotated[str, typer.Argument(metavar="DEPRECATION")]


def pause_sending(deprecation: Name, reason: Reason, operator: AsOperator = None) -> None:
    """Send no notices of a deprecation. They are written as before, and wait.

    What a sender already has, a few hundred letters at most, still goes out. Cutoffs are not
    paused: `rollout cohort pause` does that.

    Example: rollout notice pause api-keys --reason "wrong link in the reminder"
    """
    with open_rollout() as rollout:
        rollout.notices.breaker.pause(deprecation, reason=reason, operator=operator_name(operator))
    say(f"the sending of {deprecation} is paused")


def resume_sending(deprecation: Name, reason: Reason, operator: AsOperator = None) -> None:
    """Send the notices of a deprecation again, whoever paused them. What has waited goes out now.

    The circuit breaker judges what is sent from here on, and nothing of before.

    Example: rollout notice resume api-keys --reason "stale addresses are taken out"
    """
    with open_rollout() as rollout:
        rollout.notices.breaker.resume(deprecation, reason=reason, operator=operator_name(operator))
    say(f"the sending of {deprecation} goes on")
