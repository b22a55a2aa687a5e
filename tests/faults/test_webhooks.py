"""A worker that is killed in the midst of a request: another sends the same event once more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine
from tests.support.processes import environment, wait_until
from tests.support.webhook_server import WebhookServer, answer

pytestmark = pytest.mark.fault

SWEEP = """
import os
from rollout.bootstrap import bootstrap
from rollout.settings import Settings
with bootstrap(Settings.from_environment(os.environ)) as rollout:
    print(rollout.webhooks.sending.sweep())
"""


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


def worker(cli: CommandLine) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SWEEP]
    return subprocess.Popen(
        command, env=environment(cli.settings), stdout=subprocess.PIPE, text=True
    )


def test_a_worker_killed_before_it_hears_the_answer_leaves_its_event_to_the_next(
    campaign: Campaign, cli: CommandLine, server: WebhookServer
) -> None:
    campaign.begin()
    assert cli("webhook", "add", "acme", server.url).code == 0
    campaign.remind()
    workers: list[subprocess.Popen[str]] = []
    server.plan(replace(answer(200), first=lambda: os.kill(workers[0].pid, signal.SIGKILL)))

    workers.append(worker(cli))
    assert workers[0].wait(60) == -signal.SIGKILL
    idle = worker(cli)
    assert idle.communicate(timeout=60)[0] == "0\n"  # the lease of the dead one still holds
    campaign.run("UPDATE webhook_endpoints SET leased_until = rollout_now()")
    after = worker(cli)
    assert after.communicate(timeout=60)[0] == "1\n"

    wait_until(lambda: len(server.received) == 2)
    first, second = server.received
    assert first.webhook_id == second.webhook_id
    assert campaign.rows("SELECT state, attempts FROM webhook_deliveries") == [("delivered", 2)]
