"""Several mail servers over real sockets: who gets a letter when another takes none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rollout.adapters.mail.relays import Relay, Relays
from rollout.services.ports import MailSession, Outcome, Receipt
from rollout.services.ports.mail import PEACE
from tests.support.mailing import LETTER, HandSetClock, hand_over, mailer
from tests.support.processes import free_port
from tests.support.smtp_server import ACCEPT_THEN_DIE, DROP, Act, Phase, SmtpServer, say

SECONDS = PEACE.total_seconds()
BUSY = say("421 4.3.2 Come back later")


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def first() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def second() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def relays(first: SmtpServer, second: SmtpServer, clock: HandSetClock) -> Relays:
    return Relays([Relay("first", mailer(first.url)), Relay("second", mailer(second.url))], clock)


def send(session: MailSession, *letters: int) -> Sequence[Receipt]:
    return [
        hand_over(session, to=f"{n}@acme.example", message_id=f"<{n}@x>", letter=LETTER)
        for n in letters
    ]


def got(server: SmtpServer) -> list[str]:
    return [received.recipient.partition("@")[0] for received in server.received]


def test_the_first_gets_everything_while_it_takes_it_and_says_so(
    relays: Relays, first: SmtpServer, second: SmtpServer
) -> None:
    with relays.session() as session:
        receipts = send(session, 1, 2)

    assert receipts == [Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued (first)")] * 2
    assert (got(first), second.connections) == (["1", "2"], 0)


@pytest.mark.parametrize(
    ("phase", "act"),
    [
        (Phase.CONNECT, BUSY),
        (Phase.CONNECT, DROP),
        (Phase.EHLO, DROP),
        (Phase.MAIL, say("530 5.7.0 Authentication required")),
    ],
)
def test_a_letter_of_which_the_first_has_not_heard_goes_to_the_second_at_once(
    relays: Relays, first: SmtpServer, second: SmtpServer, phase: Phase, act: Act
) -> None:
    first.plan(phase, act)
    with relays.session() as session:
        receipts = send(session, 1, 2)

    assert receipts == [Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued (second)")] * 2
    assert (got(first), got(second)) == ([], ["1", "2"])


def test_what_takes_nothing_is_left_in_peace_for_a_while_and_then_preferred_again(
    relays: Relays, first: SmtpServer, second: SmtpServer, clock: HandSetClock
) -> None:
    first.plan(Phase.CONNECT, BUSY)
    for passed in (0, SECONDS - 1, 1, 0):
        clock.passed += passed
        with relays.session() as session:
            send(session, int(clock.passed))

    assert first.connections == 3  # once in vain
    assert (got(second), got(first)) == (["0", "29"], ["30", "30"])


@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DATA, Phase.DOT])
def test_what_a_server_has_said_of_a_letter_stands(
    relays: Relays, first: SmtpServer, second: SmtpServer, phase: Phase
) -> None:
    first.plan(phase, say("450 4.7.1 Greylisted, come again"), say("550 5.1.1 No such user"))
    with relays.session() as session:
        put_off, refused, accepted = send(session, 1, 2, 3)

    assert (put_off.outcome, refused.outcome) == (Outcome.TEMPORARY, Outcome.REFUSED)
    assert put_off.reply.endswith("450 4.7.1 Greylisted, come again (first)")
    assert accepted.outcome is Outcome.ACCEPTED
    assert (got(first), second.connections) == (["3"], 0)


@pytest.mark.parametrize("act", [DROP, ACCEPT_THEN_DIE], ids=repr)
def test_a_letter_that_may_have_arrived_is_never_given_to_another(
    relays: Relays, first: SmtpServer, second: SmtpServer, act: Act
) -> None:
    first.plan(Phase.DOT, act)
    with relays.session() as session:
        uncertain, next_one = send(session, 1, 2)

    assert uncertain.outcome is Outcome.UNCERTAIN
    assert not uncertain.closing  # for the second takes more
    assert next_one == Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued (second)")
    assert got(second) == ["2"]


@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA])
@pytest.mark.parametrize("act", [BUSY, DROP], ids=["busy", "hanging up"])
def test_who_closes_in_the_midst_of_a_letter_gets_no_other_for_a_while(
    relays: Relays, first: SmtpServer, second: SmtpServer, phase: Phase, act: Act
) -> None:
    first.plan(phase, act)
    with relays.session() as session:
        lost, next_one = send(session, 1, 2)

    assert (lost.outcome, lost.closing) == (Outcome.TEMPORARY, False)
    assert next_one.outcome is Outcome.ACCEPTED
    assert (got(first), got(second)) == ([], ["2"])


def test_where_nobody_takes_anything_each_is_asked_and_it_is_said_of_each(
    clock: HandSetClock,
) -> None:
    doors = [free_port(), free_port()]
    relays = Relays([Relay(str(d), mailer(f"smtp://localhost:{d}")) for d in doors], clock)
    with relays.session() as session:
        receipts = send(session, 1, 2)

    assert {(r.outcome, r.closing) for r in receipts} == {(Outcome.NO_LINE, True)}
    assert all(f"no line to localhost:{door}" in r.reply for door in doors for r in receipts)


def test_the_last_that_has_closed_is_asked_again_rather_than_nobody(
    relays: Relays, first: SmtpServer, second: SmtpServer
) -> None:
    first.always(Phase.CONNECT, BUSY)
    second.plan(Phase.RCPT, BUSY)
    with relays.session() as session:
        closed, next_one = send(session, 1, 2)

    assert (closed.outcome, closed.closing) == (Outcome.TEMPORARY, True)
    assert next_one == Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued (second)")


def test_a_session_hears_what_another_has_found_out(
    relays: Relays, first: SmtpServer, second: SmtpServer
) -> None:
    first.plan(Phase.CONNECT, BUSY)
    with relays.session() as one, relays.session() as other:
        send(one, 1)
        send(other, 2)

    assert first.connections == 1
    assert got(second) == ["1", "2"]


def test_after_the_peace_one_session_asks_and_the_others_do_without_it_meanwhile(
    relays: Relays, first: SmtpServer, second: SmtpServer, clock: HandSetClock
) -> None:
    first.plan(Phase.CONNECT, BUSY)
    with relays.session() as one, relays.session() as other:
        send(one, 1)
        clock.passed += SECONDS
        # While it is being asked, and says nothing yet, another letter has to be sent.
        first.plan(Phase.RCPT, Act("250 2.1.5 Ok", first=lambda _: send(other, 3) and None))
        send(one, 2)
        send(other, 4)

    assert (got(second), got(first)) == (["1", "3"], ["2", "4"])
