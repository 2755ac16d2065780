"""`scaffold init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
def command(folder: Path) -> None:
    """Make a workspace in DIR: scaffold.toml, protos/, .gitattributes, .gitignore and a README."""
    from scaffold.shell import console
    from scaffold.verbs.init import init

    plan = init(folder)
    for change in plan.changes:
        console.say(f"  {change.path}")
    console.say(f"\n{folder} is a workspace, and all of it is yours. Next:")
    if folder.resolve() != Path.cwd():
        console.say(f"  cd {folder}")
    console.say("  scaffold new store NAME             a data store, with a starter proto to rewrite")
    console.say("  scaffold new store NAME --proto P   a data store from a proto that you have")
