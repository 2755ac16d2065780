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


@click.command("regen")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where regen would change something.")
@click.option(
    "--watch", is_flag=True, help="Do it again after every save of a proto or of scaffold.toml, until Ctrl-C."
)
def command(check: bool, watch: bool) -> int:
    """Bring the generated files to what the protos and scaffold.toml say.

    Files of yours are never changed. Exit code 1: a generated file was edited, and nothing is written; or a handler of
    yours has lost its RPC, and is kept.
    """
    from scaffold.shell import console
    from scaffold.verbs.regen import plan, regen

    if check and watch:
        raise click.UsageError("--check writes nothing, so there is nothing to do again: leave --watch out.")
    if watch:
        return _watch()
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
    done = console.counts(plan) if plan and not plan.conflicts else "nothing was written"
    console.say(console.printable(f"{what}: {done} ({run.seconds:.2f} s)"))
    if plan:
        console.show_changes(replace(plan, changes=tuple(c for c in plan.changes if c.owner != "generated")))
        console.show_diagnostics((*plan.notes, *plan.conflicts, *plan.orphans), sys.stdout)
    console.show_diagnostics(run.problems, sys.stdout)
