"""``rollout account``: what is known of one account, and what a person decides about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape

from rollout.cli.options import (
    AsJson,
    AsOperator,
    InDeprecation,
    Reason,
    operator_name,
    parse_day_or_instant,
    parse_instant,
    parse_length,
)
from rollout.cli.output import err, out, print_json, print_list, printable, say
from rollout.cli.session import open_rollout
from rollout.domain.notices.untold import NEW_ADDRESS
from rollout.services.notices.briefs import Handed

account = typer.Typer(help="Show, extend, hold or restore one account.", no_args_is_help=True)

BRIEF_COLUMNS = ("deprecation", "contact", "step", "acknowledged_at", "url")

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT")]


@account.command("show")
def show(account_id: AccountId, as_json: AsJson = False) -> None:
    """Show an account: people, keys, dates and holds.

    Example: rollout account show acme
    """
    with open_rollout() as rollout:
        found = rollout.queries.account(account_id)
    if as_json:
        print_json(found)
        return
    out.print(f"[bold]{escape(printable(found['account_id']))}[/]")
    say(f"{found['name']}, {found['timezone']}, {found['tier'] or 'no tier'}")
    for name, columns in (
        (
            "contacts",
            ("email", "name", "role", "deliverability", "unsubscribed_at", "acknowledged_at"),
        ),
        ("keys", ("key_id", "kind", "status", "label", "count", "last_seen")),
        ("dates", ("deprecation", "deadline", "cause", "reason", "set_at")),
        ("webhooks", ("endpoint_id", "kind", "hint", "state", "delivered_at", "reason")),
    ):
        if name == "webhooks" and not found[name]:
            continue  # few accounts have any
        out.print(f"\n[bold]{name}[/]")
        print_list(found[name], columns, as_json=False)
    for enrollment in found["enrollments"]:
        _show_enrollment(enrollment)


def _show_enrollment(enrollment: dict[str, Any]) -> None:
    deadline: datetime = enrollment["deadline"]
    local = deadline.astimezone(ZoneInfo(enrollment["zone"]))
    out.print(
        f"\n[bold]{enrollment['deprecation']}[/] / {enrollment['cohort']}: {enrollment['state']},"
        f" deadline {local:%Y-%m-%d %H:%M:%S} {enrollment['zone']}"
        f" ({_utc(deadline)}),"
        f" people told: {enrollment['people_told']}, answered: {enrollment['people_answered']}"
    )
    if enrollment["unreachable"]:
        say(f"  nobody can be told: {enrollment['unreachable']}")
        say(
            "  Nothing is cut until somebody was told in time. An operator must act:"
            f" {NEW_ADDRESS}."
        )
    if enrollment["cohort_paused"]:
        say(f"  paused: {enrollment['cohort_paused']}")
    for hold in enrollment["holds"]:
        until = f" until {_utc(hold['until'])}" if hold["until"] else ""
        say(f"  held{until} ({hold['code']}, by {hold['owner']}): {hold['reason']}")


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@account.command("calendar")
def calendar(
    account_id: AccountId,
    renew: Annotated[
        bool, typer.Option("--renew", help="make a new link; all earlier ones end")
    ] = False,
    operator: AsOperator = None,
) -> None:
    """Show the link to an account's calendar, whose events move when its dates move.

    Example: rollout account calendar acme
    """
    with open_rollout() as rollout:
        link = (
            rollout.notices.calendars.renew(account_id, operator=operator_name(operator))
            if renew
            else rollout.notices.calendars.link(account_id)
        )
        known = rollout.settings.public_url is not None
    say(link)
    if not known:
        err.print("To see the whole address, and have it in notices, set ROLLOUT_PUBLIC_URL.")


@account.command("brief")
def brief(
    account_id: AccountId,
    renew: Annotated[
        bool, typer.Option("--renew", help="make new links; all earlier ones end")
    ] = False,
    operator: AsOperator = None,
    as_json: AsJson = False,
) -> None:
    """Show the links by which the people of an account see what stops, and what to do.

    Each is that of the newest message to a person; whoever it is forwarded to sees the same.

    Example: rollout account brief acme
    """
    with open_rollout() as rollout:
        if renew:
            rollout.notices.briefs.renew(account_id, operator=operator_name(operator))
        handed = rollout.notices.briefs.links(account_id)
        known = rollout.settings.public_url is not None
    print_list(map(_link, handed), BRIEF_COLUMNS, as_json=as_json)
    if not known:
        err.print("To see whole addresses, and have them in notices, set ROLLOUT_PUBLIC_URL.")


def _link(handed: Handed) -> dict[str, Any]:
    told = handed.told
    return {
        "deprecation": told.deprecation,
        "contact": told.email,
        "step": told.standing.step,
        "acknowledged_at": told.standing.acknowledged_at,
        "url": handed.url,
    }


@account.command("extend")
def extend(
    account_id: AccountId,
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="a day, or an instant")] = None,
    by: Annotated[str | None, typer.Option(help="a length of time, such as 14d")] = None,
    deprecation: InDeprecation = None,
    operator: AsOperator = None,
) -> None:
    """Give an account more time. People who were told the old date are told the new one.

    Example: rollout account extend acme --by 14d --reason "migration under way"
    """
    wanted = _wanted(to, by)
    with open_rollout() as rollout:
        changed = rollout.dates.extend(
            account_id,
            to=wanted,
            reason=reason,
            operator=operator_name(operator),
            deprecation=deprecation,
        )
    for enrollment, deadline in changed:
        say(f"{enrollment.deprecation}: {_utc(enrollment.deadline)} → {_utc(deadline.instant)}")
        for move in deadline.moves:
            say(f"  {move}")


def _wanted(to: str | None, by: str | None) -> date | datetime | timedelta:
    if to is not None and by is None:
        return parse_day_or_instant(to)
    if by is not None and to is None:
        return parse_length(by)
    raise typer.BadParameter("give either --to or --by")


@account.command("exempt")
def exempt(
    account_id: AccountId,
    reason: Reason,
    deprecation: InDeprecation = None,
    operator: AsOperator = None,
) -> None:
    """Take an account out of a deprecation for good.

    Example: rollout account exempt acme --reason "contract until 2028"
    """
    with open_rollout() as rollout:
        names = rollout.guards.exempt(
            account_id, reason=reason, operator=operator_name(operator), deprecation=deprecation
        )
    say(f"{account_id} is exempt from {', '.join(names)}")


@account.command("hold")
def hold(
    account_id: AccountId,
    reason: Reason,
    until: Annotated[
        datetime | None, typer.Option(parser=parse_instant, metavar="TIME", help="its end")
    ] = None,
    operator: AsOperator = None,
) -> None:
    """Do not cut an account until it is released, or until a time.

    Example: rollout account hold acme --until 2027-05-01 --reason "open ticket 4711"
    """
    with open_rollout() as rollout:
        names = rollout.guards.hold(
            account_id, reason=reason, operator=operator_name(operator), ends_at=until
        )
    say(f"{account_id} is held in {', '.join(names)}")


@account.command("release")
def release(account_id: AccountId, reason: Reason, operator: AsOperator = None) -> None:
    """Take back a hold. If the deadline has passed, the account is judged at once.

    Example: rollout account release acme --reason "ticket is closed"
    """
    with open_rollout() as rollout:
        names = rollout.guards.release(account_id, reason=reason, operator=operator_name(operator))
    say(f"{account_id} is released in {', '.join(names)}")


@account.command("restore")
def restore(
    account_id: AccountId,
    until: Annotated[
        datetime, typer.Option(parser=parse_instant, metavar="TIME", help="then it is cut again")
    ],
    reason: Reason,
    deprecation: InDeprecation = None,
    operator: AsOperator = None,
) -> None:
    """Switch keys on again, with the same secrets, until a time at which they are cut again.

    Example: rollout account restore acme --until 2027-04-20T16:00:00Z --reason "outage at Acme"
    """
    with open_rollout() as rollout:
        keys = rollout.restore.restore(
            account_id,
            until=until,
            reason=reason,
            operator=operator_name(operator),
            deprecation=deprecation,
        )
        rollout.enforcement.enforce_now([key.key_id for key in keys])
    names = ", ".join(key.key_id for key in keys)
    say(f"{account_id}: on until {_utc(until)}: {names or 'no key'}")
