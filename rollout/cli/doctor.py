"""``rollout doctor``: whether everything is well, and every invariant holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.markup import escape

from rollout.adapters.doctor import Finding, Health, examine, examine_invariants
from rollout.adapters.mail.template_check import check_templates
from rollout.bootstrap import Rollout
from rollout.cli.options import AsJson
from rollout.cli.output import out, print_json, printable, say
from rollout.cli.session import open_rollout

MARKS = {
    Health.OK: "[green]ok[/]",
    Health.WARNING: "[yellow]warning[/]",
    Health.FAILED: "[red]failed[/]",
}


def doctor(
    invariants: Annotated[
        bool, typer.Option("--invariants", help="check every invariant, and nothing else")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Examine servers, migrations, clocks, processes and templates; exit 1 if something failed.

    Example: rollout doctor --invariants
    """
    # Whoever asks what is wrong must not be refused because something is.
    with open_rollout(database_may_be_down=not invariants) as rollout:
        findings = list(_invariants(rollout) if invariants else _health(rollout))
    _print(findings, as_json=as_json)
    if any(finding.health is Health.FAILED for finding in findings):
        raise typer.Exit(1)


def _health(rollout: Rollout) -> Iterator[Finding]:
    findings = list(
        examine(
            rollout.engine,
            rollout.redis,
            rollout.clock,
            production=rollout.settings.production,
            mail=rollout.settings.smtp_url is not None,
        )
    )
    yield from findings
    if any(f.subject == "database" and f.health is Health.FAILED for f in findings):
        return  # some of the templates may be in there
    problems = check_templates(rollout.renderer)
    health = Health.FAILED if problems else Health.OK
    yield Finding("templates", health, "; ".join(problems) or "all render")


def _invariants(rollout: Rollout) -> Iterator[Finding]:
    yield from examine_invariants(rollout.engine)
    yield _chain(rollout.audit.verify().intact)


def _chain(intact: bool) -> Finding:
    if intact:
        return Finding("chain", Health.OK, "the chain of facts verifies")
    fix = "`rollout audit verify` names the facts"
    return Finding("chain", Health.FAILED, "the chain of facts is broken", fix)


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "items": [
                    {"subject": f.subject, "health": f.health, "detail": f.detail, "fix": f.fix}
                    for f in findings
                ]
            }
        )
        return
    for finding in findings:
        out.print(
            f"{MARKS[finding.health]:<20} [bold]{escape(finding.subject)}[/]:"
            f" {escape(printable(finding.detail))}",
            soft_wrap=True,
        )
        if finding.fix and finding.health is not Health.OK:
            say(f"         {finding.fix}")
