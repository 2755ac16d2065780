"""`scaffold status`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.acl.uses import Use
    from scaffold.verbs.status import Layer, Status

_SHOWN = 8


@click.command("status")
@click.option(
    "--monolith", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
    help="The monolith's source, to look for callers in; without it, what the snapshot knows of them.",
)  # fmt: skip
@click.option("--seam", metavar="FILE", default="", help="The seam.toml of production, where it is another one.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
def command(monolith: Path | None, seam: str, form: str) -> int:
    """Say what is out of the monolith, and what is not: who answers each method, which tables and callers are left.

    A layer is done when the service answers every method, nobody imports the layer, and nobody goes to the models past
    it. Exit code 0, whatever is left.
    """
    from scaffold.shell import console
    from scaffold.verbs.status import status

    found = status(Path.cwd(), monolith, str(Path(seam).resolve()) if seam else "")
    if form == "json":
        console.say(
            json.dumps({**asdict(found), "done": [layer.name for layer in found.layers if layer.done]}, indent=2)
        )
    else:
        _show(found)
    return 0


def _show(found: Status) -> None:
    from scaffold.shell import console

    for layer in found.layers:
        for line in _layer(layer):
            console.say(console.printable(line))
        console.say()
    if not found.layers:
        console.say("there is no anti-corruption layer: nothing here is on its way out of a monolith")
    if found.without:
        console.say(f"without a layer: {', '.join(found.without)}")
    if found.inside:
        console.say(
            console.printable(f"in the monolith, behind no API: {len(found.inside)} models: {_some(found.inside)}")
        )


def _layer(layer: Layer) -> list[str]:
    state = "done" if layer.done else f"{layer.at_service} of {len(layer.modes)} methods at the service"
    width = max((len(method) for method, _ in layer.modes), default=0)
    lines = [f"{layer.name}: {state}"]
    lines += [f"  {method:<{width}}  {mode}" for method, mode in layer.modes]
    lines.append(f"  tables: {', '.join(f'{t.table} ({t.model})' for t in layer.tables)}")
    if layer.callers is None:
        lines.append("  imports of the layer: --monolith DIR looks for them")
    else:
        lines.append(f"  {len(layer.callers)} imports of the layer{_places(layer.callers)}")
    lines.append(f"  {len(layer.direct)} uses of the models past it{_places(layer.direct)}")
    return lines


def _places(found: Sequence[Use]) -> str:
    return f": {_some([f'{use.where} ({use.what})' for use in found])}" if found else ""


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
