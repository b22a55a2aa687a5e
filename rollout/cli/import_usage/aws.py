"""``rollout import aws-last-used``: AWS IAM is asked when its access keys were last used."""

from __future__ import annotations

from typing import Annotated

import typer

from rollout.adapters.feeds.aws_last_used import iam_client, last_uses
from rollout.cli.import_usage.command import Discover, finish, report
from rollout.cli.import_usage.outcome import Outcome
from rollout.cli.options import AsJson
from rollout.cli.session import open_rollout


def import_aws_last_used(
    profile: Annotated[
        str | None, typer.Option(help="the profile of AWS's own configuration to use")
    ] = None,
    feed: Annotated[str, typer.Option(help="a name for this AWS account")] = "aws-last-used",
    discover: Discover = False,
    as_json: AsJson = False,
) -> None:
    """Ask AWS IAM when each access key was last used (GetAccessKeyLastUsed).

    IAM knows of every use, but not how often and by what. Needs `pip install 'rollout[aws]'`.

    Example: rollout import aws-last-used --profile audit --discover
    """
    iam = iam_client(profile)
    outcome = Outcome(feed)
    with open_rollout() as rollout:
        outcome.tally = rollout.usage_import.attest(
            lambda as_of: last_uses(iam, as_of), feed=feed, operator=rollout.settings.operator
        )
        finish(rollout, outcome, discover=discover)
    report(outcome, as_json=as_json)
