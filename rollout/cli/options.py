"""How options are read that more than one command takes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

import typer

from rollout.adapters.yaml_file.fields import DURATION, LONGEST, YEARS
from rollout.cli.session import read_settings


def parse_reason(text: str) -> str:
    """Read a reason: whoever reads the audit trail later wants one."""
    if not text.strip():
        raise typer.BadParameter("say why: it is kept in the audit trail")
    return text


AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Reason = Annotated[
    str,
    typer.Option(parser=parse_reason, metavar="TEXT", help="why; it is kept in the audit trail"),
]
AsOperator = Annotated[
    str | None, typer.Option("--as", metavar="NAME", help="in whose name (ROLLOUT_OPERATOR)")
]
InDeprecation = Annotated[
    str | None, typer.Option("--deprecation", metavar="NAME", help="only in this deprecation")
]
InCohort = Annotated[
    str | None,
    typer.Option("--cohort", metavar="DEPRECATION/COHORT", help="only in this cohort"),
]


def operator_name(given: str | None) -> str:
    """Return the name under which a command is recorded."""
    return given or read_settings().operator


def parse_day_or_instant(text: str) -> date | datetime:
    """Read a day, or an RFC 3339 instant, which comes back in UTC."""
    try:
        moment = _day_or_instant(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2027-02-02T16:00:00Z or 2027-02-02"
        ) from error
    if moment.year not in YEARS:
        raise typer.BadParameter(f"{text!r} lies outside the years {YEARS[0]} to {YEARS[-1]}")
    if not isinstance(moment, datetime):
        return moment
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} names no zone; write {text}Z or {text}+01:00")
    return moment.astimezone(UTC)


def _day_or_instant(text: str) -> date | datetime:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant, or a day, which begins at midnight UTC."""
    moment = parse_day_or_instant(text)
    if isinstance(moment, datetime):
        return moment
    return datetime.combine(moment, time(), UTC)


def parse_length(text: str) -> timedelta:
    """Read a length of time as a deprecation file writes it: 14d, 36h, 1d12h."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no length of time; write 14d, 36h or 1d12h")
    days, hours, minutes, seconds = (int(digits or 0) for digits in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST:
        raise typer.BadParameter(f"{text!r} is longer than {LONGEST.days}d")
    return length


def parse_cohort(deprecation: str | None, cohort: str | None) -> tuple[str | None, str | None]:
    """Return which deprecation, and which of its cohorts, are meant."""
    if cohort is None:
        return deprecation, None
    of, slash, name = cohort.rpartition("/")
    if not slash and deprecation is None:
        raise typer.BadParameter(
            f"{cohort!r} is a cohort of which deprecation? Write DEPRECATION/{cohort}"
        )
    if slash and deprecation not in (None, of):
        raise typer.BadParameter(f"{cohort!r} is no cohort of {deprecation!r}")
    return of if slash else deprecation, name
