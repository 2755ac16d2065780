"""`scaffold burn`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("burn")
@click.argument("name")
@click.option("--keep-handlers", is_flag=True, help="Leave the handlers that you have written where they are.")
@click.option("--yes", is_flag=True, help="Do not ask: for scripts, and wherever there is no terminal.")
def command(name: str, keep_handlers: bool, yes: bool) -> int:
    """Start a component again from its protos: what you wrote in files that scaffold made goes to the attic.

    Shows what goes and what stays, and asks. Databases and files that scaffold has not made stay where they are, always.
    `scaffold restore` brings back what went.
    """
    from scaffold.cli.clearing import asker, show_written
    from scaffold.verbs.burn import burn

    return show_written(burn(Path.cwd(), name, asker(yes=yes), keep_handlers=keep_handlers))
