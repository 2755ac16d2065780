"""The user's lines that name something of an API: in one component, by what its names stood for when they were written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scaffold.core import naming

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scaffold.core.api import Api
    from scaffold.core.differences import Side
    from scaffold.core.settings import Adapter, Unit
    from scaffold.core.usages import Source, Use, Vocabulary


@dataclass(frozen=True, order=True)
class Line:
    """A line of the user's. ``at_start`` says that its component does not start while it stands like this."""

    path: str
    line: int
    text: str
    at_start: bool = False


@dataclass(frozen=True)
class Part:
    """What has to be known of one component.

    ``before`` is None where nothing changed, or where nobody knows what it was. ``handlers`` are the files of RPCs that
    are there, ``theirs`` those of them with code of the user's; ``targets`` are the files that RPCs have from now on,
    ``free`` those of them where nothing of the user's stands. ``words`` are those of the API as it was: it is what the
    sources were written for. ``knows`` are the components whose messages it has, because it uses them or imports their
    protos. ``told`` is the Api as it was, where another component has the section about it: a layer's. ``comments`` are
    the RPCs whose untouched stubs follow where only comments changed; None where it is not so.
    """

    unit: Unit | Adapter
    before: Side | None = None
    after: Side | None = None
    handlers: Mapping[str, str] = field(default_factory=dict)
    theirs: frozenset[str] = frozenset()
    targets: Mapping[str, str] = field(default_factory=dict)
    free: frozenset[str] = frozenset()
    words: Vocabulary | None = None
    sources: tuple[Source, ...] = ()
    knows: frozenset[str] = frozenset()
    told: Api | None = None
    comments: tuple[str, ...] | None = None


class Lines:
    """The lines of one component's files, by what they name in the API as it was."""

    def __init__(self, part: Part) -> None:
        assert part.words is not None
        self._part = part
        self._words = part.words
        self._sources = part.sources
        self._api = part.before.api if part.before else part.told

    @property
    def of_layer(self) -> bool:
        """Whether these are lines of an anti-corruption layer."""
        return self._part.unit.kind == "acl"

    def of_name(self, full_name: str, *, gone: bool = False) -> list[Line]:
        """Lines that name a message, an enum or a value; ``gone`` says that the name will not be there."""
        found = []
        for source in self._sources:
            for use in source.uses:
                name = self._full_name(use)
                if name and (name == full_name or name.startswith(f"{full_name}.")):
                    found.append(self._line(source, use, gone and use.at_import and use.how in ("import", "name")))
        return found

    def of_package(self, package: str) -> list[Line]:
        """Lines that name the module of a proto package which was given up."""
        modules = [module for module, name in self._words.modules.items() if name == package]
        found = []
        for source in self._sources:
            for use in source.uses:
                if any(use.name == module or use.name.startswith(f"{module}.") for module in modules):
                    gone = use.at_import and use.how in ("import", "name")
                    # What was imported by its own name is called by it, wherever it came from.
                    if use.how != "name" or source.says(use.line, *(module.rpartition(".")[2] for module in modules)):
                        found.append(self._line(source, use, gone))
        return found

    def of_type_in(self, full_name: str, path: str) -> list[Line]:
        """Lines of one file that name a type."""
        return [line for line in self.of_name(full_name) if line.path == path]

    def of_handler(self, rpc: str, path: str, what: str) -> list[Line]:
        """Lines that name an RPC's handler: its function, and those who import it."""
        if not path:
            return []
        module = _module(self._part.unit, path)
        found = []
        for source in self._sources:
            for use in source.uses:
                is_it = use.name == module or use.name.startswith(f"{module}.")
                if not is_it or (source.path == path and use.how != "def"):
                    continue
                if use.how == "def" and use.name != f"{module}.{module.rpartition('.')[2]}":
                    continue
                gone = what == "rename" or (what == "remove" and path not in self._part.theirs)
                if gone or (use.how == "def" and what != "remove"):
                    found.append(self._line(source, use, gone and use.at_import))
        return found

    def of_unknown(self, path: str) -> list[Line]:
        """Lines of one file that name a message which is not there (any more)."""
        modules = {name.rpartition(".")[0] for name in self._words.names}
        found = []
        for source in self._sources:
            for use in source.uses if source.path == path else ():
                module, _, _ = use.name.rpartition(".")
                if use.how in ("import", "name") and module in modules and not self._full_name(use):
                    found.append(self._line(source, use, use.at_import))
        return found

    def of_calls(self, rpc: str) -> list[Line]:
        """Lines that call an RPC of a used component, or stand in for its client."""
        found = []
        for component, clients in self._words.clients.items():
            for attribute, name in clients.items():
                if name == rpc:
                    found += self._of_client(component, attribute)
        return found

    def _of_client(self, component: str, attribute: str) -> list[Line]:
        others = {c for c, names in self._words.clients.items() if c != component and attribute in names}
        found = []
        for source in self._sources:
            for use in source.uses:
                parts = use.name.split(".")
                if use.how == "attribute" and attribute in parts[1:]:
                    before = parts[parts.index(attribute) - 1]
                    if before not in others:
                        found.append(self._line(source, use))
                elif use.how in ("def", "name"):
                    owner, _, last = use.name.rpartition(".")
                    if last == attribute and self._words.classes.get(owner) == component:
                        found.append(self._line(source, use))
                elif use.how == "text" and use.name == attribute and "_" in attribute:
                    found.append(self._line(source, use))
        return found

    def of_port(self, service: str) -> list[Line]:
        """The last method of a layer's `Local` that answers an RPC of a service: one that came goes beside it."""
        found = [
            self._line(source, use)
            for component, clients in self._words.clients.items()
            if any(rpc.rpartition(".")[0] == service for rpc in clients.values())
            for source in self._sources
            for use in source.uses
            if use.how == "def" and self._is_local(use.name.rpartition(".")[0], component)
        ]
        return found[-1:]

    def _is_local(self, owner: str, component: str) -> bool:
        return owner.endswith(".local.Local") and self._words.classes.get(owner) == component

    def of_field(self, full_name: str) -> list[Line]:
        """Lines that name a field of a message: as an argument, as an attribute, in the path of a mask.

        Which message an attribute is of cannot be seen. Where others have a field of that name too, it counts in files
        only that name the message.
        """
        message, _, name = full_name.rpartition(".")
        python = naming.identifier(name)
        alone = self._owners(name) <= {message}
        found = []
        for source in self._sources:
            near = alone or any(
                (n := self._full_name(use)) and f"{n}.".startswith(f"{message}.") for use in source.uses
            )
            for use in source.uses:
                parts = use.name.split(".")
                full = self._full_name(use) if use.how in ("keyword", "mapping") else ""
                if full == f"{message}.{python}" or (
                    near
                    and (
                        (use.how == "attribute" and python in parts[1:])
                        or (use.how == "keyword" and use.name == f".{python}" and alone)
                        or (use.how == "text" and name in parts and "_" in name)
                    )
                ):
                    found.append(self._line(source, use, use.how == "mapping" and use.at_import))
        return found

    def of_mapping(self, full_name: str) -> list[Line]:
        """Lines with the translators of a message: who imports them is told of a field that nobody has mapped."""
        return [
            self._line(source, use, use.at_import)
            for source in self._sources
            for use in source.uses
            if use.how == "mapping" and self._full_name(use) == full_name
        ]

    def of_mapped(self, full_name: str) -> list[Line]:
        """Lines in which a translator says what becomes of a field."""
        message, _, name = full_name.rpartition(".")
        return self.of_mapping(f"{message}.{naming.identifier(name)}")

    def _owners(self, name: str) -> set[str]:
        """The messages of this component's own API that have a field of a name."""
        if self._api is None:
            return set()
        return {m.full_name for m in self._api.message_by_name.values() if m.field(name)}

    def kept(self) -> set[str]:
        """Messages that stand in one line with a Repository: they are kept in a table."""
        found = set()
        for source in self._sources:
            repositories = {
                u.line for u in source.uses if u.how == "name" and u.name.endswith(".gen.runtime.Repository")
            }
            found |= {
                name
                for use in source.uses
                if use.line in repositories and (name := self._full_name(use)) and self._is_message(name)
            }
        return found

    def _is_message(self, name: str) -> bool:
        return self._api is not None and name in self._api.message_by_name

    def _full_name(self, use: Use) -> str:
        """What a use stands for: the full name of a message, an enum, a value, or of a message's field (a keyword)."""
        if use.how in ("attribute", "def"):
            return ""
        head, rest = use.name, list[str]()
        while head and head not in self._words.names:
            head, _, last = head.rpartition(".")
            rest.insert(0, last)
        if not head:
            return ""
        full = self._words.names[head]
        for part in rest:
            full = self._nested(full, part)
        return full

    def _nested(self, full: str, part: str) -> str:
        """What an attribute of a message or an enum is; a value of an enum in a message is the message's attribute too."""
        message = self._api.message_by_name.get(full) if self._api else None
        for enum in message.enums if message else ():
            if any(value.name == part for value in enum.values):
                return f"{enum.full_name}.{part}"
        return f"{full}.{part}"

    def _line(self, source: Source, use: Use, fatal: bool = False) -> Line:
        at_start = fatal and source.path.startswith(f"{self._part.unit.root}/")
        return Line(source.path, use.line, source.text(use.line), at_start)


def _module(unit: Unit | Adapter, path: str) -> str:
    """The dotted name of a file below a component's source folder."""
    return path.removeprefix(f"{unit.source}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def distinct(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Each line once; one that keeps its component from starting says so."""
    found: dict[tuple[str, int], Line] = {}
    for line in lines:
        known = found.get((line.path, line.line))
        if known is None or line.at_start:
            found[line.path, line.line] = line
    return tuple(found[key] for key in sorted(found))
