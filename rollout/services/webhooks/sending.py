"""Post what is due, record what came of it, and let people know where nothing arrives any more."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import BadInput
from rollout.domain.plan import Step
from rollout.domain.webhooks.attempts import TRIED, Answer, Ending, delay
from rollout.services.notices.reading_hours import when_open
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.notices import NewNotice
from rollout.services.ports.webhooks import Claimed, DeliveryState, Endpoint, EndpointState
from rollout.services.webhooks.endpoints import require
from rollout.services.webhooks.posting import Post

# Longer than any request takes. When it has run out, its worker is dead and the event due again.
LEASE = timedelta(minutes=2)
OUT_OF_DATE = "out of date when it was to be sent"
TEMPLATE = "webhook-disabled"


class WebhookSending:
    """The sweep that posts. Each call posts one event, so a slow server holds up one thread."""

    def __init__(self, start: StartUnitOfWork, post: Post) -> None:
        self._start = start
        self._post = post

    def sweep(self) -> int:
        """Post one event that is due; return how many there were: one or none."""
        self._post.refresh()
        with self._start() as uow:
            claimed = uow.webhook_outbox.claim(LEASE)
            if claimed is None:
                return 0
            now = uow.now()
            body = _body(self._post, uow, claimed) if claimed.current else OUT_OF_DATE
            if isinstance(body, str):  # why there is none
                skipped = DeliveryState.FAILED if claimed.current else DeliveryState.SKIPPED
                _end(uow, claimed, skipped, body)
            uow.commit()
        if isinstance(body, bytes):
            answer = self._post.send(claimed.endpoint, claimed.webhook_id, now, body)
            with self._start() as uow:
                _record(uow, claimed, answer)
                uow.commit()
        return 1

    def test(self, endpoint_id: int, *, operator: str) -> tuple[Endpoint, Answer]:
        """Post a test at once, also where the endpoint is disabled; return what came of it.

        It is kept as a fact only, is not tried again, and changes nothing.
        """
        with self._start() as uow:
            endpoint, now = require(uow, endpoint_id), uow.now()
        body = self._post.trial(endpoint, now)
        answer = self._post.send(endpoint, f"msg_{uuid4()}", now, body)
        with self._start() as uow:
            data = {"endpoint": endpoint_id, "hint": endpoint.hint, "answer": answer.text}
            subject = f"account:{endpoint.account_id}"
            uow.audit.append([Fact(operator, "webhook.tested", subject, None, data)])
            uow.commit()
        return endpoint, answer


def _body(post: Post, uow: UnitOfWork, claimed: Claimed) -> bytes | str:
    """Write what is posted, or say why that cannot be written."""
    context = uow.webhook_outbox.context(claimed, uow.now())
    try:
        return post.body(claimed.endpoint.kind, claimed.event, context)
    except BadInput as error:  # a template of the operator's own
        return error.message


def _record(uow: UnitOfWork, claimed: Claimed, answer: Answer) -> None:
    wait = delay(claimed.webhook_id, claimed.attempts, answer.retry_after)
    match answer.ending:
        case Ending.DELIVERED:
            _end(uow, claimed, DeliveryState.DELIVERED, answer.text)
        case Ending.AGAIN if wait is not None:
            uow.webhook_outbox.finish(claimed, DeliveryState.PENDING, answer.text, wait)
        case ending:
            if not _end(uow, claimed, DeliveryState.FAILED, answer.text):
                return
            endpoint_id = claimed.endpoint.endpoint_id
            since = max(claimed.event.at, uow.now() - TRIED)  # it may have been sent again
            dead = not uow.webhook_outbox.any_delivered(endpoint_id, since)
            if answer.asked and (ending is Ending.GONE or dead):  # else it is our own fault
                _disable(uow, claimed, answer)


def _end(uow: UnitOfWork, claimed: Claimed, state: DeliveryState, reason: str) -> bool:
    """End a delivery, with its fact; False where it is somebody else's now."""
    if not uow.webhook_outbox.finish(claimed, state, reason):
        return False
    uow.audit.append([_fact(f"webhook.{state}", claimed, reason)])
    return True


def _disable(uow: UnitOfWork, claimed: Claimed, answer: Answer) -> None:
    """Switch an endpoint off that takes nothing, and tell the people of its account by mail."""
    uow.plan.lock_enrollment(claimed.enrollment_id)  # its date must not move meanwhile
    endpoint = uow.webhooks.lock(claimed.endpoint.endpoint_id)
    if endpoint is None or endpoint.state is not EndpointState.ACTIVE:
        return  # somebody has decided about it meanwhile
    why = f"nothing arrived for three days, at last: {answer.text}"
    if answer.ending is Ending.GONE:
        why = f"it says that it is gone: {answer.text}"
    uow.webhooks.change(endpoint.endpoint_id, EndpointState.DISABLED, why)
    uow.audit.append([_fact("webhook.disabled", claimed, why)])
    step = Step(
        name=f"{TEMPLATE}-{claimed.delivery_id}-{claimed.lease}",  # it may be sent again, and fail
        offset=timedelta(0),
        template=TEMPLATE,
        only=(),
        required=True,
        resend=True,
    )
    document = uow.plan.deprecation(claimed.event.deprecation)
    opening = when_open(uow, document, [claimed.enrollment_id])
    notice = NewNotice(claimed.enrollment_id, step, webhook=claimed.delivery_id)
    uow.notices.add([notice], opening)


def _fact(action: str, claimed: Claimed, reason: str) -> Fact:
    data = {
        "endpoint": claimed.endpoint.endpoint_id,
        "hint": claimed.endpoint.hint,
        "webhook_id": claimed.webhook_id,
        "step": claimed.event.step,
        "deprecation": claimed.event.deprecation,
        "attempts": claimed.attempts,
    }
    return Fact(ROLLOUT, action, f"account:{claimed.endpoint.account_id}", reason, data)
