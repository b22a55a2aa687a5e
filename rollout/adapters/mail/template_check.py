"""Renders every template with sample values: a mistake shows before anybody is written to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.errors import BadInput, RolloutError
from rollout.domain.notices import Called, Caller, NoticeContext, NoticeKey
from rollout.domain.notices.brief import Brief, Standing
from rollout.domain.notices.unsubscribe import NOBODY
from rollout.domain.usage import Usage
from rollout.services.ports import Letter, Renderer

MOST_BYTES = 100_000  # Gmail cuts off a longer HTML part
HOSTILE = "<script>alert(1)</script>"

_DEADLINE = datetime(2027, 4, 13, 14, 0, tzinfo=UTC)


def sample_context(
    usage: Usage = Usage.IN_USE, *, before: timedelta | None = None
) -> NoticeContext:
    """Return an invented account, ``before`` its deadline (30 days; negative: after it)."""
    now = _DEADLINE - (timedelta(days=30) if before is None else before)
    called = now - timedelta(hours=5, minutes=14)
    in_use = usage is Usage.IN_USE
    return NoticeContext(
        recipient="dev@acme.example",
        contact_id=NOBODY,
        required=False,
        account_id="acme-123",
        account_name="Acme",
        keys=(
            NoticeKey("…9f3a", "Production server", usage, called if in_use else None),
            NoticeKey("…77b1", "", Usage.UNUSED if in_use else usage, None),
        ),
        usage=usage,
        callers=_sample_callers(called) if in_use else (),
        endpoints=(Called("GET /v1/users/{id}", 11_204), Called("POST /v1/orders", 1))
        if in_use
        else (),
        deadline=_DEADLINE,
        previous_deadline=_DEADLINE - timedelta(days=14),
        reason="Asked for by Acme: their release is two weeks late.",
        refused_since_cutoff=1_204 if in_use else 0,
        now=now,
        zone="Europe/Berlin",
        locale="en",
        title="API keys",
        replacement_title="access tokens",
        replacement_url="https://developers.example.com/access-tokens",
        guide_url="https://developers.example.com/keys-to-tokens",
        calendar_url="https://rollout.example.com/calendar/YWNtZS0xMjM.c2l4dGVlbi1ieXRl.ics",
        webhook="https://hooks.acme.example/…9f3a",
        webhook_reason="503 Service Unavailable",
        brief_url="https://rollout.example.com/brief/7.sixteenletterszz",
    )


def _sample_callers(called: datetime) -> tuple[Caller, ...]:
    own = Caller("python-requests/2.31.0", "203.0.113.0/24", 12_345, called, recent=9, before=21)
    product = Caller(
        *("Zapier", "198.51.100.7", 1, called - timedelta(days=9), 3),
        is_integration=True,
        migration_url="https://zapier.example/oauth",
    )
    return own, product


def sample_date(state: str = "scheduled") -> AccountDate:
    """Return the date of the same account, as its calendar shows it."""
    sample = sample_context()
    return AccountDate(
        deprecation="api-keys",
        account_id=sample.account_id,
        account_name=sample.account_name,
        state=state,
        deadline=sample.deadline,
        stopped_at=sample.deadline if state == "cut" else None,
        schedule_version=2,
        set_at=sample.now,
        zone=sample.zone,
        locale=sample.locale,
        title=sample.title,
        replacement_title=sample.replacement_title,
        replacement_url=sample.replacement_url,
        guide_url=sample.guide_url,
    )


def sample_brief(state: str = "scheduled", *, before: timedelta | None = None) -> Brief:
    """Return the brief of the same account, ``before`` its deadline."""
    sample = sample_context(before=before)
    standing = Standing(
        notice_id=NOBODY,
        account_id=sample.account_id,
        step="reminder",
        links_version=1,
        state=state,
        deadline=sample.deadline,
        stopped_at=sample.deadline if state == "cut" else None,
        acknowledged_at=None,
    )
    return Brief(standing, sample, "help@platform.example")


def sample_briefs() -> Iterator[Brief]:
    """Yield samples that between them take every branch of the page."""
    after = timedelta(days=-1)
    plain = sample_brief()
    yield from (plain, sample_brief("exempt"), sample_brief("cut", before=after))
    yield sample_brief(before=after)  # held: the keys still work
    yield replace(plain, standing=replace(plain.standing, acknowledged_at=plain.context.now))
    nobody = replace(plain.context, callers=(), brief_url=None)
    yield from (replace(plain, context=replace(nobody, usage=usage)) for usage in Usage)
    one = replace(plain.context.callers[1], migration_url="")
    yield replace(plain, context=replace(plain.context, callers=(one,)))


def check_templates(renderer: Renderer) -> list[str]:
    """Return one sentence for each thing wrong with a template; none means that all can be sent."""
    try:
        names, languages = renderer.templates(), renderer.languages()
    except RolloutError as error:
        return [error.message]
    problems = [problem for name in sorted(names) for problem in _check(renderer, name, languages)]
    problems += _check_several(renderer, languages)
    problems += _check_the_rest(renderer, languages)
    problems += _check_brief(renderer, languages)
    return list(dict.fromkeys(problems))  # each once, though several samples may show it


def _check(renderer: Renderer, name: str, languages: Sequence[str]) -> Iterator[str]:
    for context, locale in product(sample_contexts(), languages):
        try:
            letter = renderer.render(name, replace(context, locale=locale))
            renderer.short(name, replace(context, locale=locale))
        except BadInput as error:
            yield error.message
        else:
            yield from _faults(name, letter)


def _check_several(renderer: Renderer, languages: Sequence[str]) -> Iterator[str]:
    letter = Letter("one of several", "its text", "<body>its text</body>")
    for locale in languages:
        try:
            renderer.together([letter, letter], locale)
        except BadInput as error:
            yield error.message


def _check_the_rest(renderer: Renderer, languages: Sequence[str]) -> Iterator[str]:
    for state, locale in product(("scheduled", "cut", "exempt"), languages):
        date = replace(sample_date(state), locale=locale)
        try:
            renderer.describe(date)
            renderer.name(AccountCalendar(date.account_name, locale, (date,)))
        except BadInput as error:
            yield error.message
    for locale in languages:
        try:
            renderer.short_test(locale)
        except BadInput as error:
            yield error.message


def _check_brief(renderer: Renderer, languages: Sequence[str]) -> Iterator[str]:
    for brief, locale in product(sample_briefs(), languages):
        try:
            renderer.brief(replace(brief, context=replace(brief.context, locale=locale)))
        except BadInput as error:
            yield error.message


def sample_contexts() -> Iterator[NoticeContext]:
    """Yield samples that between them take every branch a template is likely to have."""
    for usage in Usage:
        yield sample_context(usage)
        yield sample_context(usage, before=timedelta(days=-1))
    yield replace(sample_context(), required=True)
    bare = replace(sample_context(), previous_deadline=None, reason=None, callers=(), endpoints=())
    yield replace(bare, calendar_url=None, brief_url=None)
    yield replace(bare, account_name=HOSTILE, reason=HOSTILE, recipient=HOSTILE)


def _faults(name: str, letter: Letter) -> Iterator[str]:
    if not letter.text.strip():
        yield f"{name}/body.txt is empty"
    if HOSTILE in letter.html:
        yield f"{name}/body.html shows a value unescaped"
    if len(letter.html.encode()) > MOST_BYTES:
        yield f"{name}/body.html is longer than {MOST_BYTES:,} bytes"
