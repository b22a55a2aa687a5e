"""AWS IAM, asked itself when each access key was last used (GetAccessKeyLastUsed).

IAM may lag behind by hours and says nothing of earlier uses, but it knows of every use, through
whichever service.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Protocol

from rollout.adapters.feeds.reading import field, printable
from rollout.domain.errors import BadInput, Unavailable
from rollout.services.ports import LastUse

NO_SUCH = "NoSuchEntity"
NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")
ACTIVE = "Active"
PERMISSIONS = "iam:ListUsers, iam:ListAccessKeys and iam:GetAccessKeyLastUsed"


class Iam(Protocol):
    """What is asked of boto3's client of IAM."""

    def get_paginator(self, operation_name: str) -> Any:
        """Return what pages through the answers to an operation."""
        ...

    def get_access_key_last_used(self, *, AccessKeyId: str) -> Any:  # noqa: N803 - AWS's name
        """Say when a key was last used."""
        ...


def iam_client(profile: str | None = None) -> Iam:
    """Return a client of IAM with the credentials that AWS's own tools would take.

    Raises ``BadInput`` where boto3 is not installed or the profile does not exist.
    """
    try:
        boto3 = import_module("boto3")
    except ModuleNotFoundError as error:
        raise BadInput(
            "asking AWS needs boto3, which is not installed", fix="pip install 'rollout[aws]'"
        ) from error
    try:
        client: Iam = boto3.Session(profile_name=profile).client("iam")
    except Exception as error:
        raise _said_by(error) from error
    return client


def last_uses(iam: Iam, as_of: datetime) -> Iterator[LastUse]:
    """Stream the last use of every access key of every user of the account.

    ``as_of`` is now, before the first question. A user or key that is deleted meanwhile is left
    out. Raises ``BadInput`` or ``Unavailable`` where AWS does not answer.
    """
    try:
        for page in iam.get_paginator("list_users").paginate():
            for user in page["Users"]:
                yield from _keys(iam, user, as_of)
    except (BadInput, Unavailable):
        raise
    except Exception as error:
        raise _said_by(error) from error


def _keys(iam: Iam, user: dict[str, Any], as_of: datetime) -> Iterator[LastUse]:
    account_id = field(user["Arn"]).split(":")[4] or None
    try:
        pages = list(iam.get_paginator("list_access_keys").paginate(UserName=user["UserName"]))
    except Exception as error:
        if _code(error) == NO_SUCH:
            return
        raise
    for key in (key for page in pages for key in page["AccessKeyMetadata"]):
        if (answer := _asked(iam, key["AccessKeyId"])) is not None:
            yield LastUse(
                key_id=field(key["AccessKeyId"]),
                account_id=account_id,
                last_used=_instant(answer["AccessKeyLastUsed"].get("LastUsedDate")),
                as_of=as_of,
                active=key["Status"] == ACTIVE,
            )


def _asked(iam: Iam, key_id: str) -> Any:
    try:
        return iam.get_access_key_last_used(AccessKeyId=key_id)
    except Exception as error:
        if _code(error) == NO_SUCH:
            return None
        raise


def _instant(value: Any) -> datetime | None:
    """Read a time, which is left out for a key that was never used."""
    return value.astimezone(UTC) if isinstance(value, datetime) else None


def _code(error: Exception) -> str:
    """Return AWS's own name for a refusal."""
    response = getattr(error, "response", None)
    return str(response["Error"]["Code"]) if response else ""


def _said_by(error: Exception) -> BadInput | Unavailable:
    """Return our error for one of boto3's; whatever else it is goes up as it came."""
    if not type(error).__module__.startswith("botocore"):
        raise error
    said = printable(str(error))
    if _code(error) in {"AccessDenied", "AccessDeniedException"}:
        return BadInput(f"AWS: {said}", fix=f"allow it {PERMISSIONS}")
    if _code(error) or type(error).__name__ in NO_CREDENTIALS:
        return BadInput(f"AWS: {said}", fix="which credentials are used, `aws sts` tells")
    return Unavailable(f"AWS does not answer: {said}", fix="try again later")
