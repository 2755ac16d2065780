"""`scaffold burn`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scaffold.core.diagnostics import Diagnostic
    from scaffold.verbs.burn import Clearing, Outcome


@click.command("burn")
@click.argument("name")
@click.option("--keep-handlers", is_flag=True, help="Leave the handlers that you have written where they are.")
@click.option("--yes", is_flag=True, help="Do not ask: for scripts, and wherever there is no terminal.")
def command(name: str, keep_handlers: bool, yes: bool) -> int:
    """Start a component, or a layer (`acl/cart`), again from its protos.

    What you wrote in files that scaffold made goes to the attic; `scaffold restore` brings it back. Shows what goes and what
    stays, and asks. Databases and files that scaffold has not made stay where they are, always.
    """
    from scaffold.verbs.burn import burn

    return show_written(burn(Path.cwd(), name, asker(yes=yes), keep_handlers=keep_handlers))


def asker(*, yes: bool) -> Callable[[Clearing], bool]:
    """What shows a clearing and asks whether to go on. Without a terminal only ``yes`` is an answer."""
    from scaffold.core.diagnostics import ScaffoldError

    def confirm(clearing: Clearing) -> bool:
        _show(clearing)
        if yes:
            return True
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise ScaffoldError(_no_terminal(clearing))
        return click.confirm(f"{clearing.verb.capitalize()} {clearing.unit.address}?")

    return confirm


def show_written(outcome: Outcome) -> int:
    """Say what came of it; the exit code."""
    from scaffold.shell import console

    clearing = outcome.clearing
    if clearing.plan.blocked:
        console.show_diagnostics((*clearing.plan.notes, *clearing.plan.open), sys.stdout)
        console.say("Nothing was written.")
        return 1
    if clearing.empty:
        console.say(f"{clearing.unit.address} is as it is generated: there is nothing to burn.")
    elif not outcome.written:
        console.say("Nothing was written.")
        return 1
    else:
        console.show_diagnostics((*clearing.plan.notes, *clearing.plan.orphans), sys.stdout)
        console.say(f"files: {console.counts(clearing.plan)}")
        if clearing.plan.archived:
            console.say(f"`scaffold restore {clearing.entry.number}` brings back what went to the attic.")
    return 1 if clearing.plan.orphans else 0


def _show(clearing: Clearing) -> None:
    from scaffold.core.settings import TABLES
    from scaffold.shell import console

    plan, unit = clearing.plan, clearing.unit
    archived = [c.path for c in plan.archived]
    _show_paths(f"to the attic ({clearing.entry.folder}/):", archived, "to the attic: nothing; none of it is yours")
    _show_paths("stays:", clearing.stays, "")
    made = [c for c in plan.writes if c.action in ("create", "update") and c.path.startswith(f"{unit.path}/")]
    gone = [c for c in plan.writes if c.action == "delete" and not c.archived]
    if clearing.verb == "burn":
        console.say(f"made again: {len(made)} files")
    else:
        table = f"[{TABLES[unit.kind]}.{unit.name}]"
        console.say(f"deleted: {len(gone)} generated files" + (f", and {table} in scaffold.toml" if plan.table else ""))


def _show_paths(title: str, paths: Iterable[str], otherwise: str) -> None:
    from scaffold.shell import console

    paths = tuple(paths)
    if paths or otherwise:
        console.say(title if paths else otherwise)
    for path in paths:
        console.say(f"  {console.printable(path)}")


def _no_terminal(clearing: Clearing) -> Diagnostic:
    from scaffold.core.diagnostics import Diagnostic

    name = clearing.unit.address
    return Diagnostic(
        "needs-an-answer",
        f"{clearing.verb} asks before it does this, and there is no terminal to answer on",
        None,
        f"`scaffold {clearing.verb} {name} --yes`, when what is listed is what you want",
    )
