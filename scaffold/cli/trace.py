"""`scaffold trace`."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click


@click.command("trace")
@click.argument("trace_id", default="", metavar="[ID]")
def command(trace_id: str) -> None:
    """Show the last trace as a tree with bars, or the one whose id begins with ID.

    Traces are received while `scaffold up` runs, and kept afterwards.
    """
    from scaffold.run.trace import render
    from scaffold.shell import console
    from scaffold.verbs.run import trace

    width = shutil.get_terminal_size((100, 24)).columns
    console.say(render(trace(Path.cwd(), trace_id), width, console.colourful(sys.stdout)))
