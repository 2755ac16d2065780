"""`scaffold regen`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

RENAME = click.option(
    "--rename", "renames", multiple=True, metavar="SVC.OLD=NEW",
    help="That RPC is called NEW now: its handler's file moves along, byte for byte. Repeatable.",
)  # fmt: skip
NO_RENAME = click.option(
    "--no-rename", "no_renames", multiple=True, metavar="SVC.OLD",
    help="That RPC is gone, whatever looks like it: its handler is an orphan. Repeatable.",
)  # fmt: skip


@click.command("regen")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where regen would change something.")
@RENAME
@NO_RENAME
@click.option("--prune", is_flag=True, help="Handlers of yours whose RPC is gone go to the attic.")
@click.option(
    "--force", "forced", multiple=True, metavar="PATH",
    help="A generated file that was edited is made again, its old bytes go to the attic. Repeatable.",
)  # fmt: skip
def command(
    check: bool, renames: tuple[str, ...], no_renames: tuple[str, ...], prune: bool, forced: tuple[str, ...]
) -> int:
    """Bring the generated files to what the protos and scaffold.toml say.

    Files of yours are never changed, and moved only where you say so. Exit code 1: a generated file was edited, or an
    RPC was perhaps renamed, and nothing is written; or a handler of yours has lost its RPC, and is kept.
    """
    from scaffold.shell import console
    from scaffold.verbs.regen import Typed, plan, regen

    if check:
        from scaffold.cli.check import show
        from scaffold.verbs.check import drift

        found = drift(plan(Path.cwd()).plan)
        show(found, "text")
        return 1 if found else 0
    outcome = regen(Path.cwd(), Typed(prune=prune, force=forced, renames=renames, no_renames=no_renames))
    console.show_evolution(outcome.plan.evolution, short=True)
    console.show_changes(outcome.plan)
    console.show_diagnostics((*outcome.plan.notes, *console.decisions(outcome.plan)), sys.stdout)
    console.say(f"files: {console.counts(outcome.plan)}")
    if outcome.plan.blocked:
        console.say("Nothing was written.")
    return outcome.exit_code
