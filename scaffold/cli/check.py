"""`scaffold check`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.core.diagnostics import Diagnostic


@click.command("check")
@click.option(
    "--only", multiple=True, type=click.Choice(["drift", "boundaries", "types"]), help="Only this part. Repeatable."
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
    help="For people, for programs, or as annotations of a GitHub workflow.",
)  # fmt: skip
def command(only: tuple[str, ...], form: str) -> int:
    """Check all that CI asks for.

    drift: what is on disk is what the protos say. boundaries: no process imports a database, no component another one.
    types: nobody calls an RPC or names a message that is gone, and every handler fits its RPC. (import-linter and mypy, in
    the extra `check`.) Exit code 1: something was found.
    """
    from scaffold.verbs.check import check, failed

    found = check(Path.cwd(), only)
    show(found, form)
    return 1 if failed(found) else 0


def show(found: Sequence[Diagnostic], form: str) -> None:
    """Print findings on standard output."""
    from scaffold.shell import console

    if form == "json":
        console.say(json.dumps({"findings": console.diagnostics_data(found)}, indent=2))
    elif form == "github":
        console.show_github(found)
    else:
        console.show_diagnostics(found, sys.stdout)
        count = sum(d.severity.value != "note" for d in found)
        console.say(f"{count} found" if count else "nothing found")
