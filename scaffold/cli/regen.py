"""`scaffold regen`."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaffold.verbs.watch import Run

RENAME = click.option(
    "--rename", "renames", multiple=True, metavar="SVC.OLD=NEW",
    help="That RPC is called NEW now: its handler's file moves along, byte for byte. Repeatable. By itself also "
    "stores.OLD=NEW, processes.OLD=NEW or acls.OLD=NEW: that gets another name, and all files of yours in it move along.",
)  # fmt: skip
NO_RENAME = click.option(
    "--no-rename", "no_renames", multiple=True, metavar="SVC.OLD",
    help="That RPC is gone, whatever looks like it: its handler is an orphan. Repeatable.",
)  # fmt: skip

PRUNE = click.option("--prune", is_flag=True, help="Handlers of yours whose RPC is gone go to the attic.")
FORCE = click.option(
    "--force", "forced", multiple=True, metavar="PATH",
    help="A generated file that was edited is made again, its old bytes go to the attic. Repeatable.",
)  # fmt: skip


@click.command("regen")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where regen would change something.")
@click.option(
    "--watch", is_flag=True, help="Do it again after every save of a proto or of scaffold.toml, until Ctrl-C."
)
@RENAME
@NO_RENAME
@PRUNE
@FORCE
def command(
    check: bool,
    watch: bool,
    renames: tuple[str, ...],
    no_renames: tuple[str, ...],
    prune: bool,
    forced: tuple[str, ...],
) -> int:
    """Bring the generated files to what the protos and scaffold.toml say.

    Files of yours are never changed, and moved only where you say so. Exit code 1: a generated file was edited, or an
    RPC was perhaps renamed, and nothing is written; or a handler of yours has lost its RPC, and is kept.
    """
    from scaffold.shell import console
    from scaffold.verbs.regen import Typed, plan, regen

    typed = Typed(prune=prune, force=forced, renames=renames, no_renames=no_renames)
    if watch and (check or typed != Typed()):
        raise click.UsageError("--watch does what the protos say, again and again: leave the other options out.")
    if watch:
        return _watch()
    if check:
        from scaffold.cli.check import show
        from scaffold.verbs.check import drift, failed

        found = drift(plan(Path.cwd(), afresh=True).plan)
        show(found, "text")
        return 1 if failed(found) else 0
    outcome = regen(Path.cwd(), typed)
    console.show_evolution(outcome.plan.evolution, short=True)
    console.show_changes(outcome.plan)
    console.show_diagnostics((*outcome.plan.notes, *console.decisions(outcome.plan)), sys.stdout)
    console.say(f"files: {console.counts(outcome.plan)}")
    if outcome.plan.blocked:
        console.say("Nothing was written.")
    return outcome.exit_code


def _watch() -> int:
    """Regenerate until Ctrl-C, also where the shell has started this in the background, with Ctrl-C switched off."""
    import signal

    from scaffold.verbs.watch import watch

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            for run in watch(Path.cwd()):
                _show(run)
    finally:
        signal.signal(signal.SIGINT, before)
    return 0


def _show(run: Run) -> None:
    """A line for the run; then what is or becomes the user's, and what is wrong."""
    from scaffold.shell import console

    plan = run.outcome.plan if run.outcome else None
    what = (
        f"{run.changed[0]}{f' and {len(run.changed) - 1} more' if run.changed[1:] else ''}"
        if run.changed
        else "watching"
    )
    done = console.counts(plan) if plan and not plan.blocked else "nothing was written"
    console.say(console.printable(f"{what}: {done} ({run.seconds:.2f} s)"))
    if plan:
        console.show_changes(replace(plan, changes=tuple(c for c in plan.changes if c.owner != "generated")))
        console.show_diagnostics((*plan.notes, *console.decisions(plan)), sys.stdout)
    console.show_diagnostics(run.problems, sys.stdout)
