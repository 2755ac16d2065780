"""`scaffold up`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_TINTS = ("cyan", "green", "yellow", "bold")


@click.command("up")
def command() -> int:
    """Start every service of the workspace on loopback, traced, and wait for Ctrl-C.

    Stand-ins of vendors first, then each component before those that use it, each healthy before the next. Stores keep
    SQLite files in .data/. Needs the extra `run`. Exit code 1: a service died.
    """
    from scaffold.shell import console
    from scaffold.verbs.run import start

    lines = Lines()
    with start(Path.cwd(), lines) as session:
        running = session.running
        console.say()
        for name, end in {**running.vendors, **running.components}.items():
            console.say(f"  {console.style(f'{name:<12}', 'bold', sys.stdout)} {end.address}   {end.kind}")
        console.say(f"  {'traces':<12} {running.receiver}   OTLP; `scaffold trace` shows the last one")
        console.say("\nIn another terminal: scaffold call NAME RPC key=value      Here: Ctrl-C stops everything.\n")
        outcome = session.wait()
    console.show_diagnostics(outcome.diagnostics)
    return outcome.exit_code


class Lines:
    """Prints what services say, each line behind its service's name."""

    def __init__(self) -> None:
        self._tints: dict[str, str] = {}

    def __call__(self, name: str, line: str) -> None:
        """Print a line; called from several threads."""
        from scaffold.shell import console

        tint = self._tints.setdefault(name, _TINTS[len(self._tints) % len(_TINTS)])
        console.say(f"{console.style(f'{name:<12}', tint, sys.stdout)} {console.printable(line)}")
