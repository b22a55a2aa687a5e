from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from starlette.applications import Starlette

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import bootstrap
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.database import set_clock
from tests.support.enforced import DEADLINE, Cast


class Web:
    """A client of the web service, in this process."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._get(path))

    async def _get(self, path: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
            return await client.get(path)


@pytest.fixture
def web(database_url: str, servers: EmbeddedServers, tmp_path: Path) -> Iterator[Web]:
    settings = Settings(database_url=database_url, redis_url=servers.redis_url, data_dir=tmp_path)
    with bootstrap(settings) as rollout:
        yield Web(make_app(rollout))


@pytest.fixture
def stranded(tmp_path: Path) -> Iterator[Web]:
    """The web service with neither a database nor a Valkey."""
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1/0",
        data_dir=tmp_path,
    )
    with bootstrap(settings, database_may_be_down=True) as rollout:
        yield Web(make_app(rollout))


def figures(web: Web) -> dict[tuple[str, ...], float]:
    answer = web.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_it_is_ready_when_database_migrations_and_valkey_are(web: Web) -> None:
    answer = web.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "valkey": "ok"}


def test_it_is_not_ready_on_a_database_that_was_not_migrated(web: Web, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    answer = web.get("/readyz")
    assert answer.status_code == 503
    assert "rollout migrate" in answer.json()["database"]


def test_alone_it_is_alive_but_not_ready_and_says_what_is_missing(stranded: Web) -> None:
    assert stranded.get("/healthz").status_code == 200
    answer = stranded.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"database": "does not answer", "valkey": "does not answer"}
    assert stranded.get("/metrics").status_code == 503


def test_metrics_count_what_is_due_held_open_and_unenforced(web: Web, engine: Engine) -> None:
    cast = Cast(engine)
    for account in ("a", "b", "c"):
        cast.key(f"key-{account}", account=account)
    cast.deprecation()
    cast.deprecation("mobile-keys", kind="ios")
    cast.enroll("a", deadline=DEADLINE)
    cast.enroll("b", deadline=DEADLINE + timedelta(seconds=30))
    cast.enroll("c", deadline=DEADLINE + timedelta(days=1))
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO holds (enrollment_id, code, reason, owner)"
                " SELECT enrollment_id, 'not-told', 'nobody', 'rollout' FROM enrollments LIMIT 2"
            )
        )
        connection.execute(
            text("UPDATE keys SET changed_at = :at"), {"at": DEADLINE - timedelta(seconds=10)}
        )
        connection.execute(
            text("INSERT INTO heartbeats VALUES ('clock@h:1', 'clock', :at)"),
            {"at": DEADLINE + timedelta(seconds=25)},
        )
    set_clock(engine, DEADLINE + timedelta(seconds=40))

    seen = figures(web)
    assert seen["rollout_enrollments_due", "api-keys"] == 2
    assert seen["rollout_enrollments_due", "mobile-keys"] == 0
    assert seen["rollout_enrollments_overdue_seconds", "api-keys"] == 40
    assert seen["rollout_enrollments_overdue_seconds", "mobile-keys"] == 0
    assert seen["rollout_holds_open", "not-told"] == 2
    assert seen["rollout_keys_unenforced",] == 3
    assert seen["rollout_keys_unenforced_seconds",] == 50
    assert seen["rollout_heartbeat_age_seconds", "clock"] == 15


def test_metrics_count_open_notices_by_state(web: Web, engine: Engine) -> None:
    cast = Cast(engine)
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO contacts (account_id, email, name, role)"
                " VALUES ('acme', 'ann@example.com', 'Ann', 'owner')"
            )
        )
        for number, state in enumerate(["pending", "pending", "sending", "sent", "delivered"]):
            connection.execute(
                text(
                    "INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template,"
                    " required, schedule_version, deadline, message_id, state, due_at, attempt_at)"
                    " SELECT enrollment_id, deprecation, contact_id, :step, 'reminder', false, 1,"
                    " deadline, :step, :state, deadline, deadline FROM enrollments, contacts"
                ),
                {"step": f"step-{number}", "state": state},
            )
    seen = figures(web)
    assert seen["rollout_notices_open", "pending"] == 2
    assert seen["rollout_notices_open", "sending"] == 1
    assert seen["rollout_notices_open", "sent"] == 1
    assert ("rollout_notices_open", "delivered") not in seen


def test_an_empty_installation_has_metrics_too(web: Web) -> None:
    assert figures(web)["rollout_keys_unenforced",] == 0
