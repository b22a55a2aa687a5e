"""The argument tree. Each command group is a module of its own."""

from __future__ import annotations

import sys

import typer

from rollout.cli.account import account
from rollout.cli.alarm import alarm
from rollout.cli.audit import audit
from rollout.cli.cohort import cohort
from rollout.cli.cutoff import cutoff
from rollout.cli.demo.command import demo
from rollout.cli.deprecation import deprecation
from rollout.cli.doctor import doctor
from rollout.cli.feed import feed
from rollout.cli.gateway import gateway, web
from rollout.cli.import_mail import import_mail
from rollout.cli.import_usage import import_aws_last_used, import_usage
from rollout.cli.imports import imports
from rollout.cli.mail_in import mail_in
from rollout.cli.mail_reports import list_reports, show_report
from rollout.cli.notice import notice
from rollout.cli.notice_overview import list_untold, show_summary
from rollout.cli.notice_sending import pause_sending, resume_sending
from rollout.cli.notice_show import show_notice
from rollout.cli.output import print_error
from rollout.cli.processes import clock, migrate, up, worker
from rollout.cli.template import template
from rollout.cli.usage import usage
from rollout.cli.webhook import webhook
from rollout.cli.wording import PlainWords
from rollout.domain.errors import RolloutError

app = typer.Typer(
    name="rollout",
    cls=PlainWords,
    help="Retire an API credential on schedule without breaking the customers who still use it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(imports)
imports.command("usage")(import_usage)
imports.command("aws-last-used")(import_aws_last_used)
imports.command("mail")(import_mail)
app.add_typer(account, name="account")
app.add_typer(cohort, name="cohort")
app.add_typer(cutoff, name="cutoff")
app.add_typer(deprecation, name="deprecation")
app.add_typer(notice, name="notice")
notice.command("summary")(show_summary)
notice.command("untold")(list_untold)
notice.command("pause")(pause_sending)
notice.command("resume")(resume_sending)
notice.command("show")(show_notice)
notice.command("reports")(list_reports)
notice.command("report")(show_report)
app.add_typer(webhook, name="webhook")
app.add_typer(template, name="template")
app.add_typer(usage)
app.add_typer(feed, name="feed")
app.add_typer(audit, name="audit")
app.add_typer(alarm, name="alarm")

for command in (demo, up, migrate, web, gateway, mail_in, worker, clock, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line; exit with 0 (fine), 1 (refused or failed) or 2 (wrong usage)."""
    try:
        app()
    except RolloutError as error:
        print_error(error)
        sys.exit(1)
