"""`scaffold regen`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("regen")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where regen would change something.")
def command(check: bool) -> int:
    """Bring the generated files to what the protos and scaffold.toml say.

    Files of yours are never changed. Exit code 1: a generated file was edited, and nothing is written; or a handler of
    yours has lost its RPC, and is kept.
    """
    from scaffold.shell import console
    from scaffold.verbs.regen import plan, regen

    if check:
        from scaffold.cli.check import show
        from scaffold.verbs.check import drift

        found = drift(plan(Path.cwd(), afresh=True).plan)
        show(found, "text")
        return 1 if found else 0
    outcome = regen(Path.cwd())
    console.show_changes(outcome.plan)
    decisions = (*outcome.plan.conflicts, *outcome.plan.orphans)
    console.show_diagnostics((*outcome.plan.notes, *decisions), sys.stdout)
    console.say(f"files: {console.counts(outcome.plan)}")
    if outcome.plan.conflicts:
        console.say("Nothing was written.")
    return outcome.exit_code
