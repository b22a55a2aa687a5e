from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.gateway import Fault, KeyCredential, Record, Retirement, parse_authorization
from rollout.domain.gateway_answers import Answer, answer, for_nginx, refuse, unavailable
from rollout.domain.inventory import KeyStatus, digest_secret

ANNOUNCED = datetime(2026, 12, 1, tzinfo=UTC)
DEADLINE = datetime(2027, 2, 2, 16, tzinfo=UTC)

RETIREMENT = Retirement(
    title="API keys",
    deprecated_at=ANNOUNCED,
    sunset=DEADLINE,
    guide_url="https://developers.example.com/keys-to-tokens",
    replacement_title="access tokens",
    replacement_url="https://developers.example.com/access-tokens",
)
LIVE = Record(
    key_id="icm_0123459fQ2",
    account_id="acme",
    status=KeyStatus.ACTIVE,
    version=3,
    hint="…9fQ2",
    secret_digest=digest_secret(b"pepper", "s3cret"),
    disabled_at=None,
    retirement=None,
)
ENROLLED = replace(LIVE, retirement=RETIREMENT)
CUT = replace(ENROLLED, status=KeyStatus.DISABLED, disabled_at=DEADLINE)


def basic(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return b"Basic " + base64.b64encode(raw)


def headers(of: Answer) -> dict[str, str]:
    assert len({name.lower() for name, _ in of.headers}) == len(of.headers)
    return dict(of.headers)


# -- credentials


def test_basic_gives_the_key_id_and_the_secret_even_if_the_secret_has_colons() -> None:
    assert parse_authorization([basic("app:se:cr:ét")]) == KeyCredential("app", "se:cr:ét")


@pytest.mark.parametrize("scheme", [b"basic", b"BASIC", b"  Basic  "])
def test_the_scheme_is_read_in_any_case_and_spacing(scheme: bytes) -> None:
    value = scheme + b" " + base64.b64encode(b"app:secret") + b" "
    assert parse_authorization([value]) == KeyCredential("app", "secret")


def test_forgotten_padding_is_forgiven_because_the_key_worked_before() -> None:
    bare = base64.b64encode(b"app:secre").rstrip(b"=")
    assert parse_authorization([b"Basic " + bare]) == KeyCredential("app", "secre")


@pytest.mark.parametrize(
    "value",
    [
        b"Basic",
        b"",
        b"Basic !!!!",
        b"Basic YXBw\xff",
        b"Basic A",
        basic("no colon"),
        basic(b"app:\xff\xfe"),
        b"Bearer ",
    ],
)
def test_what_cannot_be_read_is_malformed(value: bytes) -> None:
    assert parse_authorization([value]) is Fault.MALFORMED


@pytest.mark.parametrize(
    "value", [b"Bearer token", b"Digest a=b", basic("token:"), basic(":secret"), basic("a\0b:c")]
)
def test_what_is_no_old_key_is_unknown(value: bytes) -> None:
    assert parse_authorization([value]) is Fault.UNKNOWN


def test_no_header_is_missing_and_two_headers_are_malformed() -> None:
    assert parse_authorization([]) is Fault.MISSING
    assert parse_authorization([basic("app:a"), basic("app:b")]) is Fault.MALFORMED


@given(st.lists(st.binary(max_size=80), max_size=2))
def test_no_bytes_whatever_make_the_parser_fail(values: list[bytes]) -> None:
    assert isinstance(parse_authorization(values), KeyCredential | Fault)
    assert isinstance(parse_authorization([b"Basic " + v for v in values]), KeyCredential | Fault)


def test_a_record_opens_for_its_own_id_and_secret_only() -> None:
    digest = digest_secret(b"pepper", "s3cret")
    assert LIVE.opened_by("icm_0123459fQ2", digest)
    assert not LIVE.opened_by("icm_other", digest)
    assert not LIVE.opened_by("icm_0123459fQ2", digest_secret(b"pepper", "other"))
    assert not LIVE.opened_by("icm_0123459fQ2", digest_secret(b"other pepper", "s3cret"))


def test_neither_a_credential_nor_a_record_shows_its_secret_when_printed() -> None:
    assert "s3cret" not in repr(KeyCredential("app", "s3cret"))
    assert repr(LIVE.secret_digest) not in repr(LIVE)


# -- answers


def test_a_live_key_without_a_date_passes_without_signals() -> None:
    passed = answer(LIVE)
    assert passed.status == 204
    assert headers(passed) == {"X-Account": "acme", "X-Credential-Used": "legacy-key ...9fQ2"}


def test_a_live_key_with_a_date_passes_and_is_told_the_date() -> None:
    passed = answer(ENROLLED)
    told = headers(passed)
    assert passed.status == 204
    assert passed.body == b""
    assert told["Deprecation"] == "@1796083200"
    assert told["Sunset"] == "Tue, 02 Feb 2027 16:00:00 GMT"
    assert told["Link"] == (
        '<https://developers.example.com/keys-to-tokens>; rel="deprecation"; type="text/html", '
        '<https://developers.example.com/keys-to-tokens>; rel="sunset"; type="text/html", '
        '<https://developers.example.com/access-tokens>; rel="successor-version"'
    )
    assert told["Cache-Control"] == "private"
    assert told["Vary"] == "Authorization"
    assert told["X-Account"] == "acme"


def test_a_sunset_before_the_deprecation_is_told_as_the_deprecation() -> None:
    early = replace(RETIREMENT, sunset=ANNOUNCED - timedelta(days=1))
    told = headers(answer(replace(LIVE, retirement=early)))
    assert parsedate_to_datetime(told["Sunset"]) == ANNOUNCED


def test_a_deadline_in_any_zone_is_told_in_gmt() -> None:
    tokyo = replace(RETIREMENT, sunset=DEADLINE.astimezone(timezone(timedelta(hours=9))))
    told = headers(answer(replace(LIVE, retirement=tokyo)))
    assert told["Sunset"] == "Tue, 02 Feb 2027 16:00:00 GMT"


def test_a_cut_key_is_refused_with_when_why_and_what_instead() -> None:
    refused = answer(CUT)
    told, problem = headers(refused), json.loads(refused.body)
    assert refused.status == 401
    assert told["WWW-Authenticate"] == (
        'Bearer realm="api", error="invalid_token",'
        ' error_description="this API key was disabled on 2027-02-02T16:00:00Z"'
    )
    assert told["Content-Type"] == "application/problem+json"
    assert told["Cache-Control"] == "no-store"
    assert told["Sunset"] == "Tue, 02 Feb 2027 16:00:00 GMT"
    assert 'rel="deprecation"' in told["Link"]
    assert problem == {
        "type": "urn:problem-type:api-key-disabled",
        "title": "API key disabled",
        "status": 401,
        "detail": "This API key was disabled on 2027-02-02T16:00:00Z. API keys are replaced by"
        " access tokens: https://developers.example.com/keys-to-tokens",
        "reason": "cutoff",
        "disabled_at": "2027-02-02T16:00:00Z",
        "key_hint": "…9fQ2",
        "replacement": {
            "title": "access tokens",
            "url": "https://developers.example.com/access-tokens",
        },
        "guide_url": "https://developers.example.com/keys-to-tokens",
    }


def test_a_refusal_does_not_tell_a_third_party_whose_key_it_was() -> None:
    refused = answer(replace(CUT, account_id="whose-key"))
    assert "whose-key" not in repr(refused)


def test_a_key_that_was_off_for_another_reason_is_refused_without_a_date_of_ours() -> None:
    refused = answer(replace(LIVE, status=KeyStatus.REVOKED))
    problem = json.loads(refused.body)
    assert refused.status == 401
    assert problem["reason"] == "revoked"
    assert problem["disabled_at"] is None
    assert problem["detail"] == "This API key was revoked."
    assert "Sunset" not in headers(refused)


def test_without_credentials_the_challenge_has_no_error_code() -> None:
    told = headers(refuse(Fault.MISSING))
    assert refuse(Fault.MISSING).status == 401
    assert told["WWW-Authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize("fault", [Fault.MALFORMED, Fault.UNKNOWN])
def test_other_faults_are_refused_with_invalid_token(fault: Fault) -> None:
    refused = refuse(fault)
    assert refused.status == 401
    assert 'error="invalid_token"' in headers(refused)["WWW-Authenticate"]
    assert json.loads(refused.body)["status"] == 401


def test_when_nobody_can_tell_the_caller_is_asked_to_come_back() -> None:
    assert unavailable().status == 503
    assert headers(unavailable())["Retry-After"] == "1"
    assert "WWW-Authenticate" not in headers(unavailable())


def test_nginx_gets_every_no_as_403_with_the_truth_in_headers() -> None:
    for plain in (answer(CUT), refuse(Fault.UNKNOWN), unavailable()):
        tunnelled = for_nginx(plain)
        told = headers(tunnelled)
        assert tunnelled.status == 403
        assert told["X-Error-Status"] == str(plain.status)
        assert told["X-Error-Body"].encode() == plain.body
        assert set(plain.headers) <= set(tunnelled.headers)
    assert for_nginx(answer(ENROLLED)) == answer(ENROLLED)


hostile = st.text(min_size=1, max_size=20)


@given(title=hostile, url=hostile, account=hostile, hint=hostile)
def test_whatever_names_say_headers_stay_printable_ascii(
    title: str, url: str, account: str, hint: str
) -> None:
    retirement = replace(
        RETIREMENT, title=title, guide_url=url, replacement_title=title, replacement_url=url
    )
    record = replace(LIVE, account_id=account, hint=hint, retirement=retirement)
    for status in KeyStatus:
        tunnelled = for_nginx(answer(replace(record, status=status, disabled_at=DEADLINE)))
        for _, value in tunnelled.headers:
            assert re.fullmatch(r"[\x20-\x7e]+", value)
        for link in headers(tunnelled)["Link"].split(", <"):
            assert re.fullmatch(r"<?[^<>\s\"]*>; rel=\"[a-z-]+\"(; type=\"text/html\")?", link)
