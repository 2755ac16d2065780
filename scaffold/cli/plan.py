"""`scaffold plan`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from scaffold.cli.regen import FORCE, NO_RENAME, PRUNE, RENAME


@click.command("plan")
@click.option("--diff", is_flag=True, help="Show the lines, too.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or for programs."
)
@RENAME
@NO_RENAME
@PRUNE
@FORCE
def command(
    diff: bool, form: str, renames: tuple[str, ...], no_renames: tuple[str, ...], prune: bool, forced: tuple[str, ...]
) -> int:
    """Say what `regen` would change: per RPC and message, with the lines of yours that it touches. Nothing is written.

    Exit code 0: regen can simply be run. 1: something needs a decision first.
    """
    from scaffold.shell import console
    from scaffold.verbs.regen import Typed, plan

    outcome = plan(Path.cwd(), Typed(prune=prune, force=forced, renames=renames, no_renames=no_renames))
    if form == "json":
        console.say(console.plan_json(outcome.plan))
        return outcome.exit_code
    console.show_evolution(outcome.plan.evolution)
    console.show_changes(outcome.plan, diff=diff)
    console.show_diagnostics((*outcome.plan.notes, *console.decisions(outcome.plan)), sys.stdout)
    console.say(f"files: {console.counts(outcome.plan)}")
    if outcome.plan.writes or outcome.plan.decisions:
        console.say("Nothing was written." + ("" if diff else " `scaffold plan --diff` shows the lines."))
    return outcome.exit_code
