"""The command: set the stage, play, report."""

from __future__ import annotations

import signal

import typer

from rollout.cli.demo.play import Play
from rollout.cli.demo.report import Report
from rollout.cli.demo.stage import set_stage
from rollout.cli.output import out


def demo() -> None:
    """Play a whole campaign in about two minutes, on embedded servers; change nothing else.

    Exits with 0 only if every invariant holds in the end.

    Example: rollout demo
    """
    # As an interrupt, SIGTERM unwinds this, so that servers and processes are stopped too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out.print("[bold]Rollout demo[/]: a sample company retires its API keys\n")
    with set_stage() as stage:
        play = Play.rehearse(stage, out)
        out.print(f"[bold]mailbox[/]  {stage.mailbox.folder}")
        play.perform()
        good = Report(play).show(out)
    out.print(f"\nThe messages stay in {stage.mailbox.folder}: open one with any mail program.")
    if not good:
        out.print(f"[bold red]Not everything is as it must be.[/] See {stage.folder}/processes.log")
        raise typer.Exit(1)
