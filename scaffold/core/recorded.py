"""What a component's handlers are called, by what the list says they were called when they were made.

A name that an RPC once got stays its own: a second RPC that would take the same one, services in another order, never make
two handlers change places.
"""

from __future__ import annotations

import keyword
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scaffold.core import naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from scaffold.core.api import Service

HANDLERS = "handlers"
_PACKAGE = re.compile(r"(.+?)/src/[^/]+/")


@dataclass(frozen=True)
class Recorded:
    """Folders below the import package by service, modules by RPC: full names both."""

    folders: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HandlerNames:
    """Each service's folder below the import package, and the Python name of each of its RPCs: module and function."""

    folders: Mapping[str, str]
    attributes: Mapping[str, Mapping[str, str]]


NOTHING = Recorded()


def recorded(root: str, listed: Iterable[tuple[str, str]]) -> Recorded:
    """What the list says, in lines of path and RPC, of the handlers below a package's folder."""
    found = [
        (rpc, folder.removeprefix(f"{root}/"), file.removesuffix(".py"))
        for path, rpc in listed
        if rpc and path.startswith(f"{root}/{HANDLERS}/") and path.endswith(".py")
        for folder, _, file in [path.rpartition("/")]
    ]
    places = Counter((rpc.rpartition(".")[0], folder) for rpc, folder, _ in found)
    # Most RPCs first, then the alphabet: a service is in one folder, and no two are in the same one.
    folders: dict[str, str] = {}
    for (service, folder), _ in sorted(places.items(), key=lambda item: (-item[1], item[0])):
        if service not in folders and folder not in folders.values() and folder.count("/") <= 1:
            folders[service] = folder
    modules = {
        rpc: module
        for rpc, folder, module in sorted(found)
        if folders.get(rpc.rpartition(".")[0]) == folder and module.isidentifier() and not keyword.iskeyword(module)
    }
    return Recorded(folders, modules)


def component_folders(paths: Iterable[str]) -> frozenset[str]:
    """The folders of components, present and former ones: those with a package of which something is listed."""
    return frozenset(match[1] for path in paths if (match := _PACKAGE.match(path)))


def address(folder: str) -> str:
    """What commands call what was in a folder that no table names any more: a layer's are below ``acl/``."""
    name = folder.rpartition("/")[2]
    return f"acl/{name}" if folder == f"acl/{name}" else name


def handler_names(services: Sequence[Service], known: Recorded = NOTHING) -> HandlerNames:
    """Name the handlers of a component's services.

    The first service has its handlers in ``handlers``, each further one in a package of its own there; what is known of
    before goes first.
    """
    names = [s.full_name for s in services]
    folders = {name: known.folders[name] for name in names if name in known.folders}
    if names and names[0] not in folders and HANDLERS not in folders.values():
        folders[names[0]] = HANDLERS
    # A package beside a module of the same name would hide it.
    packages = {folder.rpartition("/")[2] for folder in folders.values() if folder != HANDLERS}
    attributes = {
        s.full_name: rpc_attributes(s, known, packages if folders.get(s.full_name) == HANDLERS else set())
        for s in services
    }
    modules = {m for name, folder in folders.items() if folder == HANDLERS for m in attributes[name].values()}
    rest = {n: naming.identifier(naming.snake(n.rpartition(".")[2])) for n in names if n not in folders}
    made = naming.unique(
        rest, {n: f"{wanted}_service" if wanted in modules else wanted for n, wanted in rest.items()}, taken=packages
    )
    return HandlerNames(folders | {name: f"{HANDLERS}/{folder}" for name, folder in made.items()}, attributes)


def rpc_attributes(service: Service, known: Recorded = NOTHING, taken: Iterable[str] = ()) -> dict[str, str]:
    """The Python name of each RPC of a service: of its handler's module and function, and of the client's method."""
    names = [m.name for m in service.methods]
    kept = {n: known.modules[full] for n in names if (full := f"{service.full_name}.{n}") in known.modules}
    return naming.unique(names, {n: naming.identifier(naming.snake(n)) for n in names}, kept=kept, taken=taken)
