"""Mail servers that refuse, defer, hang and hang up; senders that are killed while they send.

What people have received is always what the ledger says, but for the notices that it calls
uncertain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from rollout.adapters.clock import SystemClock
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.mail.relays import Relay, Relays
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.resources import templates_dir
from rollout.services.notices.delivery import BATCH, NoticeDelivery
from tests.support.campaign import ENVELOPES
from tests.support.crowd import gather
from tests.support.database import rows, run
from tests.support.mailing import mailer
from tests.support.processes import Crew, kill, wait_until
from tests.support.smtp_server import ACCEPT_THEN_DIE, DROP, STALL, Act, Phase, SmtpServer, say
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

BEFORE_THE_TEXT = (Phase.CONNECT, Phase.EHLO, Phase.MAIL, Phase.RCPT, Phase.DATA)
BUSY = say("421 4.3.2 Come back later")
LETTERS = 12
ONE_MORE = """
INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required,
                     schedule_version, deadline, message_id, state, due_at, attempt_at)
SELECT enrollment_id, deprecation, contact_id, 'reminder', template, required,
       schedule_version, deadline, '<more-' || notice_id || '@rollout.localhost>', 'pending',
       due_at, now() + interval '1 hour'
  FROM notices
"""


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def delivery(
    engine: Engine, start: Callable[[], SqlUnitOfWork], server: SmtpServer
) -> NoticeDelivery:
    """A sender with little patience, and a letter for each of a dozen accounts."""
    write_letters(engine)
    renderer = TemplateRenderer(templates_dir() / "notices")
    return NoticeDelivery(
        start, renderer, mailer(server.url, timeout=1, final_timeout=1), timedelta(0), ENVELOPES
    )


def write_letters(engine: Engine, number: int = LETTERS) -> None:
    gather(engine, number, first=timedelta(days=30))
    run(engine, "UPDATE notices SET state = 'pending', sent_at = NULL, delivered_at = NULL")


def states(engine: Engine) -> Counter[str]:
    return Counter(state for (state,) in rows(engine, "SELECT state FROM notices"))


def received(server: SmtpServer) -> Counter[str]:
    return Counter(str(letter.message["Message-ID"]) for letter in server.received)


def ledger(engine: Engine, *which: str) -> set[str]:
    query = "SELECT message_id FROM notices WHERE state = ANY(:which)"
    return {message_id for (message_id,) in rows(engine, query, which=list(which))}


def later(engine: Engine) -> None:
    run(engine, "UPDATE notices SET attempt_at = now() WHERE state = 'retry'")


def send_all(engine: Engine, delivery: NoticeDelivery) -> None:
    """Sweep until every letter has come to its end, whatever waits for a better time."""
    while ledger(engine, "pending", "retry"):
        delivery.sweep()
        later(engine)


@pytest.mark.parametrize(
    ("faults", "in_the_end"),
    [
        pytest.param(
            [(phase, STALL) for phase in (*BEFORE_THE_TEXT, Phase.DOT, Phase.RSET)],
            {"uncertain": 1, "sent": 11},
            id="hanging",
        ),
        pytest.param(
            [(phase, DROP) for phase in (*BEFORE_THE_TEXT, Phase.DOT, Phase.RSET)],
            {"uncertain": 1, "sent": 11},
            id="hanging up",
        ),
        pytest.param(
            [(phase, BUSY) for phase in (*BEFORE_THE_TEXT, Phase.DOT)], {"sent": 12}, id="busy"
        ),
        pytest.param(
            [(Phase.DOT, ACCEPT_THEN_DIE)] * 3,
            {"uncertain": 3, "sent": 9},
            id="dying once it has the letter",
        ),
        pytest.param(
            [(Phase.RCPT, say("450 4.7.1 Greylisted"))] * LETTERS, {"sent": 12}, id="greylisting"
        ),
        pytest.param(
            [
                (Phase.RCPT, say("250 2.1.5 Ok")),  # it is asked before its word to MAIL is heard
                (Phase.RCPT, say("550 5.1.1 No such user")),
                (Phase.MAIL, say("550 5.7.1 Not from you")),
                (Phase.DOT, say("554 5.6.0 Not such letters")),
            ],
            {"bounced": 3, "sent": 9},
            id="refusing",
        ),
    ],
)
def test_whatever_a_mail_server_does_the_ledger_says_what_people_have_received(
    engine: Engine,
    server: SmtpServer,
    delivery: NoticeDelivery,
    faults: Sequence[tuple[Phase, Act]],
    in_the_end: dict[str, int],
) -> None:
    for phase, act in faults:
        server.plan(phase, act)
    delivery.sweep()
    assert delivery.sweep() == 0  # nothing is tried again at once

    later(engine)
    send_all(engine, delivery)
    assert states(engine) == in_the_end
    arrived = received(server)
    assert set(arrived.values()) == {1}
    assert ledger(engine, "sent") <= set(arrived) <= ledger(engine, "sent", "uncertain")

    delivery.confirm()
    assert ledger(engine, "delivered") <= set(arrived)
    assert_sound(engine)


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.MAIL])
def test_a_server_that_says_421_to_everything_is_asked_once_a_sweep_and_loses_no_letter(
    engine: Engine, server: SmtpServer, delivery: NoticeDelivery, phase: Phase
) -> None:
    server.plan(phase, *[BUSY] * 5)
    for _ in range(5):
        assert delivery.sweep() == 0
        later(engine)
    assert server.connections == 5
    [[tries]] = rows(engine, "SELECT sum(attempts) FROM notices")
    assert tries == (5 if phase is Phase.MAIL else 0)

    send_all(engine, delivery)
    assert states(engine) == {"sent": LETTERS}
    assert received(server) == Counter(dict.fromkeys(ledger(engine, "sent"), 1))


@pytest.mark.parametrize(
    ("phase", "act", "in_the_end"),
    [
        (Phase.RCPT, DROP, {"sent": LETTERS}),
        (Phase.DATA, BUSY, {"sent": LETTERS}),
        (Phase.DOT, ACCEPT_THEN_DIE, {"sent": LETTERS - 1, "uncertain": 1}),
        (Phase.DOT, DROP, {"sent": LETTERS - 1, "uncertain": 1}),
    ],
)
def test_where_one_of_two_servers_dies_in_the_midst_of_a_batch_the_other_gets_the_rest_of_it(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    server: SmtpServer,
    phase: Phase,
    act: Act,
    in_the_end: dict[str, int],
) -> None:
    write_letters(engine)
    server.plan(phase, *[say("354 Go on" if phase is Phase.DATA else "250 Ok")] * 3)
    server.always(phase, act)
    server.plan(Phase.CONNECT, say("220 mailbox.test ESMTP"))
    server.always(Phase.CONNECT, DROP)
    with SmtpServer() as second:
        both = [Relay(each.address, mailer(each.url)) for each in (server, second)]
        renderer = TemplateRenderer(templates_dir() / "notices")
        relays = Relays(both, SystemClock())
        delivery = NoticeDelivery(start, renderer, relays, timedelta(0), ENVELOPES)
        assert delivery.sweep() == LETTERS  # none of the rest has to wait
        assert states(engine)["sent"] == LETTERS - 1
        send_all(engine, delivery)

        arrived = received(server) + received(second)
    assert states(engine) == in_the_end
    assert set(arrived.values()) == {1}
    assert ledger(engine, "sent") <= set(arrived) <= ledger(engine, "sent", "uncertain")
    reasons = Counter(r for (r,) in rows(engine, "SELECT reason FROM notices WHERE state = 'sent'"))
    assert {reason.rpartition(" ")[2] for reason in reasons} == {
        f"({server.address})",
        f"({second.address})",
    }
    assert_sound(engine)


def test_only_the_address_that_was_refused_for_good_is_given_up(
    engine: Engine, server: SmtpServer, delivery: NoticeDelivery
) -> None:
    server.plan(Phase.RCPT, say("550 5.1.1 No such user"), say("554 5.7.1 Relaying denied"))
    run(engine, ONE_MORE)
    delivery.sweep()
    assert states(engine) == {
        "bounced": 2,
        "sent": LETTERS - 2,
        "pending": LETTERS - 1,
        "skipped": 1,
    }
    assert rows(engine, "SELECT count(*) FROM contacts WHERE deliverability <> 'ok'") == [(1,)]


def test_a_letter_that_may_be_resent_is_sent_once_more_if_uncertain_and_then_left(
    engine: Engine, server: SmtpServer, delivery: NoticeDelivery
) -> None:
    run(engine, "UPDATE notices SET resend = true")
    server.plan(Phase.DOT, *[ACCEPT_THEN_DIE] * 3)
    send_all(engine, delivery)

    assert states(engine) == {"uncertain": 1, "sent": LETTERS - 1}
    twice = {
        m for (m,) in rows(engine, "SELECT message_id FROM notices WHERE resent_at IS NOT NULL")
    }
    assert len(twice) == 2
    arrived = received(server)
    assert arrived == Counter(ledger(engine, "sent", "uncertain")) + Counter(twice)
    assert rows(engine, "SELECT count(*) FROM facts WHERE action = 'notice.resent'") == [(2,)]


@pytest.mark.parametrize("resend", [False, True])
def test_a_sender_killed_while_it_sends_loses_no_letter_and_resends_only_what_may_be(
    engine: Engine, server: SmtpServer, crew: Crew, *, resend: bool
) -> None:
    write_letters(engine)
    run(engine, "UPDATE notices SET resend = :resend", resend=resend)
    server.plan(Phase.DOT, *[say("250 2.0.0 Queued")] * 3)
    server.always(Phase.DOT, STALL)
    worker = crew.start("workers.worker", ROLLOUT_SMTP_URL=server.url)
    wait_until(lambda: server.commands.count("DATA") == 4)
    wait_until(lambda: states(engine)["delivered"] == 3)
    kill(worker)
    half_sent = ledger(engine, "sending")
    assert len(half_sent) == 1

    server.always(Phase.DOT, say("250 2.0.0 Queued"))
    run(engine, "UPDATE notices SET leased_until = now() WHERE state IN ('leased', 'sending')")
    crew.start("workers.worker", ROLLOUT_SMTP_URL=server.url)
    wait_until(lambda: not ledger(engine, "pending", "leased", "sending", "sent", "retry"))

    assert ledger(engine, "uncertain") == (set() if resend else half_sent)
    assert received(server) == Counter(dict.fromkeys(ledger(engine, "delivered"), 1))
    assert_sound(engine)


def test_a_sender_killed_on_many_connections_leaves_one_letter_of_each_uncertain(
    engine: Engine, server: SmtpServer, crew: Crew
) -> None:
    connections, sent = 4, 10
    write_letters(engine, connections * BATCH)
    server.plan(Phase.DOT, *[say("250 2.0.0 Queued")] * sent)
    server.always(Phase.DOT, STALL)
    worker = crew.start("workers.worker", ROLLOUT_SMTP_URL=server.url)
    crew.start("workers.clock")  # each of its rings sets another thread to work
    wait_until(lambda: server.commands.count("DATA") == sent + connections)
    wait_until(lambda: len(ledger(engine, "sent", "delivered")) == sent)
    kill(worker)
    half_sent = ledger(engine, "sending")
    assert len(half_sent) == connections

    server.always(Phase.DOT, say("250 2.0.0 Queued"))
    run(engine, "UPDATE notices SET leased_until = now() WHERE state IN ('leased', 'sending')")
    crew.start("workers.worker", ROLLOUT_SMTP_URL=server.url)
    wait_until(lambda: not ledger(engine, "pending", "leased", "sending", "sent", "retry"))

    assert ledger(engine, "uncertain") == half_sent
    assert received(server) == Counter(dict.fromkeys(ledger(engine, "delivered"), 1))
    assert_sound(engine)
