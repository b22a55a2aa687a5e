"""IAM is asked for the last use of every access key, and its refusals say what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from rollout.adapters.feeds.aws_last_used import iam_client, last_uses
from rollout.domain.errors import BadInput, Unavailable
from rollout.services.ports import LastUse

AS_OF = datetime(2026, 5, 17, 8, 5, 14, tzinfo=UTC)
ACCOUNT = "123456789012"  # moto's


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An IAM of our own, in this process."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield boto3.client("iam")


def new_key(iam: Any, user: str) -> str:
    key_id: str = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    return key_id


def before(iam: Any, operation: str, do: Callable[[], Any]) -> None:
    """Let something happen just before an operation is asked for."""
    iam.meta.events.register(f"before-call.iam.{operation}", lambda **_: do() and None)


def refuse() -> None:
    raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListUsers")


def test_every_key_of_every_user_is_named_with_its_account_and_state(iam: Any) -> None:
    for number in range(120):  # more than one page
        iam.create_user(UserName=f"user-{number}")
    jane = [new_key(iam, "user-7"), new_key(iam, "user-7")]
    last = new_key(iam, "user-119")
    iam.update_access_key(UserName="user-7", AccessKeyId=jane[1], Status="Inactive")

    uses = list(last_uses(iam_client(), AS_OF))

    assert {use.key_id: use for use in uses} == {
        jane[0]: LastUse(jane[0], ACCOUNT, None, AS_OF, active=True),
        jane[1]: LastUse(jane[1], ACCOUNT, None, AS_OF, active=False),
        last: LastUse(last, ACCOUNT, None, AS_OF, active=True),
    }


def test_a_use_is_seen_in_utc(iam: Any) -> None:
    iam.create_user(UserName="jane")
    policy = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    iam.put_user_policy(UserName="jane", PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    begin = datetime.now(UTC).replace(microsecond=0)
    caller = boto3.client(
        "sts",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    caller.get_caller_identity()

    (use,) = last_uses(iam, AS_OF)

    assert use.key_id == key["AccessKeyId"]
    assert use.last_used is not None
    assert use.last_used.tzinfo is UTC
    assert begin <= use.last_used <= datetime.now(UTC)


def test_a_user_that_is_deleted_meanwhile_is_left_out(iam: Any) -> None:
    iam.create_user(UserName="jane")
    before(iam, "ListAccessKeys", lambda: iam.delete_user(UserName="jane"))

    assert list(last_uses(iam, AS_OF)) == []


def test_a_key_that_is_deleted_meanwhile_is_left_out(iam: Any) -> None:
    iam.create_user(UserName="jane")
    key_id = new_key(iam, "jane")
    before(
        iam,
        "GetAccessKeyLastUsed",
        lambda: iam.delete_access_key(UserName="jane", AccessKeyId=key_id),
    )

    assert list(last_uses(iam, AS_OF)) == []


def test_a_missing_boto3_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(BadInput, match="boto3") as refused:
        iam_client()
    assert refused.value.fix == "pip install 'rollout[aws]'"


def test_a_profile_that_does_not_exist_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"nobody\\x1b"):
        iam_client("nobody\x1b")


def test_what_aws_does_not_allow_is_named_with_the_permissions_that_it_takes(iam: Any) -> None:
    before(iam, "ListUsers", refuse)

    with pytest.raises(BadInput, match="AccessDenied") as refused:
        list(last_uses(iam, AS_OF))
    assert "iam:ListUsers" in (refused.value.fix or "")


def test_an_aws_that_does_not_answer_is_unavailable() -> None:
    client = boto3.client(
        "iam",
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"max_attempts": 0}, connect_timeout=2),
    )

    with pytest.raises(Unavailable, match="AWS does not answer"):
        list(last_uses(client, AS_OF))
