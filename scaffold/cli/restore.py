"""`scaffold restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaffold.core.attic import Entry


@click.command("restore")
@click.argument("wanted", nargs=-1, metavar="[NUMBER|PATH]...")
def command(wanted: tuple[str, ...]) -> int:
    """Bring back what is in the attic: an entry by its number, a file by its path. Without either, list what is there.

    Of a file that is in several entries the newest comes back; name it by its path in the attic for another one. Nothing
    is overwritten but what scaffold has made and nobody has edited: else exit code 2, and nothing is written.
    """
    from scaffold.shell import console
    from scaffold.verbs.restore import entries, restore

    if not wanted:
        _show(entries(Path.cwd()))
        return 0
    restored = restore(Path.cwd(), wanted)
    for change in restored.plan.moves:
        console.say(f"> {console.printable(change.path)}")
    if restored.table:
        console.say("~ scaffold.toml: its table is back, at the end")
    count = len(restored.plan.moves)
    console.say(f"{count} file{'s are' if count != 1 else ' is'} back. `scaffold plan` says what regen would do now.")
    return 0


def _show(entries: Iterable[Entry]) -> None:
    from scaffold.shell import console

    entries = tuple(entry for entry in entries if entry.files)
    if not entries:
        console.say("The attic is empty.")
    for entry in entries:
        console.say(f"{entry.number:>3}  {entry.verb} {console.printable(entry.name)}")
        for file in entry.files:
            console.say(f"       {console.printable(file.path)}")
    if entries:
        console.say("\n`scaffold restore NUMBER` or `scaffold restore PATH` brings them back.")
