"""`scaffold new store`, `scaffold new process` and `scaffold new acl`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaffold.core.settings import Orm
    from scaffold.verbs.new import Request

_PROTO = click.option(
    "--proto", "protos", multiple=True, metavar="PATH",
    help="A proto with the API: a path on disk, or one relative to a root. Repeatable. Without it, a starter is written.",
)  # fmt: skip
_SERVICE = click.option(
    "--service", "services", multiple=True, metavar="FULL.NAME",
    help="A service of these protos to implement. Repeatable. Without it, all of them.",
)  # fmt: skip


@click.group("new")
def command() -> None:
    """Add a component to the workspace."""


@command.command("store")
@click.argument("name")
@_PROTO
@_SERVICE
def store(name: str, protos: tuple[str, ...], services: tuple[str, ...]) -> None:
    """Add a data store: it concentrates data that is closely related or changes together.

    Standard methods (Get, List, Create, Update, Delete, Undelete, batches) work at once; every other RPC answers
    UNIMPLEMENTED and names the file to write it in.
    """
    from scaffold.verbs.new import Request

    _new(Request("store", name, protos, services))


@command.command("process")
@click.argument("name")
@_PROTO
@_SERVICE
@click.option(
    "--uses",
    multiple=True,
    metavar="COMPONENT",
    help="A component whose API it calls. Repeatable; one typed client each.",
)
@click.option(
    "--vendor", "vendors", multiple=True, metavar="NAME",
    help="A third-party service that it calls, a [vendors.NAME] of scaffold.toml. Repeatable.",
)  # fmt: skip
def process(
    name: str, protos: tuple[str, ...], services: tuple[str, ...], uses: tuple[str, ...], vendors: tuple[str, ...]
) -> None:
    """Add a business process: it concentrates the logic of a set of transformations, over the APIs of stores.

    It has no database. Its RPCs answer UNIMPLEMENTED until they are written.
    """
    from scaffold.verbs.new import Request

    _new(Request("process", name, protos, services, uses, vendors))


@command.command("acl")
@click.argument("component")
@click.option(
    "--orm",
    type=click.Choice(["django", "sqlalchemy"]),
    required=True,
    help="What the monolith's models are written with.",
)
@click.option(
    "--models", "models", multiple=True, required=True, metavar="NAMES",
    help="Models behind the API, with commas between, as the snapshot calls them: `basket.Line`. An app stands for all that "
    "have tables of their own. Repeatable.",
)  # fmt: skip
@click.option(
    "--snapshot", default="", metavar="FILE",
    help="What `scaffold acl introspect` wrote; by default `model.snapshot.json` of the workspace.",
)  # fmt: skip
@click.option(
    "--monolith", default="", metavar="DIR",
    help="The monolith's source, recorded for `scaffold status` and `scaffold acl retire`.",
)  # fmt: skip
@click.option(
    "--proto", "protos", multiple=True, metavar="PATH",
    help="A proto with the API, where there is no component of that name (yet). Repeatable.",
)  # fmt: skip
@_SERVICE
def acl(
    component: str, orm: Orm, models: tuple[str, ...], snapshot: str, monolith: str, protos: tuple[str, ...],
    services: tuple[str, ...],
) -> None:  # fmt: skip
    """Add an anti-corruption layer: the monolith serves a component's API, calls its service, or both.

    It is a folder that a monolith can hold, for Python 3.9 and later. The mappings between the models and the API are
    proposed as TODOs; `scaffold acl check` says what is missing.
    """
    from scaffold.shell import console
    from scaffold.verbs.new import Layer, new_acl

    named = tuple(name.strip() for names in models for name in names.split(",") if name.strip())
    created = new_acl(Path.cwd(), Layer(component, orm, named, snapshot, protos, services, monolith))
    adapter, out = created.adapter, sys.stdout
    generated = sum(c.owner == "generated" and c.path.startswith(f"{adapter.path}/") for c in created.plan.changes)
    name = console.style(adapter.name, "bold", out)
    console.say(f"{name} has an anti-corruption layer: {', '.join(adapter.services)} over {', '.join(adapter.models)}")
    console.say()
    console.say(f"  {adapter.root}/translate.py   yours: the mappings, to be decided field by field")
    console.say(f"  {adapter.root}/local.py   yours: the port over the monolith's own code")
    console.say(f"  {adapter.root}/errors.py, app.py, seam.toml   yours: exceptions, hooks, who answers")
    console.say(f"  {adapter.root}/gen/, tests/acl/, .importlinter   generated ({generated} files): never edit them")
    console.show_diagnostics((*created.plan.notes, *created.remarks))
    console.say()
    console.say("Next:")
    console.say(f"  scaffold acl check {adapter.name}")
    console.say(f"  $EDITOR {adapter.root}/translate.py {adapter.root}/local.py")


def _new(request: Request) -> None:
    from scaffold.shell import console
    from scaffold.verbs.new import new

    created = new(Path.cwd(), request)
    unit, out = created.unit, sys.stdout
    generated = sum(c.owner == "generated" and c.path.startswith(f"{unit.path}/") for c in created.plan.changes)
    kind = "a data store" if unit.kind == "store" else "a business process"
    console.say(f"{console.style(unit.name, 'bold', out)} is {kind}: {', '.join(unit.services)}")
    console.say()
    if created.starter:
        console.say(f"  {created.starter}   yours: a starter API, to be rewritten")
    console.say(f"  {unit.root}/handlers/   one module for each RPC, yours from the first edit")
    console.say(f"  {unit.root}/app.py   yours: how it is put together")
    console.say(f"  {unit.root}/gen/, tests/contract/, .importlinter   generated ({generated} files): never edit them")
    console.say("  everything else there is yours")
    if created.pending:
        console.say()
        console.say("Still to be written (they answer UNIMPLEMENTED until then):")
        for path in created.pending:
            console.say(f"  {path}")
    console.show_diagnostics(created.plan.notes)
    console.say()
    console.say("Next:")
    if created.starter:
        console.say(f"  $EDITOR {created.starter} && scaffold regen")
    console.say(f"  scaffold test {unit.name}")
    console.say("  scaffold up")
