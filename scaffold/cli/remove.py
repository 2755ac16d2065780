"""`scaffold remove`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask: for scripts, and wherever there is no terminal.")
def command(name: str, yes: bool) -> int:
    """Take a component, or a layer (`acl/cart`), out of the workspace: its table, and the files that scaffold made for it.

    Shows what goes and what stays, and asks. What you wrote goes to the attic; protos, databases and files that scaffold
    has not made stay where they are. Refused while another component uses it, or a layer has its protos from it.
    """
    from scaffold.cli.burn import asker, show_written
    from scaffold.verbs.burn import remove

    return show_written(remove(Path.cwd(), name, asker(yes=yes)))
