"""`scaffold new store|process|acl`: a component from protos, recorded in scaffold.toml."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.acl.source import problems as monolith_problems
from scaffold.core import settings as settings_module
from scaffold.core import starter
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Change, Listed, Plan
from scaffold.core.render import Renderer
from scaffold.core.settings import Adapter, Kind, Orm, Settings, Unit
from scaffold.shell import data, protoc, templates
from scaffold.shell.workspace import SETTINGS, Workspace
from scaffold.verbs.generate import memory_of, open_workspace, plan_of, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    kind: Kind
    name: str
    protos: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Created:
    """The new component, what was written, and the starter proto's path (empty where there were protos)."""

    unit: Unit
    plan: Plan
    starter: str
    pending: tuple[str, ...]


def new(start: Path, request: Request) -> Created:
    """Generate a component and record it. Raises ScaffoldError; nothing is written then."""
    workspace, configuration = open_workspace(start)
    with workspace.locked(), ExitStack() as stack:
        unit = _unit(request, configuration)
        ScaffoldError.raise_if(_problems(unit, workspace, configuration))
        roots = workspace.roots(configuration.protos.roots)
        protos = tuple(dict.fromkeys(_import_name(p, start, workspace, roots) for p in request.protos))
        text, starter_path = "", ""
        extra: tuple[tuple[str, Path], ...] = ()
        if not protos:
            protos = (starter.path(unit.name, workspace.root.resolve().name),)
            if protoc.locate(protos[0], roots) is None:
                text = _starter_text(unit, workspace)
                starter_path = f"{configuration.protos.roots[0].rstrip('/')}/{protos[0]}"
                extra = ((configuration.protos.roots[0], _on_disk(protos[0], text, stack)),)
        unit = replace(unit, protos=protos)
        memory = memory_of(workspace)
        what = wanted(workspace, _settings(workspace, unit), extra, memory=memory)
        unit = next(u for u in what.settings.components() if u.name == unit.name)
        if not unit.services:
            raise ScaffoldError(_no_service(unit))
        plan = plan_of(workspace, what)
        ScaffoldError.raise_if((*plan.decisions, *plan.conflicts))
        if starter_path:
            change = Change(starter_path, "create", "yours", None, text.encode(), "starter")
            plan = replace(
                plan,
                changes=(change, *plan.changes),
                listing=tuple(sorted((*plan.listing, Listed(starter_path, "yours")), key=lambda e: e.path)),
            )
        workspace.apply(plan, _text_with(workspace, unit))
        memory.keep(what.components)
        memory.forget()
        pending = tuple(
            c.path for c in plan.changes if c.path.startswith(unit.root) and c.after and b"HandlerPending" in c.after
            and "/gen/" not in c.path
        )  # fmt: skip
        return Created(unit, plan, starter_path, pending)


@dataclass(frozen=True)
class Layer:
    """What the user asked for: a layer in front of a component's API, over models of the monolith."""

    name: str
    orm: Orm
    models: tuple[str, ...]
    snapshot: str = ""
    protos: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    monolith: str = ""


@dataclass(frozen=True)
class Layered:
    """The new layer, what was written, and what is worth a word about its models."""

    adapter: Adapter
    plan: Plan
    remarks: tuple[Diagnostic, ...]


def new_acl(start: Path, request: Layer) -> Layered:
    """Generate an anti-corruption layer and record it. Raises ScaffoldError; nothing is written then."""
    workspace, configuration = open_workspace(start)
    with workspace.locked():
        ScaffoldError.raise_if(_layer_problems(request, workspace, configuration))
        roots = workspace.roots(configuration.protos.roots)
        protos = tuple(dict.fromkeys(_import_name(p, start, workspace, roots) for p in request.protos))
        from scaffold.acl import facts, snapshot  # what layers need is imported where there are some

        taken = _snapshot(request, start, workspace)
        models = snapshot.read(workspace.root / taken, taken)
        adapter = Adapter(
            name=request.name,
            package=f"{request.name}_acl",
            path=f"acl/{request.name}",
            orm=request.orm,
            models=facts.chosen(models, request.models),
            snapshot=taken,
            protos=protos,
            services=tuple(dict.fromkeys(request.services)),
            own_protos=bool(protos),
            monolith=_monolith(request, start, workspace),
        )
        memory = memory_of(workspace)
        what = wanted(workspace, _settings(workspace, adapter), memory=memory)
        adapter = replace(next(a for a in what.settings.adapters() if a.name == adapter.name), own_protos=bool(protos))
        if not adapter.services:
            raise ScaffoldError(_no_service(adapter))
        plan = plan_of(workspace, what)
        ScaffoldError.raise_if((*plan.decisions, *plan.conflicts))
        workspace.apply(plan, _text_with(workspace, adapter))
        memory.keep(what.components)
        memory.forget()
        return Layered(adapter, plan, tuple(facts.remarks(models, adapter.models)))


def _layer_problems(request: Layer, workspace: Workspace, configuration: Settings) -> Iterator[Diagnostic]:
    """Why this layer cannot be made, before anything is read."""
    known = {u.name for u in configuration.components()}
    if request.name in configuration.acls:
        yield Diagnostic(
            "name-taken",
            f"there is an [acls.{request.name}] already",
            Location(SETTINGS),
            "change its table; after a change of the proto or the snapshot, `scaffold regen` is the command",
        )
    elif request.name not in known and not request.protos:
        yield settings_module.unknown_component(request.name, known)
    folder = workspace.root / "acl" / request.name
    if request.name not in configuration.acls and _taken(folder):
        yield _not_empty(f"acl/{request.name}")


def _snapshot(request: Layer, start: Path, workspace: Workspace) -> str:
    """The snapshot's path from the workspace. Raises ScaffoldError for one that is elsewhere."""
    if not request.snapshot:
        return "model.snapshot.json"
    path = (start / request.snapshot).resolve()
    if not path.is_relative_to(workspace.root.resolve()):
        raise ScaffoldError(
            Diagnostic(
                "snapshot-outside",
                "it is not inside the workspace, so nobody else would have it",
                Location(request.snapshot),
                "copy it here: it is committed, and compared with what the mappings say",
            )
        )
    return path.relative_to(workspace.root.resolve()).as_posix()


def _monolith(request: Layer, start: Path, workspace: Workspace) -> str:
    """The path of the monolith's source from the workspace. Raises ScaffoldError where there is none."""
    if not request.monolith:
        return ""
    folder = start / request.monolith
    ScaffoldError.raise_if(monolith_problems(folder, request.monolith, None, "name the folder of its source"))
    return Path(os.path.relpath(folder.resolve(), workspace.root.resolve())).as_posix()


def _taken(folder: Path) -> bool:
    """Whether something is there already. Empty folders do not count: a run that was killed leaves some."""
    return folder.is_file() or any(f.is_symlink() or not f.is_dir() for f in folder.rglob("*"))


def _not_empty(path: str, left: str = "") -> Diagnostic:
    """Something is where files are to be written; ``left`` is the name of a former component that it is of."""
    return Diagnostic(
        "destination-not-empty",
        f"there is something already{', left of a component of this name' if left else ''}",
        Location(path),
        f"`scaffold remove {left}` takes it to the attic; then run this again"
        if left
        else "move it away, or choose another name",
    )


def _unit(request: Request, configuration: Settings) -> Unit:
    return Unit(
        name=request.name,
        kind=request.kind,
        package=configuration.python.package.replace("{name}", request.name),
        path=f"services/{request.name}",
        protos=(),
        services=tuple(dict.fromkeys(request.services)),
        uses=tuple(dict.fromkeys(request.uses)),
        vendors=tuple(dict.fromkeys(request.vendors)),
    )


def _problems(unit: Unit, workspace: Workspace, configuration: Settings) -> Iterator[Diagnostic]:
    """Why this component cannot be made, before any proto is read."""
    yield from settings_module.name_problems(unit.name, unit.package)
    known = {u.name: u for u in configuration.components()}
    if unit.name in known:
        yield Diagnostic(
            "name-taken",
            f'"{unit.name}" is a {known[unit.name].kind} already',
            Location(SETTINGS),
            "choose another name; after a change of its proto, `scaffold regen` is the command",
        )
    elif unit.name in configuration.vendors:
        yield Diagnostic("name-taken", f'"{unit.name}" is a vendor already', Location(SETTINGS), "choose another name")
    for used in unit.uses:
        if used not in known:
            yield settings_module.unknown_component(used, set(known))
    for vendor in unit.vendors:
        if vendor not in configuration.vendors:
            yield Diagnostic(
                "unknown-vendor", f"there is no [vendors.{vendor}]", Location(SETTINGS), "add the table first"
            )
    if unit.name and unit.name not in known and _taken(workspace.root / unit.path):
        left = any(path.startswith(f"{unit.path}/") for path in workspace.listed())
        yield _not_empty(unit.path, unit.name if left else "")


def _import_name(given: str, start: Path, workspace: Workspace, roots: Sequence[tuple[str, Path]]) -> str:
    """The name by which a proto is imported, from a path on disk or one relative to a root. Raises ScaffoldError."""
    on_disk = (start / given).resolve()
    if on_disk.is_file():
        for _, root in roots:
            if on_disk.is_relative_to(root.resolve()):
                return on_disk.relative_to(root.resolve()).as_posix()
    if protoc.locate(given, roots) is not None:
        return given
    if on_disk.is_file():
        raise ScaffoldError(
            Diagnostic(
                "proto-outside-roots",
                f"it is under none of the roots ({', '.join(name for name, _ in roots)})",
                Location(given),
                f"move it under {roots[0][0]}/, or add its folder to [protos] roots in {SETTINGS}",
            )
        )
    close = get_close_matches(given, protoc.known(roots), n=1, cutoff=0.5)
    raise ScaffoldError(
        Diagnostic(
            "proto-not-found",
            "there is no such proto, here or under a root",
            Location(given),
            f'did you mean "{close[0]}"?' if close else "give a path on disk, or one relative to a root",
        )
    )


def _settings(workspace: Workspace, unit: Unit | Adapter) -> Settings:
    return settings_module.load(_text_with(workspace, unit), __version__)


def _text_with(workspace: Workspace, unit: Unit | Adapter) -> str:
    """scaffold.toml with the component's table at its end; everything before it byte for byte as it was."""
    text = workspace.text
    if text and not text.endswith("\n"):
        text += "\n"
    table = settings_module.table_text(unit) if isinstance(unit, Unit) else settings_module.adapter_text(unit)
    return f"{text}\n{table}"


def _starter_text(unit: Unit, workspace: Workspace) -> str:
    renderer = Renderer(templates.loader(data.folder("templates")), templates.Compiled())
    view = starter.starter(unit.name, workspace.root.resolve().name)
    return renderer.text(f"stub/starter_{unit.kind}.proto.j2", view)


def _on_disk(name: str, text: str, stack: ExitStack) -> Path:
    """The starter in a folder of its own, for the compiler to read before anything is written."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scaffold-")))
    file = folder / name
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return folder


def _no_service(unit: Unit | Adapter) -> Diagnostic:
    return Diagnostic(
        "no-service",
        "there is no service in it",
        Location(", ".join(unit.protos)),
        "a component implements at least one `service`; messages alone are imported by those who use them",
    )
