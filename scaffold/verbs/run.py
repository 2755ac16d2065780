"""`scaffold up`, `scaffold call` and `scaffold trace`: run what the workspace holds, and look at it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from scaffold.core import naming
from scaffold.core import settings as settings_module
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.run import call as calls
from scaffold.run import spans, up
from scaffold.shell import descriptors
from scaffold.verbs.generate import compile_api, open_workspace, with_services

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scaffold.core.settings import Adapter, Settings, Unit
    from scaffold.shell.workspace import Workspace


def start(start_folder: Path, on_line: Callable[[str, str], None]) -> up.Session:
    """Start every vendor's stand-in and every service of the workspace, traced. Raises ScaffoldError."""
    workspace, settings = open_workspace(start_folder)
    plan = launchables(workspace, settings)
    if not plan:
        raise ScaffoldError(
            Diagnostic(
                "nothing-to-start", "there is no component yet", Location("scaffold.toml"), "scaffold new store NAME"
            )
        )
    _check_generated(workspace, settings)
    return up.start_all(
        plan, root=workspace.root, on_line=on_line, interpreter=settings.python.interpreter or sys.executable
    )


def launchables(workspace: Workspace, settings: Settings) -> tuple[up.Launchable, ...]:
    """What there is to start: stand-ins of vendors, stores, processes."""
    vendors = [
        up.Launchable(name, "vendor", command=tuple(vendor.dev or ()), env_names=tuple(vendor.env))
        for name, vendor in settings.vendors.items()
    ]
    services = [
        up.Launchable(
            unit.name, unit.kind, unit.package, workspace.root / unit.source, uses=unit.uses, vendors=unit.vendors
        )
        for unit in settings.own()
    ]
    return (*vendors, *services)


def call(
    start_folder: Path,
    name: str,
    rpc: str,
    request: str | Sequence[str],
    *,
    address: str = "",
    metadata: Sequence[tuple[str, str]] = (),
    timeout: float = 10.0,
    on_response: Callable[[str], None] | None = None,
) -> calls.CallResult:
    """Call an RPC of a component once, or of a monolith by its layer's name.

    Raises ScaffoldError; a status that is not OK is a result.
    """
    workspace, settings = open_workspace(start_folder)
    layers = settings.adapters()
    units: dict[str, Unit | Adapter] = {adapter.name: adapter for adapter in layers}
    units |= {unit.name: unit for unit in settings.components()}  # of one name, the component is meant
    units |= {adapter.address: adapter for adapter in layers}
    if name not in units:
        raise ScaffoldError(settings_module.unknown_component(name, set(units)))
    files, services = _api(workspace, settings, units[name])
    return calls.call(
        files,
        rpc,
        request,
        address=address or _address_of(workspace, units[name]),
        services=services,
        metadata=metadata,
        timeout=timeout,
        on_response=on_response,
    )


def _api(workspace: Workspace, settings: Settings, unit: Unit | Adapter) -> tuple[calls.Files, tuple[str, ...]]:
    """The files of a component's API and its services: as they were generated, or from the protos where nothing is."""
    if unit.external:
        api, serialized = compile_api(workspace.roots(settings.protos.roots), unit.protos)
        return tuple(serialized.items()), with_services(unit, api).services
    shown = f"{unit.root}/gen/descriptors.py"
    found = descriptors.read(workspace.root / shown, shown)
    return found.complete(), found.services


def trace(start_folder: Path, wanted: str = "") -> spans.Trace:
    """The last trace that was received, or the one whose id begins so. Raises ScaffoldError."""
    workspace, _ = open_workspace(start_folder)
    traces = spans.group(spans.read(workspace.root / spans.FILE))
    if wanted:
        return spans.find(traces, wanted)
    found = spans.last(traces)
    if found is None:
        raise ScaffoldError(
            Diagnostic("no-trace", "no trace has been received yet", None, "run `scaffold up`, then call something")
        )
    return found


def _address_of(workspace: Workspace, unit: Unit | Adapter) -> str:
    if unit.kind == "acl":
        raise calls.NobodyAnswers(
            Diagnostic(
                "nobody-answers",
                f"{unit.name} is a monolith behind its layer, which `scaffold up` does not start",
                None,
                "start its server, and give --address HOST:PORT",
            )
        )
    return _given_address(unit.name) if unit.external else _address(workspace, unit.name)


def _given_address(name: str) -> str:
    variable = f"{naming.environment(name)}_ADDRESS"
    address = os.environ.get(variable, "")
    if not address:
        raise calls.NobodyAnswers(
            Diagnostic(
                "nobody-answers",
                f"{name} is external, and {variable} is not set",
                None,
                f"set {variable} to where it runs, or give --address HOST:PORT",
            )
        )
    return address


def _address(workspace: Workspace, name: str) -> str:
    running = up.running(workspace.root)
    if running is None:
        raise calls.NobodyAnswers(
            Diagnostic(
                "nobody-answers",
                f"{name} is not up",
                None,
                "start the services with `scaffold up` in another terminal, or give --address HOST:PORT",
            )
        )
    if name not in running.components:
        raise calls.NobodyAnswers(
            Diagnostic(
                "nobody-answers", f"{name} was not there when `scaffold up` began", None, "start `scaffold up` again"
            )
        )
    return running.components[name].address


def _check_generated(workspace: Workspace, settings: Settings) -> None:
    """A component that is in scaffold.toml and was never generated cannot start."""
    ScaffoldError.raise_if(
        Diagnostic("not-generated", f"{unit.name} has no gen/ yet", Location(unit.root), "run `scaffold regen`")
        for unit in settings.own()
        if not workspace.exists(f"{unit.root}/gen/__init__.py")
    )


def select(settings: Settings, names: Sequence[str]) -> tuple[str, ...]:
    """The components of these names, all where none is named; never those that are external.

    Raises ScaffoldError for unknown names.
    """
    known = [unit.name for unit in settings.own()]
    external = {unit.name for unit in settings.components()} - {*known}
    ScaffoldError.raise_if(
        _not_here(n) if n in external else settings_module.unknown_component(n, set(known))
        for n in names
        if n not in known
    )
    return tuple(n for n in known if not names or n in names)


def _not_here(name: str) -> Diagnostic:
    return Diagnostic(
        "external-component",
        f"{name} is external: there is nothing of it here",
        Location("scaffold.toml"),
        "whoever makes it tests it; take `external` out if that is you",
    )
