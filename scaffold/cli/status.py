"""`scaffold status`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.acl.uses import Use
    from scaffold.verbs.status import Layer, Status, Table

_SHOWN = 8


@click.command("status")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--monolith", type=click.Path(path_type=Path), metavar="DIR",
    help="The monolith's source, to look for callers in; without it, `monolith` of the layer in scaffold.toml.",
)  # fmt: skip
@click.option(
    "--seam", type=click.Path(path_type=Path), metavar="FILE",
    help="The seam.toml of production, where it is another one.",
)  # fmt: skip
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="For people or programs.")
def command(names: tuple[str, ...], monolith: Path | None, seam: Path | None, form: str) -> int:
    """Say what is out of the monolith, and what is not: who answers each method, which tables and callers are left.

    Of the layers of these names, or of all.

    A layer is done when the service answers every method, nobody imports the layer, and nobody goes to the models past
    it. Exit code 0, whatever is left.
    """
    from scaffold.shell import console
    from scaffold.verbs.status import status

    found = status(Path.cwd(), names, monolith, seam)
    if form == "json":
        console.say(json.dumps(_data(found), indent=2))
    else:
        _show(found)
    return 0


def _data(found: Status) -> dict[str, object]:
    from scaffold.shell import console

    layers = [{**asdict(layer), "at_service": layer.at_service, "done": layer.done} for layer in found.layers]
    done = [layer.name for layer in found.layers if layer.done]
    notes = console.diagnostics_data(found.notes)
    return {"layers": layers, "without": found.without, "inside": found.inside, "done": done, "notes": notes}


def _show(found: Status) -> None:
    from scaffold.shell import console
    from scaffold.verbs.status import some

    for layer in found.layers:
        for line in _layer(layer):
            console.say(console.printable(line))
        console.say()
    if len(found.layers) > 1:
        console.say(_together(found))
    if not found.layers:
        console.say("there is no anti-corruption layer: nothing here is on its way out of a monolith")
    if found.without:
        console.say(f"components without a layer: {', '.join(found.without)}")
    if found.inside:
        behind = f"{_count(len(found.inside), 'model')} of the monolith behind no API"
        console.say(console.printable(f"{behind}: {some(found.inside)}"))
    console.show_diagnostics(found.notes, sys.stdout)


def _together(found: Status) -> str:
    methods = [mode for layer in found.layers for _, mode in layer.modes]
    done, out = sum(layer.done for layer in found.layers), sum(not t.why for t in found.tables)
    return (
        f"together: {done} of {len(found.layers)} layers done, {sum(m == 'service' for m in methods)} of {len(methods)} "
        f"methods at the service, {out} of {_count(len(found.tables), 'table')} out of the monolith"
    )


def _layer(layer: Layer) -> list[str]:
    said = f"by {layer.seam}" if layer.seam else "there is no seam.toml"
    width = max((len(method) for method, _ in layer.modes), default=0)
    return [
        f"{layer.name}: {layer.at_service} of {_count(len(layer.modes), 'method')} at the service ({said})",
        *(f"  {method:<{width}}  {_mode(mode)}" for method, mode in layer.modes),
        *_tables(layer.tables),
        *_lines(layer),
        f"  {_left(layer)}",
    ]


def _mode(mode: str) -> str:
    return f"{mode}, but for calls that name no entity" if mode == "percent:100" else mode


def _tables(tables: Sequence[Table]) -> list[str]:
    out = sum(not table.why for table in tables)
    names = [f"{t.table} ({t.model})" if t.table else t.model for t in tables]
    width = max(map(len, names), default=0)
    rows = [f"    {n:<{width}}  {', '.join(t.why) or 'out'}" for n, t in zip(names, tables, strict=True)]
    return [f"  {out} of {_count(len(tables), 'table')} out of the monolith", *rows]


def _lines(layer: Layer) -> list[str]:
    if layer.callers is None:
        return _places(layer.direct, "module", "to the models past it, when the snapshot was taken", layer)
    return [
        *_places(layer.callers, "line", "to the layer", layer),
        *_places(layer.direct, "line", "to the models past it", layer),
    ]


def _places(uses: Sequence[Use], what: str, where_to: str, layer: Layer) -> list[str]:
    """How many places there are, and the first of them, each with what it needs."""
    needs: dict[str, list[str]] = {}
    for use in uses:
        needs.setdefault(str(use.where), []).append(use.what)
    shown = list(needs)[:_SHOWN]
    width = max(map(len, shown), default=0)
    rows = [f"    {where:<{width}}  {', '.join(needs[where])}" for where in shown]
    if len(needs) > _SHOWN:
        rows.append(f"    and {len(needs) - _SHOWN} more: `scaffold acl retire {layer.name}` lists all")
    return [f"  {_count(len(needs), what)} go{'es' if len(needs) == 1 else ''} {where_to}", *rows]


def _left(layer: Layer) -> str:
    """What has to happen until the layer is done."""
    if layer.done:
        return f"done: `scaffold acl retire {layer.name}` says how it goes"
    gaps = sum(not gap.silent for gap in layer.gaps)
    steps = (
        (len(layer.modes) - layer.at_service, "method", "to `service`"),
        (len({use.where for use in layer.callers or ()}), "line", "off the layer"),
        (len({use.where for use in layer.direct}), "line" if layer.monolith else "module", "off the models"),
        (gaps, "file", "to be read"),
    )
    left = [f"{_count(number, what)} {how}" for number, what, how in steps if number]
    looked = [] if layer.monolith else ["a search of the monolith: --monolith DIR"]
    return f"left: {'; '.join([*left, *looked])}"


def _count(number: int, what: str) -> str:
    from scaffold.verbs.status import count

    return count(number, what)
