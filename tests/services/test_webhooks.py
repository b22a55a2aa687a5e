"""Machines of an account hear what its people are told; where they hear nothing, its people do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from rollout.domain.webhooks.addresses import Address
from rollout.domain.webhooks.attempts import ATTEMPTS, DELAYS, Answer
from rollout.services.notices.overview import NoticeOverview
from rollout.services.ports.webhooks import Kind, WebhookClient
from rollout.services.webhooks.sending import LEASE
from rollout.testing import REFUSED, FakeMailer
from tests.support.campaign import GRACE, Campaign
from tests.support.processes import wait_until
from tests.support.webhook_server import DROP, STALL, Act, Request, WebhookServer, answer
from tests.support.webhooks import Webhooks, real_client

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
REMINDER = DEADLINE - 30 * DAY
LATER = DEADLINE + 14 * DAY
ANN, ART = "ann@acme.example", "art@acme.example"
PEOPLE = [ANN, ART]


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


@pytest.fixture
def hooks(campaign: Campaign) -> Webhooks:
    campaign.begin()
    return Webhooks(campaign)


def told(server: WebhookServer) -> list[tuple[str, str]]:
    return [(request.json["type"], request.json["data"]["step"]) for request in server.received]


def signed_by(request: Request, secret: str) -> bool:
    """Whether one of the signatures is by this secret; the receiver's own clock is left out."""
    at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), tz=UTC)
    right = Webhook(secret).sign(request.webhook_id, at, request.body.decode())
    return right in request.headers["webhook-signature"].split(" ")


def mailed(mailer: FakeMailer) -> list[str]:
    """Return to whom it was said that a webhook is off."""
    off = "Webhook switched off."
    return sorted(sent.to for sent in mailer.sent if sent.letter.subject.startswith(off))


def test_a_webhook_is_told_each_step_once_in_the_words_of_its_account(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    endpoint = hooks.add(server)
    campaign.live(REMINDER)
    hooks.drain()
    campaign.work(REMINDER + DAY)
    hooks.drain()

    assert told(server) == [
        ("deprecation.notice", "announcement"),
        ("deprecation.notice", "reminder"),
    ]
    request = server.received[-1]
    assert request.json["timestamp"] == "2027-01-17T16:00:00Z"
    data = request.json["data"]
    assert (data["account_id"], data["account_name"]) == ("acme", "Acme Inc")
    assert (data["deprecation"], data["title"], data["state"]) == (
        *("api-keys", "API keys"),
        "scheduled",
    )
    assert (data["deadline"], data["zone"]) == ("2027-02-16T16:00:00Z", "Europe/Berlin")
    assert [key["hint"] for key in data["keys"]] == ["…me-1", "…me-2"]
    assert data["keys"][0]["usage"] == "in_use"
    assert data["guide_url"] == "https://developers.example.com/keys-to-tokens"
    assert request.headers["content-type"] == "application/json"
    assert signed_by(request, hooks.endpoints.secret(endpoint))
    assert hooks.deliveries() == [
        ("announcement", "delivered", "200 OK: ok"),
        ("reminder", "delivered", "200 OK: ok"),
    ]
    assert hooks.facts("delivered") == [("rollout", "200 OK: ok")] * 2


def test_what_it_gets_is_verified_by_the_library_of_its_receiver(
    campaign: Campaign, server: WebhookServer
) -> None:
    campaign.begin(now=datetime.now(tz=UTC))  # the library insists on the present
    hooks = Webhooks(campaign)
    endpoint = hooks.add(server)
    _, said = hooks.sending.test(endpoint, operator="olga")

    [request] = server.received
    assert said.text == "200 OK: ok"
    verified = request.verified(hooks.endpoints.secret(endpoint))
    assert (verified["type"], verified["data"]) == ("webhook.test", {"account_id": "acme"})
    assert hooks.deliveries() == []
    assert hooks.facts("tested") == [("olga", None)]


def test_it_is_told_of_another_date_of_the_cutoff_and_of_what_is_switched_on_again(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server)
    campaign.live(REMINDER + DAY)
    hooks.drain()
    campaign.dates.extend("acme", to=LATER, reason="asked for", operator="olga")
    hooks.drain()
    campaign.live(LATER - DAY)
    hooks.drain()
    campaign.live(LATER + GRACE)
    hooks.drain()
    campaign.restore.restore("acme", until=LATER + 5 * DAY, reason="outage", operator="olga")
    hooks.drain()

    news = [request.json for request in server.received]
    assert told(server)[2:] == [
        ("deprecation.date_moved", "extended"),
        ("deprecation.notice", "reminder"),
        ("deprecation.notice", "final-warning"),
        ("deprecation.disabled", "disabled"),
        ("deprecation.restored", "restored"),
    ]
    assert news[2]["data"]["deadline"] == "2027-03-02T16:00:00Z"
    assert news[2]["data"]["previous_deadline"] == "2027-02-16T16:00:00Z"
    assert news[2]["data"]["reason"] == "asked for"
    assert [each["data"]["state"] for each in news[4:]] == ["scheduled", "cut", "scheduled"]
    assert len({request.webhook_id for request in server.received}) == 7


def test_a_webhook_that_was_told_no_date_is_told_of_no_other(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    campaign.live(REMINDER + DAY)
    hooks.add(server)
    campaign.dates.extend("acme", to=LATER, reason="asked for", operator="olga")

    assert hooks.drain() == 0


def test_nobody_elses_webhook_hears_of_it(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server, "mobile")  # which has no key that is retired
    campaign.live(REMINDER)

    assert (hooks.drain(), server.received) == (0, [])


def test_a_chat_is_told_in_a_few_lines_of_the_language_of_the_account(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    campaign.run(
        "UPDATE accounts SET locale = 'de', name = 'A & <!channel> Söhne' WHERE account_id = 'acme'"
    )
    hooks.add(server, kind=Kind.SLACK)
    campaign.live(REMINDER)
    hooks.drain()

    request = server.received[-1]
    assert list(request.json) == ["text"]
    assert request.json["text"].splitlines() == [
        (
            "Abschaltung der API-Schlüssel von A &amp; &lt;!channel&gt; Söhne in 30 Tagen:"
            " 16. Februar 2027, 17:00 (Europe/Berlin)"
        ),
        "Das ist der 16. Februar 2027, 16:00 UTC, also in 30 Tagen.",
        "Was zu tun ist: https://developers.example.com/keys-to-tokens",
    ]
    assert "webhook-signature" not in request.headers


def test_a_chat_is_tried_in_the_language_of_its_account(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    campaign.run("UPDATE accounts SET locale = 'fr' WHERE account_id = 'acme'")
    hooks.sending.test(hooks.add(server, kind=Kind.SLACK), operator="olga")

    assert server.received[0].json["text"].startswith("Ceci est un test.")


def test_what_fails_is_tried_again_under_the_same_id_until_it_is_taken(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    server.plan(answer(500), DROP, answer(302, Location=server.url), answer(204))
    campaign.work(DEADLINE - 45 * DAY)
    hooks.live(DEADLINE - 44 * DAY)

    assert len(server.received) == 4
    assert len({request.webhook_id for request in server.received}) == 1
    assert hooks.deliveries() == [("announcement", "delivered", "204 No Content")]
    assert hooks.state(endpoint) == ("active", None)
    assert mailed(mailer) == []
    assert hooks.facts("failed") == []


def test_what_fails_for_three_days_switches_the_webhook_off_and_its_people_hear_of_it(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    server.always(answer(503, "we are moving house"))
    first = DEADLINE - 45 * DAY
    campaign.work(first)
    hooks.live(first + 4 * DAY)

    at = [int(request.headers["webhook-timestamp"]) for request in server.received]
    waits = [timedelta(seconds=b - a) for a, b in pairwise(at)]
    assert len(at) == ATTEMPTS
    for wait, planned in zip(waits, DELAYS, strict=True):
        assert planned - SECOND <= wait <= planned * 1.1 + SECOND
    assert timedelta(days=3) < timedelta(seconds=at[-1] - at[0]) < timedelta(days=3.5)

    said = "503 Service Unavailable: we are moving house"
    why = f"nothing arrived for three days, at last: {said}"
    assert hooks.state(endpoint) == ("disabled", why)
    assert hooks.deliveries() == [("announcement", "failed", said)]
    assert hooks.facts("failed") == [("rollout", said)]
    assert hooks.facts("disabled") == [("rollout", why)]
    assert mailed(mailer) == PEOPLE
    [letter] = [sent.letter for sent in mailer.sent if sent.to == ANN][-1:]
    assert f"http://127.0.0.1:{server.port}/…" in letter.text
    assert said in " ".join(letter.text.split())
    assert "16 February 2027, 17:00 (Europe/Berlin)" in letter.subject

    campaign.live(REMINDER)
    assert hooks.drain() == 0
    hooks.endpoints.enable(endpoint, operator="olga")
    server.always(answer(200))
    campaign.live(DEADLINE - 2 * DAY)
    hooks.drain()
    assert told(server)[ATTEMPTS:] == [("deprecation.notice", "final-warning")]
    assert campaign.broken() == []


def test_what_failed_is_sent_again_on_request_under_the_same_id_and_the_rest_is_left(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    server.always(answer(410))
    campaign.work(DEADLINE - 45 * DAY)
    hooks.drain()
    campaign.dates.extend("acme", to=10 * DAY, reason="asked", operator="olga")
    hooks.drain()
    assert [state for _, state, _ in hooks.deliveries()] == ["failed"]
    hooks.endpoints.enable(endpoint, operator="olga")
    campaign.live(DEADLINE + 10 * DAY - 30 * DAY)
    hooks.drain()
    assert [state for _, state, _ in hooks.deliveries()] == ["failed", "failed"]
    letters = len(mailed(mailer))

    hooks.endpoints.enable(endpoint, operator="olga")
    [again] = hooks.endpoints.resend(endpoint, None, operator="olga")
    hooks.drain()  # it fails once more, and its people hear of that too
    campaign.remind()
    assert len(mailed(mailer)) > letters
    hooks.endpoints.enable(endpoint, operator="olga")
    server.always(answer(200))
    hooks.endpoints.resend(endpoint, [again], operator="olga")
    hooks.drain()

    assert [state for _, state, _ in hooks.deliveries()] == ["failed", "delivered"]
    assert len({request.webhook_id for request in server.received[-3:]}) == 1
    assert [actor for actor, _ in hooks.facts("resent")] == ["olga", "olga"]
    assert campaign.broken() == []


def test_what_is_our_own_fault_switches_no_webhook_off(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    campaign.run("UPDATE webhook_endpoints SET sealed = sealed || '\\x00'::bytea")
    campaign.work(DEADLINE - 45 * DAY)
    hooks.live(DEADLINE - 40 * DAY)

    [(_, state, reason)] = hooks.deliveries()
    assert (state, server.received) == ("failed", [])
    assert "ROLLOUT_PEPPER" in (reason or "")
    assert hooks.state(endpoint) == ("active", None)
    assert mailed(mailer) == []


def test_one_that_takes_other_things_is_left_on(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    server.judge(
        lambda request: answer(500 if request.json["data"]["step"] == "announcement" else 200)
    )
    campaign.work(REMINDER - DAY)
    hooks.live(REMINDER)
    hooks.live(REMINDER + 4 * DAY)

    assert [(step, state) for step, state, _ in hooks.deliveries()] == [
        ("announcement", "failed"),
        ("reminder", "delivered"),
    ]
    assert hooks.state(endpoint) == ("active", None)
    assert mailed(mailer) == []


def test_one_that_is_gone_is_off_at_once(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    endpoint = hooks.add(server)
    server.plan(answer(410))
    campaign.work(REMINDER)
    hooks.drain()
    campaign.remind()

    assert len(server.received) == 1
    assert hooks.state(endpoint) == ("disabled", "it says that it is gone: 410 Gone")
    assert mailed(mailer) == PEOPLE


@pytest.mark.parametrize("moved", [True, False])
def test_people_hear_that_it_is_off_also_where_the_date_moves_or_comes_meanwhile(
    campaign: Campaign,
    hooks: Webhooks,
    server: WebhookServer,
    mailer: FakeMailer,
    *,
    moved: bool,
) -> None:
    hooks.add(server)
    server.plan(answer(410))
    campaign.live(DEADLINE - DAY)
    hooks.drain()  # and the mails of it wait
    if moved:
        campaign.dates.extend("acme", to=LATER, reason="asked for", operator="olga")
        campaign.remind()
    else:
        campaign.at(DEADLINE)
        campaign.sweep.sweep()
        campaign.remind()

    assert mailed(mailer) == PEOPLE
    subject = next(s.letter.subject for s in mailer.sent if "Webhook" in s.letter.subject)
    assert ("2 March 2027" if moved else "stopped working on 16 February") in subject


def test_whoever_stands_in_for_people_who_cannot_be_reached_hears_of_it_too(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    hooks.add(server)
    server.plan(answer(410))
    campaign.live(REMINDER)
    hooks.drain()
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('acme', 'amy@acme.example', 'Amy', 'admin')"
    )
    mailer.plan(ANN, REFUSED)
    mailer.plan(ART, REFUSED)
    campaign.remind()

    assert mailed(mailer) == ["amy@acme.example"]
    assert f"http://127.0.0.1:{server.port}/…" in mailer.sent[-1].letter.text


def test_webhooks_that_are_off_are_one_line_of_the_summary(
    campaign: Campaign, hooks: Webhooks
) -> None:
    with WebhookServer() as one, WebhookServer() as two:
        for server in (one, two):
            server.always(answer(410))
            hooks.add(server)
        campaign.work(REMINDER)
        hooks.drain()

    off = NoticeOverview(campaign.start).summary("api-keys", None)[-1]
    assert (off.step, off.states) == ("webhook-disabled", {"pending": 4})


def test_a_server_may_ask_for_more_time_but_not_for_ever(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server)
    server.plan(answer(429, Retry_After="3600"), answer(503, Retry_After="99999999"))
    campaign.work(REMINDER)
    hooks.live(REMINDER + 2 * DAY)

    at = [int(request.headers["webhook-timestamp"]) for request in server.received]
    assert [b - a for a, b in pairwise(at)] == [3600, 86_400]


class Killed(BaseException):
    """What ends a worker in the midst of its work."""


class ShortLived:
    """Posts, and does not live to see the answer."""

    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    def post(self, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        self._client.post(address, headers, body)
        raise Killed


def test_what_a_killed_worker_had_is_sent_once_more_under_the_same_id(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server)
    campaign.work(REMINDER)
    with pytest.raises(Killed):
        Webhooks(campaign, ShortLived(real_client())).sending.sweep()

    assert hooks.drain() == 0  # its lease still holds
    campaign.at(REMINDER + LEASE)
    assert hooks.drain() == 1
    first, second = server.received
    assert (first.webhook_id, first.json["data"]) == (second.webhook_id, second.json["data"])
    assert hooks.deliveries() == [("reminder", "delivered", "200 OK: ok")]


def test_who_has_lost_its_lease_records_nothing(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server)
    campaign.work(REMINDER)

    def let_another_take_over() -> None:
        campaign.at(REMINDER + LEASE)
        assert hooks.sending.sweep() == 1

    server.plan(replace(answer(410), first=let_another_take_over), answer(500))
    assert hooks.sending.sweep() == 1

    assert hooks.deliveries() == [("reminder", "pending", "500 Internal Server Error")]
    assert hooks.facts("failed") == hooks.facts("disabled") == []


def test_a_server_that_does_not_answer_keeps_nobody_waiting_but_itself(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    with WebhookServer() as stalling:
        stalling.always(STALL)
        hooks.add(stalling)
        hooks.add(server, "beta")
        campaign.work(REMINDER - DAY)
        campaign.work(REMINDER)
        with ThreadPoolExecutor(1) as other:
            stalled = other.submit(hooks.sending.sweep)
            wait_until(lambda: len(stalling.received) == 1)
            assert hooks.drain() == 2  # of the other account; the second of the first one waits
            assert not stalled.done()
            stalling.stop()
            assert stalled.result(10) == 1

    assert told(server) == [
        ("deprecation.notice", "announcement"),
        ("deprecation.notice", "reminder"),
    ]
    assert len(stalling.received) == 1


def test_many_workers_post_each_event_once_and_one_at_a_time_to_each_server(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    at_once = Counter[str]()
    most = Counter[str]()

    def note(request: Request) -> Act:
        at_once[request.path] += 1
        most[request.path] = max(most[request.path], at_once[request.path])
        time.sleep(0.01)
        at_once[request.path] -= 1
        return answer(200)

    server.judge(note)
    for number in range(10):
        url = f"{server.url}/{number}"
        hooks.endpoints.add("acme", url, Kind.STANDARD, operator="olga")
    campaign.work(REMINDER - DAY)
    campaign.work(REMINDER)
    with ThreadPoolExecutor(6) as workers:
        list(workers.map(lambda _: hooks.drain(), range(6)))
    hooks.drain()

    assert len(server.received) == len({request.webhook_id for request in server.received}) == 20
    assert set(most.values()) == {1}


def test_what_is_out_of_date_is_not_sent(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    hooks.add(server)
    server.plan(answer(500))
    campaign.work(REMINDER)
    hooks.drain()
    campaign.dates.extend("acme", to=LATER, reason="asked for", operator="olga")
    hooks.live(REMINDER + DAY)

    assert told(server)[1:] == [("deprecation.date_moved", "extended")]
    assert hooks.deliveries()[0][1:] == ("skipped", "out of date when it was to be sent")


@pytest.mark.parametrize("end", ["exempt", "cut"])
def test_a_warning_is_out_of_date_once_its_account_is_exempt_or_cut(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, end: str
) -> None:
    campaign.live(REMINDER + DAY)
    hooks.add(server)
    server.plan(answer(500), answer(500))
    campaign.work(DEADLINE - 3 * DAY)
    hooks.drain()
    if end == "exempt":
        campaign.guards.exempt("acme", reason="contract", operator="olga")
        campaign.at(DEADLINE)
    else:
        campaign.live(DEADLINE)
    hooks.drain()

    assert hooks.deliveries()[0][:2] == ("final-warning", "skipped")
    assert told(server)[1:] == ([("deprecation.disabled", "disabled")] if end == "cut" else [])


def test_what_waits_for_a_webhook_that_is_switched_off_is_skipped_even_if_it_is_being_written(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    endpoint = hooks.add(server)
    campaign.work(REMINDER)
    hooks.endpoints.disable(endpoint, reason="asked for", operator="olga")
    assert hooks.deliveries() == [("reminder", "skipped", "its endpoint is disabled: asked for")]

    campaign.run("UPDATE webhook_deliveries SET state = 'pending'")  # by who saw it active
    assert hooks.drain() == 1
    assert hooks.deliveries() == [("reminder", "skipped", "out of date when it was to be sent")]
    assert server.received == []


@pytest.mark.parametrize(
    ("status", "state"), [(500, "skipped"), (410, "skipped"), (200, "delivered")]
)
def test_what_is_skipped_while_it_is_posted_counts_if_it_arrives_and_is_not_tried_again(
    campaign: Campaign,
    hooks: Webhooks,
    server: WebhookServer,
    mailer: FakeMailer,
    status: int,
    state: str,
) -> None:
    endpoint = hooks.add(server)
    campaign.work(REMINDER)

    def switch_off() -> None:
        hooks.endpoints.disable(endpoint, reason="asked for", operator="olga")

    server.plan(replace(answer(status), first=switch_off))
    hooks.drain()
    campaign.remind()

    assert hooks.deliveries()[0][1] == state
    assert hooks.facts("disabled") == [("olga", "asked for")]
    assert mailed(mailer) == []


def test_for_a_day_after_its_renewal_the_secret_before_signs_too(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer
) -> None:
    endpoint = hooks.add(server)
    campaign.at(REMINDER)
    old = hooks.endpoints.secret(endpoint)
    new = hooks.endpoints.renew_secret(endpoint, operator="olga")
    assert new != old
    assert hooks.endpoints.secret(endpoint) == new
    hooks.sending.test(endpoint, operator="olga")
    campaign.at(REMINDER + DAY)
    hooks.sending.test(endpoint, operator="olga")

    during, after = server.received
    assert [signed_by(during, secret) for secret in (new, old)] == [True, True]
    assert [signed_by(after, secret) for secret in (new, old)] == [True, False]


def test_a_webhook_that_took_it_is_no_promise_to_anybody(
    campaign: Campaign, hooks: Webhooks, server: WebhookServer, mailer: FakeMailer
) -> None:
    hooks.add(server)
    mailer.plan(ANN, *[REFUSED] * 9)
    mailer.plan(ART, *[REFUSED] * 9)
    campaign.live(DEADLINE - DAY)
    hooks.drain()
    campaign.live(DEADLINE + DAY)

    assert len(server.received) == 3  # announcement, reminder, final warning
    ((state,),) = campaign.rows("SELECT state FROM enrollments WHERE account_id = 'acme'")
    assert state == "scheduled"
    assert campaign.broken() == []


def test_a_template_that_cannot_be_written_fails_without_blame_for_the_webhook(
    campaign: Campaign, server: WebhookServer, tmp_path: Path, mailer: FakeMailer
) -> None:
    campaign.begin()
    (tmp_path / "_chat").mkdir()
    (tmp_path / "_chat" / "text.txt").write_text("{{ keys[9].hint }}")
    hooks = Webhooks(campaign, templates=tmp_path)
    endpoint = hooks.add(server, kind=Kind.SLACK)
    campaign.work(REMINDER)
    hooks.drain()
    campaign.remind()

    [(step, state, reason)] = hooks.deliveries()
    assert (step, state) == ("reminder", "failed")
    assert reason is not None
    assert reason.startswith("_chat/text.txt, line 1:")
    assert hooks.state(endpoint) == ("active", None)
    assert mailed(mailer) == server.received == []
