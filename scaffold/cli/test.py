"""`scaffold test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaffold.verbs.test import Tally

_PYTEST = "scaffold.pytest"


class _WithPytestArguments(click.Command):
    """Keeps what follows `--` apart: it is pytest's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            split = args.index("--")
            ctx.meta[_PYTEST] = args[split + 1 :]
            args = args[:split]
        return super().parse_args(ctx, args)


@click.command("test", cls=_WithPytestArguments, options_metavar="[OPTIONS]", add_help_option=True)
@click.option("--no-pending", is_flag=True, help="A handler that is not written yet is a failure.")
@click.argument("names", nargs=-1, metavar="[NAME...] [-- PYTEST ARGUMENTS]")
@click.pass_context
def command(ctx: click.Context, no_pending: bool, names: tuple[str, ...]) -> int:
    """Run the contract suites, of the named components or of all.

    In process: a store on a throwaway database, a process over the workspace's real stores. Handlers that are not
    written yet are pending, by name, and never passed. Exit code 1: a contract failed, or nothing was tested. Needs the
    extra `test`.

    What follows `--` goes to pytest, and to the suite's own part of it: `-k GetProduct`, `-x`, `--contract-seed N` for
    other examples, `--contract-examples N` for more of them.
    """
    from scaffold.shell import console
    from scaffold.verbs.test import test

    tested = test(Path.cwd(), names, ctx.meta.get(_PYTEST, ()), no_pending=no_pending)
    for line in summary(tested.tallies):
        console.say(line)
    for line in tested.undecided:
        console.say(f"undecided: {line}")
    return tested.exit_code


def summary(tallies: tuple[Tally, ...]) -> list[str]:
    """A line for each component: what passed, what is pending, what failed."""
    width = max((len(t.component) for t in tallies), default=0)
    return [
        f"{t.component:<{width}} {t.passed:>4} passed, {t.pending} pending, {t.failed} failed"
        + (f", {t.skipped} not decided" if t.skipped else "")
        for t in tallies
    ]
