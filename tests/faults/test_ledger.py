"""Thousands of letters through mail servers that do all they can, by senders that are killed.

Whatever happens, what people have received is what the ledger says: nothing is lost, and nothing
arrives twice but what may be sent twice. ROLLOUT_FAULT_LETTERS=10000 sends ten thousand, and
ROLLOUT_FAULT_SEED=… lets the servers go wrong in the order of an earlier run.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from subprocess import Popen

import pytest
import redis
from sqlalchemy import Engine, text

from rollout.adapters.send_rates.shared import rate_key
from tests.support.crowd import gather
from tests.support.database import rows, run
from tests.support.processes import Crew, kill, wait_until
from tests.support.smtp_server import Act, Phase, Received
from tests.support.soundness import assert_sound
from tests.support.unruly_smtp import PATIENCE, WAYS, Mischief, UnrulyServer, message_id

pytestmark = pytest.mark.fault

LETTERS = int(os.environ.get("ROLLOUT_FAULT_LETTERS", "1000"))
SEED = os.environ.get("ROLLOUT_FAULT_SEED") or str(random.randrange(10**6))
SENDERS = 3  # at a time
RANDOM_KILLS = 4
BOUND = 180.0  # seconds
PER_LETTER = (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.TEXT, Phase.DOT)
# A server goes wrong about so often in each phase, however many letters there are.
OFTEN = dict.fromkeys(PER_LETTER, 40 / LETTERS) | {Phase.CONNECT: 0.15, Phase.EHLO: 0.1}
# So many have gone well before that the circuit breaker lets these go as ill as they do.
GONE_WELL = """
INSERT INTO sending_minutes (deprecation, minute, slot, accepted)
SELECT deprecation, date_trunc('minute', now()) + i * interval '1 minute', 8, 1000000
  FROM deprecations, generate_series(0, 15) i
"""
ALL_DUE = """
UPDATE notices SET state = 'pending', resend = notice_id % 2 = 0, sent_at = NULL,
       delivered_at = NULL
"""
# Whatever is locked has its turn the next time.
AT_ONCE = """
UPDATE notices SET attempt_at = now() WHERE notice_id IN (
       SELECT notice_id FROM notices WHERE state = 'retry' AND attempt_at > now()
          FOR UPDATE SKIP LOCKED)
"""
EXPIRE = """
UPDATE notices SET leased_until = now() WHERE notice_id IN (
       SELECT notice_id FROM notices WHERE state IN ('leased', 'sending') FOR UPDATE SKIP LOCKED)
"""
ENDED = """
SELECT count(*) FROM notices WHERE state NOT IN ('pending', 'leased', 'sending', 'retry')
"""
# Whatever a sender is just writing is left out: it may want another of these rows next.
FREEZE = """
SELECT 1 FROM notices WHERE state IN ('leased', 'sending') FOR UPDATE SKIP LOCKED
"""
HOLD = "SELECT 1 FROM notices WHERE message_id = :message_id FOR UPDATE"
WAITING = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Sender:
    """A worker, and the mail servers that it alone uses: whoever is there is this worker."""

    program: Popen[bytes]
    servers: Sequence[UnrulyServer]  # the second is for when the first takes nothing
    dead: threading.Event = field(default_factory=threading.Event)

    def kill(self, _: Received | None = None) -> None:
        kill(self.program)
        self.dead.set()

    def plan(self, phase: Phase, act: Act) -> None:
        """Let the server that comes to a phase first do this."""
        for server in self.servers:
            server.plan(phase, act)

    def connected(self) -> int:
        return sum(server.connections for server in self.servers)


Trap = Callable[[Sender, Engine], None]


def at(phase: Phase, sender: Sender, _: Engine, *, keep: bool = False) -> None:
    """Kill a sender in a phase of its talk with the server."""
    sender.plan(phase, Act(None, keep=keep, first=sender.kill))


def unrecorded(sender: Sender, engine: Engine) -> None:
    """Kill a sender that has heard a 250 and could not write it down."""

    def hold(received: Received | None) -> None:
        assert received
        held = engine.connect()
        held.execute(text(HOLD), {"message_id": message_id(received)})

        def strike() -> None:
            with held:
                wait_until(lambda: rows(engine, WAITING))
                sender.kill()

        threading.Thread(target=strike).start()

    sender.plan(Phase.DOT, Act("250 2.0.0 Queued", keep=True, first=hold))


def leased(sender: Sender, engine: Engine) -> None:
    """Kill a sender that has leased a batch and could begin none, or no other, of it."""
    wait_until(sender.connected)
    with engine.connect() as held:
        wait_until(lambda: held.execute(text(FREEZE)).rowcount)
        wait_until(lambda: rows(engine, WAITING))
        sender.kill()


def whenever(sender: Sender, _: Engine) -> None:
    """Kill a sender at a moment that nobody has chosen."""
    wait_until(sender.connected)
    time.sleep(random.random())
    sender.kill()


TRAPS: tuple[Trap, ...] = (
    leased,
    *(partial(at, p) for p in (Phase.CONNECT, Phase.EHLO, Phase.MAIL, Phase.RCPT, Phase.DATA)),
    partial(at, Phase.DOT),
    partial(at, Phase.DOT, keep=True),
    unrecorded,
    *[whenever] * RANDOM_KILLS,
)


@contextmanager
def again_and_again(work: Callable[[], object], every: float) -> Iterator[None]:
    """Do something every so many seconds, until the end of the block."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(every):
            work()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Post:
    """Senders, each with two mail servers of its own."""

    def __init__(self, crew: Crew, mischief: Mischief, servers: ExitStack) -> None:
        self.senders: list[Sender] = []
        self._crew = crew
        self._mischief = mischief
        self._servers = servers

    def start(self) -> Sender:
        servers = [self._servers.enter_context(UnrulyServer(self._mischief)) for _ in range(2)]
        settings = {
            "ROLLOUT_SMTP_URL": " ".join(server.url for server in servers),
            "ROLLOUT_SMTP_TIMEOUT": str(PATIENCE),
            "ROLLOUT_SMTP_FINAL_TIMEOUT": str(PATIENCE),
            "ROLLOUT_POLL": "0.1",
        }
        sender = Sender(self._crew.start("workers.worker", "notices", **settings), servers)
        self.senders.append(sender)
        return sender

    def arrived(self) -> Counter[str]:
        """Return how often each letter has arrived."""
        servers = [server for sender in self.senders for server in sender.servers]
        return sum((server.arrived for server in servers), Counter())


def test_letters_arrive_just_as_the_ledger_says_whatever_servers_do_and_whoever_dies(
    engine: Engine, crew: Crew, valkey: redis.Redis
) -> None:
    gather(engine, LETTERS, first=timedelta(days=30))
    run(engine, ALL_DUE)
    run(engine, GONE_WELL)
    run(engine, "UPDATE keys SET enforced_version = version")  # nobody is there to tell gateways
    mischief = Mischief(SEED, OFTEN)
    with again_and_again(lambda: hurry(engine, valkey), 0.2), ExitStack() as servers:
        crew.start("workers.clock")
        post = Post(crew, mischief, servers)
        alive = [post.start() for _ in range(SENDERS)]
        for nth, trap in enumerate(random.Random(SEED).sample(TRAPS, len(TRAPS))):
            wait_until(lambda nth=nth: ended(engine) >= nth * LETTERS // len(TRAPS), BOUND)
            victim = alive.pop(0)
            trap(victim, engine)
            # Of a few hundred letters, none may be left for whoever is to die at the last.
            wait_until(lambda victim=victim: victim.dead.is_set() or ended(engine) == LETTERS)
            wait_until(lambda: not rows(engine, WAITING))  # what the dead one was about to write
            run(engine, EXPIRE)
            alive.append(post.start())
        wait_until(lambda: ended(engine) == LETTERS, BOUND)
        killed = sum(sender.dead.is_set() for sender in post.senders)
        for sender in post.senders:
            sender.kill()

    assert all(any(s.servers[nth].arrived for s in post.senders) for nth in (0, 1))
    assert set(mischief.done) == {(phase, way) for phase, ways in WAYS.items() for way in ways}
    print(f"seed {SEED}: {killed} senders killed, {mischief.done.total()} times a server erred")
    check(engine, post.arrived())
    assert_sound(engine)


def hurry(engine: Engine, valkey: redis.Redis) -> None:
    """End all waits: for another try, and until a domain wants mail again."""
    for key in valkey.scan_iter(rate_key("*")):
        valkey.delete(key)
    run(engine, AT_ONCE)


def ended(engine: Engine) -> int:
    """Count the letters of which nothing more will be heard."""
    time.sleep(0.2)
    [[count]] = rows(engine, ENDED)
    return int(count)


def check(engine: Engine, arrived: Counter[str]) -> None:
    """Compare what has arrived with the ledger."""
    ledger = rows(engine, "SELECT message_id, state, resend, resent_at IS NOT NULL FROM notices")
    states = Counter(state for _, state, _, _ in ledger)
    told = {message for message, state, _, _ in ledger if state in {"sent", "delivered"}}
    uncertain = {message for message, state, _, _ in ledger if state == "uncertain"}
    resent = {message for message, _, _, again in ledger if again}
    twice = {message for message, times in arrived.items() if times > 1}
    print(
        f"{dict(states)}; {len(resent)} were sent again, and {len(twice)} of them arrived twice;"
        f" {len(uncertain & set(arrived))} of {len(uncertain)} uncertain ones arrived"
    )
    assert set(states) <= {"sent", "delivered", "bounced", "uncertain", "dead"}
    assert len(ledger) == LETTERS
    assert told <= set(arrived)  # nothing is lost
    assert set(arrived) <= told | uncertain  # and nothing denied
    assert twice <= resent <= {message for message, _, resend, _ in ledger if resend}
    assert set(arrived.values()) <= {1, 2}
    facts = "SELECT data ->> 'message_id' FROM facts WHERE action = 'notice.resent'"
    assert Counter(message for (message,) in rows(engine, facts)) == Counter(resent)
