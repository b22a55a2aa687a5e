"""Workers that share the limit of a domain in Valkey, and Valkey killed while they send."""

from __future__ import annotations

import signal
import time
from collections import Counter

import pytest
from sqlalchemy import Engine

from tests.faults.test_smtp import write_letters
from tests.support.database import rows, run
from tests.support.fragile import FragileServers
from tests.support.processes import Crew, wait_until
from tests.support.smtp_server import Received, SmtpServer
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

LETTERS = 60
WORKERS = 2
LIMIT = "10/s"  # 20 at once, and the other 40 in four seconds


class Watch(SmtpServer):
    """Looks at the clock whenever a letter arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[float] = []

    def keep(self, received: Received) -> None:
        self.arrived.append(time.monotonic())
        super().keep(received)


def set_to_work(engine: Engine, crew: Crew, server: SmtpServer) -> None:
    write_letters(engine, LETTERS)
    run(engine, "UPDATE contacts SET email = 'ann+' || account_id || '@gmail.example'")
    settings = {"ROLLOUT_SMTP_URL": server.url, "ROLLOUT_MAIL_RATES": f"gmail.example={LIMIT}"}
    for _ in range(WORKERS):
        crew.start("workers.worker", "notices", **settings)


def assert_all_have_arrived_at_the_first_try(engine: Engine, server: SmtpServer) -> None:
    ledger = "SELECT state, attempts, count(*) FROM notices GROUP BY 1, 2"
    wait_until(lambda: rows(engine, ledger) == [("delivered", 1, LETTERS)])
    letters = Counter(str(each.message["Message-ID"]) for each in server.received)
    assert set(letters.values()) == {1}
    assert len(letters) == LETTERS
    assert_sound(engine)


def test_all_workers_together_keep_to_the_limit_of_a_domain(engine: Engine, crew: Crew) -> None:
    with Watch() as server:
        set_to_work(engine, crew, server)
        wait_until(lambda: rows(engine, "SELECT 1 FROM notices WHERE reason LIKE '%at most%'"))
        assert rows(engine, "SELECT DISTINCT reason FROM notices WHERE state = 'retry'") == [
            (f"gmail.example gets at most {LIMIT}",)
        ]
        assert_all_have_arrived_at_the_first_try(engine, server)

    # With a limit for each worker, it would be a second.
    assert server.arrived[-1] - server.arrived[0] > 2.5
    assert "mail-rates" not in crew.said()


def test_letters_go_on_at_the_same_rate_while_valkey_is_gone(
    engine: Engine, crew: Crew, fragile: FragileServers
) -> None:
    with Watch() as server:
        set_to_work(engine, crew, server)
        wait_until(lambda: server.arrived)
        fragile.strike("Valkey", signal.SIGKILL)
        assert_all_have_arrived_at_the_first_try(engine, server)

    assert crew.said().count("mail-rates.not-shared") == WORKERS
    assert "Traceback" not in crew.said()
