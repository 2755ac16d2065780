"""scaffold.toml: what exists in a workspace. Every mistake in it becomes a diagnostic with a line and a remedy."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date  # noqa: TC003 - pydantic looks at it
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scaffold.core import markers, naming
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = "scaffold.toml"
Kind = Literal["store", "process"]
Described = Literal["store", "process", "acl"]
Orm = Literal["django", "sqlalchemy"]
# The table that holds the components of a kind, and the layers.
TABLES: dict[Described, str] = {"store": "stores", "process": "processes", "acl": "acls"}
# What the name of a component or a layer begins with where it is told from the name of an RPC: ``stores.cart``.
SECTIONS = tuple(f"{table}." for table in TABLES.values())

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_TOML_ERROR = re.compile(r"(?P<message>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")
_HEADER = re.compile(r"[a-z0-9][a-z0-9_.\-]*\Z")


class _Table(BaseModel):
    # Built when it is needed: then it is one validator, and not one for each table. So what we make ourselves is made by
    # ``model_construct``.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Protos(_Table):
    """``[protos]``: where the definitions are."""

    roots: list[str] = Field(default=["protos"], min_length=1, description="Import roots, in order of precedence.")


class Python(_Table):
    """``[python]``: what the generated packages are called and run on."""

    package: str = Field(default="{name}", description="Import name of a component; `{name}` stands for its name.")
    requires: str = Field(default=">=3.11", description="`requires-python` of generated services.")
    interpreter: str | None = Field(
        default=None, description="The Python that services are started with; the tool's own where none is named."
    )


class Component(_Table):
    """What a store and a process have in common."""

    proto: str | list[str] = Field(description="Proto file or files, by the names they are imported by.")
    services: list[str] = Field(
        default=[],
        description="Full names of the services, written by `new`. The first has its handlers in `handlers/`, each "
        "further one in `handlers/<service>/`.",
    )
    path: str | None = Field(default=None, description="Folder of the component; `services/NAME` where none is named.")
    external: bool = Field(
        default=False,
        description="Somebody else makes and runs it: nothing is generated but the clients of those who use it, and it is "
        "found by `NAME_ADDRESS`.",
    )

    @property
    def protos(self) -> tuple[str, ...]:
        """The proto files, one or more."""
        return (self.proto,) if isinstance(self.proto, str) else tuple(self.proto)


class Store(Component):
    """``[stores.NAME]``: a data store."""


class Process(Component):
    """``[processes.NAME]``: a business process."""

    uses: list[str] = Field(default=[], description="Components whose APIs it calls; it gets a typed client of each.")
    vendors: list[str] = Field(default=[], description="Third-party services it calls, each a `[vendors.NAME]`.")


class Acl(_Table):
    """``[acls.NAME]``: an anti-corruption layer between a monolith and the API of the component of that name."""

    orm: Orm = Field(description="What the monolith's models are written with: `django` or `sqlalchemy`.")
    models: list[str] = Field(
        description="The models behind the API, by their names in the snapshot: `basket.Line`, `shop.models.Line`."
    )
    snapshot: str = Field(
        default="model.snapshot.json", description="What `scaffold acl introspect` wrote of the monolith."
    )
    monolith: str | None = Field(
        default=None,
        min_length=1,
        description="Folder of the monolith's source, from the workspace: `../shop`. `status` and `acl retire` look there "
        "for who still needs the layer.",
    )
    proto: str | list[str] | None = Field(
        default=None, description="Proto file or files of the API; those of the component where none are named."
    )
    services: list[str] = Field(default=[], description="Full names of the services, written by `new`.")
    path: str | None = Field(default=None, description="Folder of the layer; `acl/NAME` where none is named.")
    package: str | None = Field(default=None, description="Its import name; `NAME_acl` where none is named.")
    serve: list[str] = Field(
        default=[],
        description="Command by which the monolith serves the API on `--port`, run in the workspace by "
        "`scaffold test NAME --against acl`.",
    )
    entities: dict[str, str] = Field(
        default={},
        description="RPC to the field of its request that names what the call is about, where the proto does not say: "
        '`PlaceOrder = "cart"`.',
    )


class Vendor(_Table):
    """``[vendors.NAME]``: a third-party HTTP service, traced and timed from the first call."""

    peer_service: str | None = Field(default=None, description="Its name in traces; NAME where none is given.")
    timeout: str = Field(default="10s", description="Longest wait for one answer: `500ms`, `3s`, `1m`.")
    dev: list[str] | None = Field(
        default=None,
        description="Command of a stand-in that `up`, `test` and `demo` start; it listens on `PORT` of loopback.",
    )
    env: list[str] = Field(
        default=[], description="Names (never values) of the environment variables that the client reads."
    )

    @property
    def timeout_seconds(self) -> float:
        """The timeout in seconds."""
        return seconds(self.timeout)


class Metadata(_Table):
    """``[metadata]``: request headers that matter to every service of the workspace."""

    forward: list[str] = Field(
        default=[], description="Headers passed on to every call, besides those of tracing; `authorization` only here."
    )
    require: list[str] = Field(default=[], description="Headers without which a call is INVALID_ARGUMENT.")


class Waiver(_Table):
    """``[[smell.waive]]``: a message that may look like a table, until a day."""

    message: str = Field(description="Full name of the message.")
    reason: str = Field(min_length=1, description="Why it may.")
    until: date = Field(description="The last day on which that holds: `2027-03-31`, without quotes.")


class Smell(_Table):
    """``[smell]``: what `acl smell` compares messages with."""

    snapshot: str = Field(default="model.snapshot.json", description="What `acl introspect` wrote of the monolith.")
    waive: list[Waiver] = Field(default=[], description="Messages that may look like a table.")


class Settings(_Table):
    """The whole of scaffold.toml."""

    scaffold: str | None = Field(
        default=None, description="`==VERSION` of this tool: laptop and CI generate the same bytes."
    )
    protos: Protos = Protos.model_construct()
    python: Python = Python.model_construct()
    stores: dict[str, Store] = Field(default={}, description="Data stores, by name.")
    processes: dict[str, Process] = Field(default={}, description="Business processes, by name.")
    vendors: dict[str, Vendor] = Field(default={}, description="Third-party services, by name.")
    acls: dict[str, Acl] = Field(default={}, description="Anti-corruption layers, by the component that each is for.")
    metadata: Metadata = Metadata.model_construct()
    smell: Smell = Smell.model_construct()

    def components(self) -> tuple[Unit, ...]:
        """Every store, then every process, as written; also those that are external."""
        return self._components

    def own(self) -> tuple[Unit, ...]:
        """The components that are made here."""
        return tuple(unit for unit in self._components if not unit.external)

    def concerning(self, unit: Unit) -> Settings:
        """The settings as far as one component can see them.

        Of those that it does not use there is only the name: its own files say whom it must not import.
        """
        near = {unit.name, *unit.uses}
        stores = {
            n: s if n in near else Store.model_construct(proto=[], external=s.external) for n, s in self.stores.items()
        }
        processes = {
            n: p if n in near else Process.model_construct(proto=[], external=p.external)
            for n, p in self.processes.items()
        }
        vendors = {name: self.vendors[name] for name in unit.vendors}
        return self._with(stores=stores, processes=processes, vendors=vendors, acls={})

    def with_services(self, services: Mapping[str, tuple[str, ...]]) -> Settings:
        """The settings in which every component names its services."""
        stores = {n: s.model_copy(update={"services": list(services[n])}) for n, s in self.stores.items()}
        processes = {n: p.model_copy(update={"services": list(services[n])}) for n, p in self.processes.items()}
        return self._with(stores=stores, processes=processes)

    def with_layers(self, services: Mapping[str, tuple[str, ...]]) -> Settings:
        """The settings in which every anti-corruption layer names its services."""
        return self._with(acls={n: a.model_copy(update={"services": list(services[n])}) for n, a in self.acls.items()})

    def _with(self, **tables: object) -> Settings:
        """A copy with other tables; ``model_copy`` would bring along the components of before."""
        return self.model_construct(**(dict(self) | tables))

    @cached_property
    def _components(self) -> tuple[Unit, ...]:
        return tuple(self._units())

    def described(self) -> tuple[Unit | Adapter, ...]:
        """Every component, also those that are external, then every anti-corruption layer."""
        return (*self._components, *self.adapters())

    def made(self) -> tuple[Unit | Adapter, ...]:
        """What is made here: components, then layers."""
        return (*self.own(), *self.adapters())

    def adapters(self) -> tuple[Adapter, ...]:
        """Every anti-corruption layer, as written."""
        known = {unit.name: unit for unit in self._components}
        return tuple(self._adapter(name, table, known.get(name)) for name, table in self.acls.items())

    @staticmethod
    def _adapter(name: str, table: Acl, unit: Unit | None) -> Adapter:
        own = (table.proto,) if isinstance(table.proto, str) else tuple(table.proto or ())
        return Adapter(
            name=name,
            package=table.package or f"{name}_acl",
            path=PurePosixPath(table.path or f"acl/{name}").as_posix(),
            orm=table.orm,
            models=tuple(table.models),
            snapshot=PurePosixPath(table.snapshot).as_posix(),
            protos=own or (unit.protos if unit else ()),
            services=tuple(table.services) or (unit.services if unit and not own else ()),
            serve=tuple(table.serve),
            entities=tuple(sorted(table.entities.items())),
            own_protos=bool(own),
            monolith=PurePosixPath(table.monolith).as_posix() if table.monolith else "",
        )

    def _units(self) -> Iterator[Unit]:
        for name, store in self.stores.items():
            yield self._unit(name, "store", store)
        for name, process in self.processes.items():
            yield self._unit(name, "process", process)

    def _unit(self, name: str, kind: Kind, table: Component) -> Unit:
        return Unit(
            name=name,
            kind=kind,
            package=self.python.package.replace("{name}", name),
            path=PurePosixPath(table.path or f"services/{name}").as_posix(),
            protos=table.protos,
            services=tuple(table.services),
            uses=tuple(table.uses) if isinstance(table, Process) else (),
            vendors=tuple(table.vendors) if isinstance(table, Process) else (),
            external=table.external,
        )


@dataclass(frozen=True)
class Unit:
    """A component with its defaults filled in; ``path`` is POSIX, relative to the workspace."""

    name: str
    kind: Kind
    package: str
    path: str
    protos: tuple[str, ...]
    services: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    external: bool = False

    @property
    def address(self) -> str:
        """What commands call it."""
        return self.name

    @property
    def source(self) -> str:
        """The folder that has to be on the import path."""
        return f"{self.path}/src"

    @property
    def root(self) -> str:
        """The folder of the import package."""
        return f"{self.source}/{self.package}"


@dataclass(frozen=True)
class Adapter:
    """An anti-corruption layer with its defaults filled in; paths are POSIX, relative to the workspace.

    ``own_protos``: its table names the protos, and not only the component's. ``monolith`` alone may lead out of the
    workspace; it is empty where nobody has said it.
    """

    name: str
    package: str
    path: str
    orm: Orm
    models: tuple[str, ...]
    snapshot: str
    protos: tuple[str, ...]
    services: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()
    entities: tuple[tuple[str, str], ...] = ()
    own_protos: bool = False
    monolith: str = ""
    kind: Literal["acl"] = "acl"
    external: Literal[False] = False
    uses: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """What commands call it: a component may have the same name."""
        return f"acl/{self.name}"

    @property
    def source(self) -> str:
        """The folder that has to be on the import path."""
        return f"{self.path}/src"

    @property
    def root(self) -> str:
        """The folder of the import package."""
        return f"{self.source}/{self.package}"


def seconds(duration: str) -> float:
    """``500ms``, ``3s`` or ``1m`` in seconds. Raises ValueError for anything else."""
    match = _DURATION.match(duration)
    if match is None or float(match["number"]) == 0:
        raise ValueError(f"{duration!r} is not a duration such as 500ms, 3s or 1m")
    return float(match["number"]) * _SECONDS[match["unit"]]


def load(text: str, version: str, path: str = FILE) -> Settings:
    """Read scaffold.toml's text. Raises ScaffoldError with every mistake; ``version`` is this tool's own."""
    places = _Places(text, path)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScaffoldError(markers.conflict(path, text) or _syntax(error, text, path)) from None
    # The version comes first: another version may well know keys that this one does not.
    pinned = raw.get("scaffold")
    if isinstance(pinned, str) and pinned != f"=={version}":
        raise ScaffoldError(_wrong_version(pinned, version, places))
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise ScaffoldError(*(_invalid(dict(e), places) for e in error.errors(include_url=False))) from None
    ScaffoldError.raise_if(_check(settings, places))
    return settings


def place(text: str, *keys: str) -> Location:
    """Where a key stands in scaffold.toml's text, or the nearest table around it."""
    return _Places(text, FILE).find(*keys)


def notes(settings: Settings, path: str = FILE, text: str = "") -> tuple[Diagnostic, ...]:
    """What is allowed and still worth a word."""
    places = _Places(text, path)
    return tuple(
        Diagnostic(
            "process-uses-process",
            f'"{name}" calls the process "{used}": each hop adds latency and a way to fail',
            places.find("processes", name, "uses"),
            "keep it if it is meant; steps that always go together belong in one process",
            Severity.NOTE,
        )
        for name, process in settings.processes.items()
        for used in process.uses
        if used in settings.processes
    )


def table_text(unit: Unit) -> str:
    """The table that `new` appends to scaffold.toml for a component."""
    lines = [f"[{'stores' if unit.kind == 'store' else 'processes'}.{unit.name}]"]
    lines.append(f"proto = {_toml(unit.protos[0]) if len(unit.protos) == 1 else _toml(list(unit.protos))}")
    if unit.path != f"services/{unit.name}":
        lines.append(f"path = {_toml(unit.path)}")
    lines.append(f"services = {_toml(list(unit.services))}")
    if unit.uses:
        lines.append(f"uses = {_toml(list(unit.uses))}")
    if unit.vendors:
        lines.append(f"vendors = {_toml(list(unit.vendors))}")
    if unit.external:
        lines.append("external = true")
    return "\n".join(lines) + "\n"


def adapter_text(adapter: Adapter) -> str:
    """The table that `new acl` appends to scaffold.toml."""
    lines = [f"[acls.{adapter.name}]", f"orm = {_toml(adapter.orm)}", f"models = {_toml(list(adapter.models))}"]
    if adapter.snapshot != "model.snapshot.json":
        lines.append(f"snapshot = {_toml(adapter.snapshot)}")
    if adapter.monolith:
        lines.append(f"monolith = {_toml(adapter.monolith)}")
    if adapter.own_protos:
        lines.append(f"proto = {_toml(adapter.protos[0]) if len(adapter.protos) == 1 else _toml(list(adapter.protos))}")
    lines.append(f"services = {_toml(list(adapter.services))}")
    return "\n".join(lines) + "\n"


def _toml(value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_toml(v) for v in value)}]"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


class _Places:
    """Where a key stands in the text. TOML's parser does not tell; headers and keys at the start of a line do."""

    _TABLE = re.compile(r"\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?")
    _KEY = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-.\"']+)\s*=")

    def __init__(self, text: str, path: str) -> None:
        self._path = path
        self._found: dict[tuple[str, ...], Location] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := self._TABLE.match(line):
                table = self._split(header["name"])
                column = header.start("name") + 1
                for length in range(1, len(table) + 1):
                    self._found.setdefault(table[:length], Location(path, number, column))
            elif key := self._KEY.match(line):
                keys = (*table, *self._split(key["name"]))
                self._found.setdefault(keys, Location(path, number, key.start("name") + 1))

    @staticmethod
    def _split(name: str) -> tuple[str, ...]:
        return tuple(part.strip().strip("\"'") for part in name.split("."))

    def find(self, *keys: str | int) -> Location:
        """The place of the key, or of the nearest table around it."""
        names = tuple(str(k) for k in keys)
        while names:
            if names in self._found:
                return self._found[names]
            names = names[:-1]
        return Location(self._path)


def _syntax(error: tomllib.TOMLDecodeError, text: str, path: str) -> Diagnostic:
    match = _TOML_ERROR.search(str(error))
    if match is None:
        return Diagnostic("settings-syntax", str(error), Location(path), "see https://toml.io/en/v1.0.0")
    line = int(match["line"] or text.count("\n") + 1)
    return Diagnostic(
        "settings-syntax",
        match["message"],
        Location(path, line, int(match["column"] or 1)),
        'the line is not valid TOML: strings are quoted, lists are ["a", "b"], tables are [stores.cart]',
    )


def _wrong_version(pinned: str, version: str, places: _Places) -> Diagnostic:
    wanted = pinned.removeprefix("==")
    if not re.fullmatch(r"==\d+(\.\w+)+", pinned):
        return Diagnostic(
            "settings-value", f'"{pinned}" pins no version', places.find("scaffold"), f'write scaffold = "=={version}"'
        )
    return Diagnostic(
        "wrong-version",
        f"this workspace is generated by scaffold {wanted}, and this is {version}",
        places.find("scaffold"),
        f"pip install 'apifirst-scaffold=={wanted}', or pin \"=={version}\" here and run `scaffold regen`",
    )


def _invalid(error: Mapping[str, Any], places: _Places) -> Diagnostic:
    """A pydantic error as a diagnostic."""
    # A union's member appears in the location ("str", "list[str]"); a key of the file never looks like that.
    keys = tuple(k for k in error["loc"] if k not in ("str", "list[str]", "[key]"))
    name = ".".join(str(k) for k in keys)
    where = places.find(*keys)
    if error["type"] == "extra_forbidden":
        known = _known_keys(keys)
        close = get_close_matches(str(keys[-1]), known, n=1)
        remedy = f'did you mean "{close[0]}"?' if close else f"known here: {', '.join(known)}"
        return Diagnostic("unknown-key", f'"{name}" is not a setting', where, remedy)
    if error["type"] == "missing":
        return Diagnostic("missing-key", f'"{name}" is missing', where, f"add {keys[-1]} = … to the table")
    return Diagnostic("settings-value", f"{name}: {str(error['msg']).lower()}", where, _expected(keys))


def _model(keys: tuple[str | int, ...]) -> type[BaseModel]:
    """The model of the table that holds the last of the keys."""
    tables: dict[str, type[BaseModel]] = {"protos": Protos, "python": Python, "metadata": Metadata, "smell": Smell}
    named: dict[str, type[BaseModel]] = {"stores": Store, "processes": Process, "vendors": Vendor, "acls": Acl}
    if len(keys) >= 3 and keys[0] in named:
        return named[str(keys[0])]
    if len(keys) >= 3 and keys[:2] == ("smell", "waive"):
        return Waiver
    if len(keys) >= 2 and keys[0] in tables:
        return tables[str(keys[0])]
    return Settings


def _known_keys(keys: tuple[str | int, ...]) -> list[str]:
    return list(_model(keys).model_fields)


def _expected(keys: tuple[str | int, ...]) -> str:
    for key in reversed(keys):
        field = _model(keys).model_fields.get(str(key))
        if field is not None:
            return field.description or f"see the reference of {FILE}"
    return f"see the reference of {FILE}"


def _check(settings: Settings, places: _Places) -> Iterator[Diagnostic]:
    """What the types cannot say: names, references, cycles, paths."""
    units = settings.components()
    yield from _check_names(settings, units, places)
    yield from _check_lists(units, places)
    yield from _check_uses(settings, places)
    yield from _check_paths(settings, units, places)
    yield from _check_adapters(settings, units, places)
    for name, vendor in settings.vendors.items():
        try:
            vendor.timeout_seconds  # noqa: B018 - reading it is the check
        except ValueError as error:
            yield Diagnostic("settings-value", str(error), places.find("vendors", name, "timeout"), 'write "3s"')
        if vendor.dev == []:
            yield Diagnostic(
                "settings-value",
                "it is empty",
                places.find("vendors", name, "dev"),
                'write ["python", "FILE"]',
            )
        for variable in vendor.env:
            if not _VARIABLE.match(variable):
                yield Diagnostic(
                    "settings-value",
                    f'"{variable}" is no name of an environment variable',
                    places.find("vendors", name, "env"),
                    "names only, in upper case; values never stand in this file",
                )
    for key in ("forward", "require"):
        for header in getattr(settings.metadata, key):
            if not _HEADER.match(header):
                yield Diagnostic(
                    "settings-value",
                    f'"{header}" is no metadata key',
                    places.find("metadata", key),
                    "gRPC metadata keys are lower-case letters, digits, '-', '_' and '.'",
                )


def _check_names(settings: Settings, units: tuple[Unit, ...], places: _Places) -> Iterator[Diagnostic]:
    tables = {"store": "stores", "process": "processes"}
    seen: dict[str, Unit] = {}
    if "{name}" not in settings.python.package:
        yield Diagnostic(
            "settings-value",
            "package has no {name} in it: every component would have the same import name",
            places.find("python", "package"),
            'write "{name}" or "shop_{name}"',
        )
        return
    for unit in units:
        yield from name_problems(
            unit.name, "" if unit.external else unit.package, places.find(tables[unit.kind], unit.name)
        )
        if unit.name in seen:
            yield Diagnostic(
                "name-taken",
                f'"{unit.name}" is a {seen[unit.name].kind} already',
                places.find(tables[unit.kind], unit.name),
                "components share one set of names: choose another",
            )
        seen.setdefault(unit.name, unit)
    for name in settings.vendors:
        problem = naming.component_problem(name)
        if problem:
            yield Diagnostic("invalid-name", f'"{name}": {problem}', places.find("vendors", name), "rename the vendor")
        elif name in seen:
            yield Diagnostic(
                "name-taken",
                f'"{name}" is a {seen[name].kind} already',
                places.find("vendors", name),
                f"{naming.environment(name)}_… variables would mean two things: rename the vendor",
            )


def name_problems(name: str, package: str, where: Location | None = None) -> Iterator[Diagnostic]:
    """Why a component cannot be called this, or imported by this name; external ones are not imported: an empty name."""
    problem = naming.component_problem(name)
    if problem:
        suggestion = naming.snake(re.sub(r"\W+", "_", name)) if re.search(r"[^\W_]", name) else ""
        possible = not naming.component_problem(suggestion) and not naming.package_problem(suggestion)
        remedy = f'try "{suggestion}"' if possible else "choose another name"
        yield Diagnostic("invalid-name", f'"{name}": {problem}', where, remedy)
        return
    problem = naming.package_problem(package) if package else ""
    if problem:
        yield Diagnostic(
            "name-shadows",
            f'"{name}": {problem}',
            where,
            f'choose another name, or set [python] package = "shop_{{name}}" in {FILE}',
        )


def _check_lists(units: tuple[Unit, ...], places: _Places) -> Iterator[Diagnostic]:
    """Each list of a component names its members once; there is at least one proto."""
    for unit in units:
        table = "stores" if unit.kind == "store" else "processes"
        lists = {"proto": unit.protos, "services": unit.services, "uses": unit.uses, "vendors": unit.vendors}
        for key, values in lists.items():
            twice = next((v for v in values if values.count(v) > 1), None)
            if twice is not None:
                where = places.find(table, unit.name, key)
                yield Diagnostic("settings-value", f'"{twice}" is in the list twice', where, "name it once")
        where = places.find(table, unit.name, "proto")
        if not unit.protos:
            yield Diagnostic("settings-value", "proto names no file", where, f'write proto = "{unit.name}.proto"')
        for proto in unit.protos:
            if not _inside(proto):
                remedy = "write the name that it is imported by: its path below a root"
                yield Diagnostic("settings-value", f'the proto "{proto}" is under no root', where, remedy)


def _check_uses(settings: Settings, places: _Places) -> Iterator[Diagnostic]:
    known = {*settings.stores, *settings.processes}
    for name, process in settings.processes.items():
        for used in process.uses:
            where = places.find("processes", name, "uses")
            if used == name:
                yield Diagnostic("uses-itself", f'"{name}" uses itself', where, "call the function instead")
            elif used not in known:
                yield unknown_component(used, known - {name}, where)
        for vendor in process.vendors:
            if vendor not in settings.vendors:
                close = get_close_matches(vendor, settings.vendors, n=1)
                yield Diagnostic(
                    "unknown-vendor",
                    f"there is no [vendors.{vendor}]",
                    places.find("processes", name, "vendors"),
                    f'did you mean "{close[0]}"?' if close else f"add a [vendors.{vendor}] table",
                )
    for cycle in _cycles({n: tuple(p.uses) for n, p in settings.processes.items()}):
        yield Diagnostic(
            "uses-cycle",
            f"processes call each other in a circle: {' → '.join(cycle)}",
            places.find("processes", cycle[0], "uses"),
            "one of them has to know less: take a `uses` out",
        )


def unknown_component(name: str, known: set[str], where: Location | None = None) -> Diagnostic:
    """There is no component of that name."""
    close = get_close_matches(name, known, n=1)
    listed = f"known: {', '.join(sorted(known))}" if known else "there is none yet: scaffold new store NAME"
    remedy = f'did you mean "{close[0]}"?' if close else listed
    return Diagnostic("unknown-component", f'there is no component "{name}"', where, remedy)


def _cycles(uses: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """Each circle once, from its alphabetically first member."""
    for start in sorted(uses):
        stack: list[tuple[str, ...]] = [(start,)]
        while stack:
            path = stack.pop()
            for used in uses.get(path[-1], ()):
                if used == start and len(path) > 1:
                    yield (*path, start)
                    stack.clear()
                    break
                if used > start and used not in path:
                    stack.append((*path, used))


def _check_paths(settings: Settings, units: tuple[Unit, ...], places: _Places) -> Iterator[Diagnostic]:
    remedy = "write a relative path with forward slashes, below the workspace"
    for root in settings.protos.roots:
        if not _inside(root, allow_here=True):
            where = places.find("protos", "roots")
            yield Diagnostic("settings-value", f'the root "{root}" is not inside the workspace', where, remedy)
    if not _inside(settings.smell.snapshot):
        message = f'the snapshot "{settings.smell.snapshot}" is not inside the workspace'
        yield Diagnostic("settings-value", message, places.find("smell", "snapshot"), remedy)
    seen: dict[str, str] = {}
    for unit in units:
        table = "stores" if unit.kind == "store" else "processes"
        where = places.find(table, unit.name, "path")
        if unit.external:
            if unit.path != f"services/{unit.name}":
                message = f'"{unit.name}" is external: it has no folder here'
                yield Diagnostic("settings-value", message, where, "take the `path` out")
            continue
        if not _inside(unit.path):
            yield Diagnostic("settings-value", f'the path "{unit.path}" is not inside the workspace', where, remedy)
        clash = next((name for path, name in seen.items() if _overlap(path, unit.path)), None)
        if clash:
            message = f'"{unit.name}" and "{clash}" share the folder {unit.path}'
            yield Diagnostic("settings-value", message, where, "give each a folder of its own")
        seen[unit.path] = unit.name


def _check_adapters(settings: Settings, units: tuple[Unit, ...], places: _Places) -> Iterator[Diagnostic]:
    """Each layer has an API, models, and a folder and an import name of its own."""
    seen = {unit.path: unit.name for unit in units if not unit.external}
    packages = {unit.package: unit.name for unit in units if not unit.external}
    for adapter in settings.adapters():
        where = places.find("acls", adapter.name)
        yield from name_problems(adapter.name, adapter.package, where)
        if not adapter.protos:
            message = f'there is no component "{adapter.name}", and no proto is named'
            remedy = f'write proto = "…" in [acls.{adapter.name}], or call it after a component'
            yield Diagnostic("unknown-component", message, where, remedy)
        if not adapter.models:
            remedy = "name the models behind the API, as the snapshot does"
            yield Diagnostic("settings-value", "models is empty", places.find("acls", adapter.name, "models"), remedy)
        for key, path in (("path", adapter.path), ("snapshot", adapter.snapshot)):
            if not _inside(path):
                message = f'the {key} "{path}" is not inside the workspace'
                remedy = "write a relative path with forward slashes, below the workspace"
                yield Diagnostic("settings-value", message, places.find("acls", adapter.name, key), remedy)
        if adapter.monolith and not _relative(adapter.monolith):
            message = f'the monolith "{adapter.monolith}" is nowhere but on this machine'
            remedy = "write a path from the workspace, with forward slashes; it may lead out of it"
            yield Diagnostic("settings-value", message, places.find("acls", adapter.name, "monolith"), remedy)
        clash = next((name for path, name in seen.items() if _overlap(path, adapter.path)), None)
        clash = clash or packages.get(adapter.package)
        if clash:
            message = f'the layer of "{adapter.name}" and "{clash}" share a folder or an import name'
            yield Diagnostic("settings-value", message, where, "give it a `path` and a `package` of its own")
        seen[adapter.path] = packages[adapter.package] = adapter.address


def _overlap(one: str, other: str) -> bool:
    """Whether one of two folders is, or holds, the other."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _inside(path: str, *, allow_here: bool = False) -> bool:
    pure = PurePosixPath(path)
    return _relative(path) and ".." not in pure.parts and (bool(pure.parts) or allow_here)


def _relative(path: str) -> bool:
    """Whether a path means the same on every machine."""
    return bool(path) and not (PurePosixPath(path).is_absolute() or "\\" in path or re.match(r"[A-Za-z]:", path))
