"""A web service at a public address, and a mail server that keeps what it is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.campaign import Campaign
from tests.support.post import PUBLIC, Post, Web
from tests.support.smtp_server import SmtpServer


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def settings(
    database_url: str, servers: EmbeddedServers, tmp_path: Path, server: SmtpServer
) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path,
        smtp_url=server.url,
        public_url=f"{PUBLIC}/",
        pepper="k" * 32,
    )


@pytest.fixture
def rollout(settings: Settings) -> Iterator[Rollout]:
    with bootstrap(settings) as rollout:
        yield rollout


@pytest.fixture
def web(rollout: Rollout) -> Web:
    return Web(make_app(rollout))


@pytest.fixture
def post(rollout: Rollout, campaign: Campaign, server: SmtpServer) -> Post:
    campaign.begin()
    return Post(rollout, campaign, server)
