"""`scaffold regen --rename stores.cart=basket`: a component or a layer under another name, with all that is the user's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core import settings as settings_module
from scaffold.core import stamp, tomltext, usages
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.naming import environment
from scaffold.core.settings import SECTIONS, TABLES, Adapter, Unit
from scaffold.run.up import DATA
from scaffold.shell.workspace import SETTINGS, Workspace
from scaffold.verbs.burn import of_a_layer
from scaffold.verbs.generate import plan_of, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scaffold.core.plan import Plan, Wishes
    from scaffold.core.settings import Settings
    from scaffold.verbs.generate import Wanted


@dataclass(frozen=True)
class Renaming:
    """A component or a layer before and after, and scaffold.toml's text before and after: the same where it has been edited."""

    old: Unit | Adapter
    new: Unit | Adapter
    before: str
    after: str

    def path(self, path: str) -> str:
        """Where a file of the old component belongs in the new one."""
        if path.startswith(f"{self.old.root}/"):
            return f"{self.new.root}/{path.removeprefix(f'{self.old.root}/')}"
        return f"{self.new.path}/{path.removeprefix(f'{self.old.path}/')}"


def asked(renames: Mapping[str, str], workspace: Workspace, configuration: Settings) -> Renaming | None:
    """The renaming of a component or a layer among the renames that were typed; None where there is none.

    One that was interrupted, or begun in scaffold.toml by hand, is gone on with. Raises ScaffoldError where there is no
    such component, where the new name cannot be had, or where a component and its layer have to keep one name.
    """
    components = {old: new for old, new in renames.items() if old.startswith(SECTIONS)}
    if not components:
        return None
    if len(renames) > 1:
        raise ScaffoldError(_alone(sorted(renames)))
    ((typed, wanted_name),) = components.items()
    section, _, name = typed.partition(".")
    new_name = wanted_name.removeprefix(f"{section}.")
    units = _in_section(section, configuration)
    if name in units:
        ScaffoldError.raise_if(_problems(units[name], new_name, workspace.text, configuration))
        text = tomltext.renamed(workspace.text, units[name].kind, name, new_name)
        return Renaming(units[name], _unit(text, section, new_name), workspace.text, text)
    if new_name in units and (old := _begun(units[new_name], name, workspace, configuration)):
        before = tomltext.renamed(workspace.text, old.kind, new_name, name)
        return Renaming(old, units[new_name], before, workspace.text)
    raise ScaffoldError(settings_module.unknown_component(name, set(units), Location(SETTINGS)))


def prepare(workspace: Workspace, renaming: Renaming, wishes: Wishes) -> tuple[Wanted, Plan]:
    """What should exist under the new name, and how to get there: the user's files move, ours are made anew."""
    old, new = renaming.old, renaming.new
    what = _wanted(workspace, renaming.after, new.address, old)
    if old.external:
        return what, plan_of(workspace, what, wishes)
    # What is byte for byte as it was made under the old name is nobody's: it is made again under the new one.
    was = _wanted(workspace, renaming.before, old.address, None)
    once = (a for a in was.artifacts if a.owner == "yours" and a.path.startswith(f"{old.path}/"))
    made = {a.path: a.content for a in once if a.content is not None}
    strangers = workspace.strangers(old.path)
    listed = (e.path for e in workspace.listed().values() if e.owner != "generated")
    moving = (*strangers, *(path for path in listed if path.startswith(f"{old.path}/")))
    moves = {target: path for path in moving if (target := renaming.path(path)) != path}
    plan = plan_of(workspace, what, wishes, moves=moves, made=made, strangers=frozenset(strangers))
    return what, replace(plan, notes=(*plan.notes, *_notes(workspace, renaming, plan)))


def _wanted(workspace: Workspace, text: str, name: str, formerly: Unit | Adapter | None) -> Wanted:
    there = Workspace(workspace.root, text)
    return wanted(there, settings_module.load(text, __version__), fresh=name, formerly=formerly)


def _in_section(section: str, configuration: Settings) -> dict[str, Unit | Adapter]:
    return {unit.name: unit for unit in configuration.described() if TABLES[unit.kind] == section}


def _unit(text: str, section: str, name: str) -> Unit | Adapter:
    return _in_section(section, settings_module.load(text, __version__))[name]


def _package(unit: Unit | Adapter, name: str, configuration: Settings) -> str:
    """The import package of a component or a layer if it had another name; a layer's table may say one."""
    if isinstance(unit, Adapter):
        return f"{name}_acl" if unit.package == f"{unit.name}_acl" else unit.package
    return configuration.python.package.replace("{name}", name)


def _begun(new: Unit | Adapter, name: str, workspace: Workspace, configuration: Settings) -> Unit | Adapter | None:
    """The component as it was called, where its table has the new name and files are still where they were."""
    package = _package(new, name, configuration)
    folder = "acl" if isinstance(new, Adapter) else "services"
    path = f"{folder}/{name}" if new.path == f"{folder}/{new.name}" else new.path
    old = replace(new, name=name, package=package, path=path)
    below = old.path if old.path != new.path else old.root
    return old if any(path.startswith(f"{below}/") for path in workspace.listed()) else None


def _problems(unit: Unit | Adapter, new: str, text: str, configuration: Settings) -> Iterator[Diagnostic]:
    yield from settings_module.name_problems(new, _package(unit, new, configuration))
    kinds: dict[str, str]
    if isinstance(unit, Adapter):
        kinds = {adapter.name: "layer" for adapter in configuration.adapters()}
        if not unit.own_protos and new not in {u.name for u in configuration.components()}:
            yield of_a_layer(unit, text)
    else:
        kinds = {u.name: u.kind for u in configuration.components()} | dict.fromkeys(configuration.vendors, "vendor")
        yield from (of_a_layer(a, text) for a in configuration.adapters() if a.name == unit.name and not a.own_protos)
    if new in kinds:
        message = f'"{new}" is a {kinds[new]} already'
        yield Diagnostic("name-taken", message, Location(SETTINGS), f'choose another name for "{unit.name}"')


def _notes(workspace: Workspace, renaming: Renaming, plan: Plan) -> Iterator[Diagnostic]:
    """What is left to the user: lines that say the old name, data under it."""
    old, new = renaming.old.name, renaming.new.name
    for path, content in sorted(_theirs(workspace, renaming, plan).items()):
        lines = content.decode(errors="replace").splitlines()
        if numbers := _says(path, content, renaming.old):
            first, *more = numbers
            others = f" (and {'lines' if more[1:] else 'line'} {', '.join(map(str, more))})" if more else ""
            yield Diagnostic(
                "old-name", f"it still says {old}: {lines[first - 1].strip()}{others}", Location(path, first),
                f"the component is called {new} now, and so is its import package", Severity.NOTE,
            )  # fmt: skip
    if isinstance(renaming.old, Adapter):
        yield _for_the_monolith(renaming.old, renaming.new)
        return
    for file in sorted((workspace.root / DATA).glob(f"{old}.db")):
        place = file.relative_to(workspace.root)
        yield Diagnostic(
            "old-data", f"{old}'s data of development stay here, and {new} begins with none", Location(place.as_posix()),
            f"to go on with them: mv {place} {place.with_name(f'{new}.db')}", Severity.NOTE,
        )  # fmt: skip


def _for_the_monolith(old: Adapter, new: Unit | Adapter) -> Diagnostic:
    """What is outside of the workspace, and says the old name."""
    return Diagnostic(
        "old-name",
        f"a monolith imports this as {old.package} and is told of it by variables {environment(old.name)}_…",
        Location(new.path),
        f"there it is {new.package} and {environment(new.name)}_… now, also among its installed apps",
        Severity.NOTE,
    )


def _says(path: str, content: bytes, old: Unit | Adapter) -> list[int]:
    """The lines that mean a component by its name: of Python those that import it, elsewhere every one with the word."""
    variables = {n for n, line in _numbered(content) if re.search(rf"\b{environment(old.name)}_", line)}
    if not path.endswith(".py") or usages.problem(path, content):
        return sorted(variables | {n for n, line in _numbered(content) if re.search(rf"\b{old.name}\b", line)})
    imported = re.compile(rf"{re.escape(old.package)}(\.|\Z)|.*\.gen\.clients\.{re.escape(old.name)}(\.|\Z)")
    uses = usages.read(path, content).uses
    meant = {u.line for u in uses if u.how == "import" and imported.match(u.name)}
    return sorted(variables | meant | {u.line for u in uses if u.how == "text" and u.name == old.name})


def _numbered(content: bytes) -> Iterator[tuple[int, str]]:
    return enumerate(content.decode(errors="replace").splitlines(), start=1)


def _theirs(workspace: Workspace, renaming: Renaming, plan: Plan) -> dict[str, bytes]:
    """The user's files that may say the name: those that move, and the Python of those who call the component."""
    moved = {c.path: c.after or workspace.read([c.source])[c.source] or b"" for c in plan.changes if c.action == "move"}
    found = {path: content for path, content in moved.items() if b"\0" not in content}
    units = settings_module.load(renaming.after, __version__).own()
    for unit in (u for u in units if renaming.new.name in u.uses):
        files = workspace.python_files(unit.path).items()
        found |= {path: content for path, content in files if stamp.of(content) is not stamp.Mark.INTACT}
    return found


def _alone(renames: list[str]) -> Diagnostic:
    return Diagnostic(
        "unknown-rename",
        f"a component is renamed by itself, and not with others: {', '.join(renames)}",
        None,
        "run `scaffold regen` once for each of them",
    )
