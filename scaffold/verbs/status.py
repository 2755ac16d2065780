"""`scaffold status` and `scaffold acl retire`: what is out of the monolith, what is not, and whether a layer may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.acl import check, uses
from scaffold.acl.facts import facts
from scaffold.acl.snapshot import read
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.verbs.check import unknown_layer
from scaffold.verbs.generate import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from scaffold.acl.snapshot import Snapshot
    from scaffold.acl.uses import Use
    from scaffold.core.facts import ModelFacts
    from scaffold.core.settings import Adapter
    from scaffold.shell.workspace import Workspace


@dataclass(frozen=True)
class Table:
    """A table behind an API: the model's name in the snapshot, and its own."""

    model: str
    table: str


@dataclass(frozen=True)
class Layer:
    """An API on its way out: who answers each method, the tables behind it, and who needs what.

    ``callers`` are lines of the monolith that import the layer (None: nobody has looked at its source), ``direct`` those
    that go to the models past it.
    """

    name: str
    services: tuple[str, ...]
    modes: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    callers: tuple[Use, ...] | None
    direct: tuple[Use, ...]

    @property
    def at_service(self) -> int:
        """How many methods the service answers, for everybody."""
        return sum(mode in ("service", "percent:100") for _, mode in self.modes)

    @property
    def done(self) -> bool:
        """Whether nothing is left for the layer to do."""
        return self.at_service == len(self.modes) and self.callers == () and not self.direct


@dataclass(frozen=True)
class Status:
    """Where the way out of the monolith stands. ``inside`` are own models of the snapshots behind no layer."""

    layers: tuple[Layer, ...]
    without: tuple[str, ...]
    inside: tuple[str, ...]


def status(start: Path, monolith: Path | None = None, seam: str = "") -> Status:
    """Where every layer stands. Raises ScaffoldError.

    ``monolith`` is a folder with its source; without one, callers are what the snapshot knows of them. ``seam`` is the
    ``seam.toml`` of production, where it is not the layer's own.
    """
    workspace, settings = open_workspace(start)
    adapters = settings.adapters()
    snapshots = {a.snapshot: read(workspace.root / a.snapshot, a.snapshot) for a in adapters}
    behind = {model for adapter in adapters for model in adapter.models}
    own = dict.fromkeys(model.name for snapshot in snapshots.values() for model in snapshot.own)
    layered = {adapter.name for adapter in adapters}
    return Status(
        layers=tuple(_layer(workspace, a, snapshots[a.snapshot], monolith, seam) for a in adapters),
        without=tuple(unit.name for unit in settings.components() if unit.name not in layered),
        inside=tuple(name for name in own if name not in behind),
    )


def retire(start: Path, name: str, monolith: Path, seam: str = "") -> tuple[Diagnostic, ...]:
    """Why a layer may not go yet; nothing where it may. Raises ScaffoldError."""
    workspace, settings = open_workspace(start)
    adapters = {adapter.name: adapter for adapter in settings.adapters()}
    if name not in adapters:
        raise ScaffoldError(unknown_layer(name, adapters))
    adapter = adapters[name]
    snapshot = read(workspace.root / adapter.snapshot, adapter.snapshot)
    layer = _layer(workspace, adapter, snapshot, monolith, seam)
    shown = seam or f"{adapter.root}/seam.toml"
    calls = [
        Diagnostic(
            "calls-go-to-the-monolith",
            f"{method} is at {mode}",
            Location(shown),
            'the layer is needed for as long as the monolith answers: mode = "service" first, for every method',
        )
        for method, mode in layer.modes
        if mode not in ("service", "percent:100")
    ]
    imports = [
        Diagnostic(
            "still-imported",
            f"{use.what} is still needed here",
            use.where,
            "call the service by a client of its own, or let the code go",
        )
        for use in (*(layer.callers or ()), *layer.direct)
    ]
    return (*calls, *imports)


def _layer(workspace: Workspace, adapter: Adapter, snapshot: Snapshot, monolith: Path | None, seam: str) -> Layer:
    models = facts(snapshot, adapter.models, adapter.snapshot)
    found = _from_source(workspace, adapter, models, monolith) if monolith else _from_snapshot(adapter, snapshot)
    return Layer(
        name=adapter.name,
        services=adapter.services,
        modes=_modes(workspace, adapter, seam),
        tables=tuple(Table(name, snapshot.model_by_name[name].table) for name in adapter.models),
        callers=tuple(use for use in found if use.what == adapter.package) if monolith else None,
        direct=tuple(use for use in found if use.what != adapter.package),
    )


def _from_source(
    workspace: Workspace, adapter: Adapter, models: tuple[ModelFacts, ...], monolith: Path
) -> tuple[Use, ...]:
    return uses.uses(monolith, adapter.package, models, (workspace.root / adapter.path,))


def _from_snapshot(adapter: Adapter, snapshot: Snapshot) -> tuple[Use, ...]:
    """The modules that name the models, as introspection saw them."""
    return tuple(
        uses.Use(model, module.at)
        for module in snapshot.modules
        for model in module.models
        if model in adapter.models and module.name != snapshot.model_by_name[model].module
    )


def _modes(workspace: Workspace, adapter: Adapter, seam: str) -> tuple[tuple[str, str], ...]:
    """Who answers each method. Raises ScaffoldError where nobody can say."""
    if not (workspace.root / adapter.root / "gen" / "wire.py").is_file():
        raise ScaffoldError(check.not_generated(adapter))
    said = check.report(workspace.root / adapter.source, adapter.package, seam)
    wrong = said if isinstance(said, str) else said["seam"]
    if wrong:
        raise ScaffoldError(check.seam_invalid(wrong, Location(seam or f"{adapter.root}/seam.toml")))
    return tuple(said["modes"].items())
