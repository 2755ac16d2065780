"""`scaffold acl`: beside a monolith."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.acl.seams import Seam
    from scaffold.acl.snapshot import Snapshot
    from scaffold.verbs.acl_introspect import Taken
    from scaffold.verbs.acl_smell import Smelled

_FILE = "model.snapshot.json"


@click.group("acl")
def command() -> None:
    """Beside a monolith: see what it has, map it, leave it."""


@command.command("introspect")
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option("--orm", type=click.Choice(["django", "sqlalchemy"]), help="Which one; --settings or --app tell it too.")
@click.option("--settings", metavar="MODULE", help="Django's settings: `shop.settings`.")
@click.option("--app", metavar="SPEC", help='What makes an SQLAlchemy application: `"shop:create_app()"`, or a module.')
@click.option("--python", metavar="PATH", default="", help="The monolith's interpreter; FOLDER's `.venv` without it.")
@click.option(
    "--package", "packages", multiple=True, metavar="NAME",
    help="A package that is the monolith's although it is installed. Repeatable. Without it: what is in FOLDER.",
)  # fmt: skip
@click.option("--path", "paths", multiple=True, metavar="DIR", help="Below FOLDER, to import from: `src`. Repeatable.")
@click.option("--import", "imports", multiple=True, metavar="MODULE", help="SQLAlchemy: a module with further models.")
@click.option(
    "--models", multiple=True, metavar="NAMES",
    help="Models that are to leave, with commas between: show what crosses the line around them. An app stands for all its "
    "models.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), default=_FILE, show_default=True, help="Where it is written."
)
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where the monolith has changed since.")
@click.option("--connect", is_flag=True, help="Let the monolith connect to its databases while it starts.")
@click.option(
    "--from", "taken", type=click.Path(path_type=Path), help="Show a snapshot that was taken before; start nothing."
)
@click.option(
    "--script", is_flag=True, help="Print the script that runs in the monolith, to be piped into a container."
)
def introspect(
    folder: Path, orm: str | None, settings: str | None, app: str | None, python: str, packages: tuple[str, ...],
    paths: tuple[str, ...], imports: tuple[str, ...], models: tuple[str, ...], output: Path, check: bool, connect: bool,
    taken: Path | None, script: bool,
) -> int:  # fmt: skip
    """Take a snapshot of the models of the monolith in FOLDER, and show the map that is in it.

    One script of the standard library runs in the monolith's own interpreter. It connects to no database, and changes
    nothing in FOLDER. All that comes after works from the snapshot.
    """
    from scaffold.acl.monolith import Monolith
    from scaffold.acl.monolith import script as script_of
    from scaffold.verbs.acl_introspect import look, take

    if script:
        sys.stdout.write(script_of().read_text(encoding="utf-8"))
        return 0
    chosen = [name.strip() for names in models for name in names.split(",") if name.strip()]
    if taken is not None:
        _show(look(taken, str(taken), chosen))
        return 0
    target = settings if (orm or ("django" if settings else "sqlalchemy")) == "django" else app
    if not target or (settings and app):
        raise click.UsageError('Name one of --settings MODULE (Django) and --app "MODULE:FACTORY()" (SQLAlchemy).')
    if not folder.is_dir():
        raise click.UsageError(f"There is no folder {folder}.")
    monolith = Monolith(
        folder.resolve(),
        "django" if target is settings else "sqlalchemy",
        target,
        python,
        packages,
        paths,
        imports,
        connect,
    )
    found = take(monolith, output, os.path.relpath(output), chosen, check=check)
    _show(found)
    return _conclude(found, output, check)


@command.command("smell")
@click.argument("components", nargs=-1, metavar="[COMPONENT...]")
@click.option(
    "--snapshot", type=click.Path(path_type=Path),
    help="What `acl introspect` wrote; without it, `[smell] snapshot` of scaffold.toml.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit code 1 where a message has a score of 60 or more.")
@click.option("--all", "everything", is_flag=True, help="Also what is below 40.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
    help="For people, for programs, or as annotations of a GitHub workflow.",
)  # fmt: skip
def smell(components: tuple[str, ...], snapshot: Path | None, strict: bool, everything: bool, form: str) -> int:
    """Tell which messages look like copies of the monolith's tables, and what makes them look so.

    Each message is compared with every table: names and how rare they are, their order, exposed keys, a verb for each SQL
    statement. From 40 of 100 on it is warned about. A waiver in scaffold.toml needs a reason and a last day.
    """
    from datetime import UTC, datetime

    from scaffold.verbs.acl_smell import sniff

    smelled = sniff(Path.cwd(), datetime.now(UTC).date(), components, snapshot, strict=strict)
    _show_smelled(smelled, form, everything)
    return 1 if smelled.failed else 0


def _show_smelled(smelled: Smelled, form: str, everything: bool) -> None:
    from scaffold.shell import console

    if form == "json":
        scores = [
            {
                "message": x.message.full_name, "table": x.model.name, "score": x.score, "alike": round(x.alike, 3),
                "order": round(x.order, 3), "keys": round(x.keys, 3), "verbs": round(x.verbs, 3), "names": x.names,
            }
            for x in smelled.likenesses
        ]  # fmt: skip
        console.say(json.dumps({"likenesses": scores, "findings": console.diagnostics_data(smelled.found)}, indent=2))
        return
    if form == "github":
        console.show_github(smelled.found)
        return
    console.show_diagnostics(smelled.found, sys.stdout)
    if everything:
        rows = [(str(x.score), x.message.full_name, x.model.name, str(x)) for x in smelled.likenesses]
        _table("every likeness", rows)
    seen = f"{_many(smelled.looked, 'message')} against {_many(smelled.tables, 'table')}"
    if not smelled.looked:
        console.say(f"{seen}: nothing was compared, because no component and no layer has an API with messages yet")
    elif smelled.found:
        console.say(f"{seen}: {len(smelled.found)} found")
    else:
        console.say(f"{seen}: nothing found; a copy in disguise would not have been")


def _conclude(found: Taken, output: Path, check: bool) -> int:
    from scaffold.shell import console

    if check:
        console.show_diagnostics(found.changes, sys.stdout)
        console.say(f"{len(found.changes)} found" if found.changes else f"{output} is as the monolith is")
        return 1 if found.changes else 0
    for change in found.changes:
        console.say(console.printable(f"changed: {change.message}"))
    console.say(console.printable(f"{output} is written: {_many(len(found.snapshot.own), 'model')}"))
    return 0


def _show(found: Taken) -> None:
    from scaffold.shell import console

    console.show_diagnostics(found.notes)
    _show_counts(found.snapshot)
    if found.seam is not None:
        _show_seam(found.seam)
    console.say()


def _show_counts(snapshot: Snapshot) -> None:
    from scaffold.acl import seams
    from scaffold.shell import console

    versions = {"python": "?", snapshot.orm: "?", **snapshot.versions}
    every = seams.counts(snapshot)
    runs = f"{snapshot.orm} {versions[snapshot.orm]} on Python {versions['python']}"
    console.say(console.printable(f"{runs}: {_many(every.models, 'model')}, {_many(every.columns, 'column')}"))
    console.say(
        f"{_many(every.keys, 'foreign key')} ({every.keys_out} across apps), {_many(every.properties, 'property')}, "
        f"{_many(every.methods, 'method')} that change{'s' if every.methods == 1 else ''} something, "
        f"{_many(every.saves, 'save() override')}, "
        f"{_many(len(snapshot.receivers), 'receiver')}"
    )
    rows: list[tuple[str, ...]] = [("app", "models", "columns", "keys", "out", "properties", "methods")]
    for app, c in seams.by_app(snapshot):
        numbers = (c.models, c.columns, c.keys, c.keys_out, c.properties, c.methods)
        rows.append((app, *map(str, numbers)))
    _table("", rows)
    _table("from app to app, foreign keys", [(f"{a} → {b}", str(n)) for a, b, n in seams.between_apps(snapshot)])
    _table(
        "transactions over several apps", [(str(t.at), t.function, _names(t.models)) for t in seams.spanning(snapshot)]
    )


def _show_seam(seam: Seam) -> None:
    from scaffold.shell import console

    console.say()
    console.say(console.printable(f"around {_names(m.name for m in seam.models)}"))
    out = [(f"{k.model.name}.{k.column.name}", f"→ {k.column.references}") for k in seam.keys_out]
    _table("keys that lead out", out)
    _table("keys that lead in", [(f"{k.model.name}.{k.column.name}", f"→ {k.column.references}") for k in seam.keys_in])
    _table(
        "transactions that also touch others",
        [(str(t.at), t.function, _names(seam.others(t.models))) for t in seam.transactions],
    )
    _table("modules that touch them", [(str(m.at), m.name, _names(seam.others(m.models))) for m in seam.modules])
    _table(
        "queries and attributes that cross the line: an RPC cannot join",
        [(str(x.at), f"{x.by} {x.path}", f"→ {_names(x.models)}") for x in seam.lookups],
    )
    _table("who is called when they change", [(str(r.at), r.signal, r.function) for r in seam.receivers])
    _table("methods that change something", [(f"{m.name}.{x.name}", ", ".join(x.does)) for m, x in seam.methods])
    _table("properties", [(f"{m.name}.{p.name}", f"reads {_names(p.reads)}") for m, p in seam.properties])
    _table("columns to look twice at", [(f"{m.name}.{c.name}", why) for m, c, why in seam.watched])


def _many(count: int, what: str) -> str:
    return f"{count} {what if count == 1 else {'property': 'properties'}.get(what, f'{what}s')}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing else"


def _table(title: str, rows: Sequence[tuple[str, ...]]) -> None:
    from scaffold.shell import console

    if not rows:
        return
    console.say(f"\n{title}" if title else "")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.say(console.printable(f"  {line}".rstrip()))


@command.command("check")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github"]), default="text",
    help="For people, for programs, or as annotations of a GitHub workflow.",
)  # fmt: skip
def check(names: tuple[str, ...], form: str) -> int:
    """Check that the mappings of the named layers, or of all, are complete: ACL001 to ACL007, each with its line.

    Their functions are tried, with values that the columns may hold. Also that the port answers every RPC, and that
    seam.toml can be read. A changed proto or snapshot leads to the lines that have to follow, once `scaffold regen` has
    been run. Exit code 1: something was found.
    """
    from scaffold.cli.check import show
    from scaffold.verbs.check import layers

    found = layers(Path.cwd(), names)
    show(found, form)
    return 1 if found else 0


@command.command("retire")
@click.argument("name")
@click.option(
    "--monolith", type=click.Path(path_type=Path), metavar="DIR",
    help="The monolith's source; without it, `monolith` of the layer in scaffold.toml.",
)  # fmt: skip
@click.option(
    "--seam", type=click.Path(path_type=Path), metavar="FILE",
    help="The seam.toml of production, where it is another one.",
)  # fmt: skip
def retire(name: str, monolith: Path | None, seam: Path | None) -> int:
    """Say whether an anti-corruption layer may go, and what stands in the way, line by line.

    It may not while calls go to the monolith, while anything there needs the layer or the models behind it, and while a
    file that may do so cannot be read. Nothing is written. Exit code 1: something stands in the way.
    """
    from scaffold.shell import console
    from scaffold.verbs.status import retire as retire_layer

    said = retire_layer(Path.cwd(), name, monolith, seam)
    console.show_diagnostics((*said.found, *said.notes), sys.stdout)
    if said.found:
        console.say(f"{len(said.found)} found: {name} is still needed")
        return 1
    console.say(f"nothing needs {name}'s layer any more: `scaffold remove acl/{name}` takes it out, into the attic;")
    if said.tables:
        tables = ", ".join(said.tables)
        console.say(
            console.printable(f"then revoke the rights on {tables}, which finds what is in no source, and drop")
        )
        console.say("what nobody missed, when nobody can want it back")
    return 0
