"""Feeds: one reader per log format, behind ``services.ports.UsageFeed``."""

from __future__ import annotations

from enum import StrEnum

from rollout.adapters.feeds.alb import LoadBalancer
from rollout.adapters.feeds.aws_credential_report import CredentialReport
from rollout.adapters.feeds.cloudfront import CloudFront
from rollout.adapters.feeds.cloudtrail import CloudTrail
from rollout.adapters.feeds.combined import Combined
from rollout.adapters.feeds.envoy import ENVOY
from rollout.adapters.feeds.kong import KONG
from rollout.adapters.feeds.ndjson import NDJSON
from rollout.adapters.feeds.nginx_json import NGINX_JSON
from rollout.services.ports import UsageFeed


class LogFormat(StrEnum):
    """How logs are written; ``docs/formats.md`` has a section for each."""

    ALB = "alb"
    AWS_CREDENTIAL_REPORT = "aws-credential-report"
    CLOUDFRONT = "cloudfront"
    CLOUDTRAIL = "cloudtrail"
    COMBINED = "combined"
    ENVOY = "envoy"
    KONG = "kong"
    NDJSON = "ndjson"
    NGINX_JSON = "nginx-json"


FEEDS: dict[LogFormat, UsageFeed] = {
    LogFormat.ALB: LoadBalancer(),
    LogFormat.AWS_CREDENTIAL_REPORT: CredentialReport(),
    LogFormat.CLOUDFRONT: CloudFront(),
    LogFormat.CLOUDTRAIL: CloudTrail(),
    LogFormat.COMBINED: Combined(),
    LogFormat.ENVOY: ENVOY,
    LogFormat.KONG: KONG,
    LogFormat.NDJSON: NDJSON,
    LogFormat.NGINX_JSON: NGINX_JSON,
}
