"""``model.snapshot.json``: what an introspected monolith has, as one value. Whatever comes after works from it alone.

The file is written by ``templates/monolith/introspect.py`` in the monolith's own interpreter. A key that is absent has the
default that stands here; ``at`` is a place in the monolith, ``PATH:LINE``; ``where`` is not in the file: it is the line
of the file itself that says so. Places take no part in equality: two equal snapshots mean the same monolith.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from json import decoder, scanner
from typing import TYPE_CHECKING, Any, Literal, Union

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE = "model.snapshot.json"
FORMAT = 1
NOWHERE = Location("")

Orm = Literal["django", "sqlalchemy"]
Scalar = str | int | float | bool | None
ColumnType = Literal[
    "bool", "int", "float", "decimal", "string", "bytes", "date", "datetime", "time", "duration", "uuid", "json", "file",
    "array", "other",
]  # fmt: skip
RelationKind = Literal[
    "foreign_key", "one_to_one", "many_to_many", "generic",
    "reverse_foreign_key", "reverse_one_to_one", "reverse_many_to_many", "reverse_generic",
]  # fmt: skip


@dataclass(frozen=True)
class Default:
    """What a column holds when nobody says: a ``value``, what a ``callable`` (by its name) gives, or the ``server``'s."""

    kind: Literal["value", "callable", "server"]
    value: Scalar = None


@dataclass(frozen=True)
class Choice:
    """A value that a column may hold. ``name`` is what the code calls it: an enum's member, a constant; else empty."""

    value: Scalar
    name: str = ""
    label: str = ""


@dataclass(frozen=True)
class Column:
    """A column. ``name`` is the attribute in Python, ``column`` what the database calls it.

    ``field_class`` is the ORM's own class. ``aware`` is for datetimes alone: True with a time zone, False naive. ``auto``
    says who fills it: ``now`` (each save), ``now_add`` (the first), ``increment``, ``computed`` (the database). ``enum`` is
    the Python enum of its choices, by its dotted name. ``references`` is the model that a foreign key leads to.
    """

    name: str
    column: str
    type: ColumnType
    field_class: str
    null: bool = False
    key: bool = False
    unique: bool = False
    default: Default | None = None
    choices: tuple[Choice, ...] = ()
    enum: str = ""
    max_length: int | None = None
    max_digits: int | None = None
    decimal_places: int | None = None
    aware: bool | None = None
    auto: Literal["", "now", "now_add", "increment", "computed"] = ""
    references: str = ""
    where: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Relation:
    """A way from one model to another. ``to`` is empty where it can be any model (``generic``).

    ``columns`` are the attributes that hold it, none for those that other tables hold. ``through`` is the model between.
    """

    name: str
    kind: RelationKind
    to: str = ""
    columns: tuple[str, ...] = ()
    through: str = ""
    null: bool = False
    on_delete: str = ""


@dataclass(frozen=True)
class Property:
    """What is computed in Python and read like a column. ``reads`` are the attributes of the object that it looks at."""

    name: str
    kind: Literal[
        "property", "cached_property", "hybrid_property", "hybrid_method", "column_property", "association_proxy",
        "synonym", "composite",
    ]  # fmt: skip
    settable: bool = False
    reads: tuple[str, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Method:
    """A method that changes something: ``does`` says what, a few words each (``sets status``, ``saves itself``).

    One that only calls such methods of the same object says that: ``calls pay``.

    ``overrides`` marks one that the ORM itself calls: ``save``, ``delete``.
    """

    name: str
    does: tuple[str, ...] = ()
    overrides: bool = False
    at: Location = field(default=NOWHERE, compare=False)

    @property
    def direct(self) -> bool:
        """Whether it changes something itself."""
        return any(not what.startswith("calls ") for what in self.does)


@dataclass(frozen=True)
class Manager:
    """Where a model's objects are got from; ``methods`` are those that the monolith has added."""

    name: str
    type: str
    default: bool = False
    methods: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """A model. ``name`` is its label: ``basket.Line`` in Django, the dotted class in SQLAlchemy.

    ``own`` ones are the monolith's; others are there because own ones lead to them. ``managed`` is False for views and
    other tables that the ORM does not make. ``key`` are the attributes of the primary key, several for a composite one.
    """

    name: str
    app: str
    module: str
    class_name: str
    table: str
    own: bool = False
    managed: bool = True
    proxy_of: str = ""
    parents: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    unique: tuple[tuple[str, ...], ...] = ()
    columns: tuple[Column, ...] = ()
    relations: tuple[Relation, ...] = ()
    properties: tuple[Property, ...] = ()
    methods: tuple[Method, ...] = ()
    managers: tuple[Manager, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)
    where: Location = field(default=NOWHERE, compare=False)

    def column(self, name: str) -> Column | None:
        """The column of that attribute, or None."""
        return next((c for c in self.columns if c.name == name), None)

    def relation(self, name: str) -> Relation | None:
        """The relation of that attribute, or None."""
        return next((r for r in self.relations if r.name == name), None)

    def property(self, name: str) -> Property | None:
        """The property of that name, or None."""
        return next((p for p in self.properties if p.name == name), None)


@dataclass(frozen=True)
class Receiver:
    """A function that a signal (Django) or an event (SQLAlchemy) calls; an empty ``sender`` is every model."""

    signal: str
    function: str
    sender: str = ""
    models: tuple[str, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Transaction:
    """A function or block in which everything is written or nothing. ``models``: those that it and what it calls name."""

    function: str
    kind: Literal["decorator", "block"]
    models: tuple[str, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Module:
    """A module that names models of the monolith."""

    name: str
    models: tuple[str, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Lookup:
    """A read that goes from one model to others in one query, or by attributes (``by`` is ``attribute``).

    ``model`` is where it begins, empty where the source does not tell; ``models`` are those that it reaches.
    """

    path: str
    by: str
    function: str
    model: str = ""
    models: tuple[str, ...] = ()
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Problem:
    """Why the monolith could not be introspected (then there is nothing else), or what it could not tell."""

    kind: Literal["settings", "import", "registry", "mappers", "application", "models", "source"]
    message: str
    remedy: str = ""
    at: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class Snapshot:
    """The whole. ``versions`` has those of Python and the ORM; ``atomic_requests``: each request is a transaction."""

    snapshot: int
    orm: Orm
    versions: Mapping[str, str] = field(default_factory=dict, compare=False)
    atomic_requests: bool = False
    models: tuple[Model, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    transactions: tuple[Transaction, ...] = ()
    modules: tuple[Module, ...] = ()
    lookups: tuple[Lookup, ...] = ()
    problems: tuple[Problem, ...] = ()
    where: Location = field(default=NOWHERE, compare=False)

    @cached_property
    def model_by_name(self) -> Mapping[str, Model]:
        """Every model by its label."""
        return {m.name: m for m in self.models}

    @property
    def own(self) -> tuple[Model, ...]:
        """The monolith's own models."""
        return tuple(m for m in self.models if m.own)

    def crosses(self, model: Model, column: Column) -> bool:
        """Whether a foreign key leads out of its model's app."""
        target = self.model_by_name.get(column.references)
        return target is not None and target.app != model.app


def read(path: Path, shown: str = "") -> Snapshot:
    """Read a snapshot. Raises ScaffoldError: it is not there, no snapshot, or of another format; or what it says failed."""
    shown = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(
            Diagnostic(
                "snapshot-unreadable",
                f"it cannot be read: {error.strerror if isinstance(error, OSError) else 'it is not UTF-8'}",
                Location(shown),
                "make it with `scaffold acl introspect`, or name another one",
            )
        ) from None
    return parse(text, shown)


def parse(text: str, shown: str = FILE) -> Snapshot:
    """A snapshot from its text. Raises ScaffoldError with every mistake in it, each with its line."""
    try:
        raw = _Decoder(text, shown).decode(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (0, 0)
        raise ScaffoldError(_broken("it is not JSON", Location(shown, line, column))) from None
    version = raw.get("snapshot") if isinstance(raw, _Object) else None
    if isinstance(version, int) and version != FORMAT:
        raise ScaffoldError(
            Diagnostic(
                "snapshot-format",
                f"it has format {version}, and this scaffold reads {FORMAT}",
                Location(shown),
                "make it again with `scaffold acl introspect`",
            )
        )
    reader = _Reader(shown)
    snapshot = reader.value(Snapshot, raw, "", Location(shown, 1))
    ScaffoldError.raise_if(reader.problems)
    assert isinstance(snapshot, Snapshot)
    return snapshot


class _Object(dict[str, Any]):
    """A JSON object that knows where it stood."""

    where: Location = NOWHERE


class _Decoder(json.JSONDecoder):
    """Python's own decoder, with the place of every object; arrays are tuples."""

    def __init__(self, text: str, shown: str) -> None:
        super().__init__()
        starts = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]

        def parse_object(text_and_begin: tuple[str, int], *arguments: Any) -> tuple[_Object, int]:
            value, end = decoder.JSONObject(text_and_begin, *arguments)  # type: ignore[attr-defined]
            found = _Object(value)
            line = bisect_right(starts, text_and_begin[1] - 1)
            found.where = Location(shown, line, text_and_begin[1] - starts[line - 1])
            return found, end

        def parse_array(*arguments: Any) -> tuple[tuple[Any, ...], int]:
            values, end = decoder.JSONArray(*arguments)  # type: ignore[attr-defined]
            return tuple(values), end

        self.parse_object = parse_object
        self.parse_array = parse_array
        self.scan_once = scanner.py_make_scanner(self)  # type: ignore[attr-defined]  # the C one takes no hooks


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


class _Reader:
    """Fills dataclasses from JSON by their annotations; what does not fit becomes a diagnostic."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self.problems: list[Diagnostic] = []

    def value(self, kind: Any, raw: Any, name: str, where: Location) -> Any:
        """The value of a type, or None after a problem was noted."""
        if kind is Location:
            return self._place(raw, name, where)
        if dataclasses.is_dataclass(kind):
            return self._record(kind, raw, name, where)  # type: ignore[arg-type]
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is tuple and isinstance(raw, tuple):
            return tuple(self.value(arguments[0], item, f"{name}[{i}]", where) for i, item in enumerate(raw))
        if origin in (Union, types.UnionType):
            return self._union(arguments, raw, name, where)
        if origin is Literal and isinstance(raw, str) and raw in arguments:
            return raw
        if origin is Mapping and isinstance(raw, _Object) and all(isinstance(v, str) for v in raw.values()):
            return dict(raw)
        # bool is an int in Python, and none in JSON.
        if origin is None and type(raw) is kind:
            return raw
        return self._wrong(kind, raw, name, where)

    def _union(self, members: tuple[Any, ...], raw: Any, name: str, where: Location) -> Any:
        if raw is None and types.NoneType in members:
            return None
        records = [m for m in members if dataclasses.is_dataclass(m)]
        if records:
            return self.value(records[0], raw, name, where)
        return raw if type(raw) in members else self._wrong(" or ".join(map(_called, members)), raw, name, where)

    def _record(self, kind: type, raw: Any, name: str, where: Location) -> Any:
        if not isinstance(raw, _Object):
            return self._wrong("an object", raw, name, where)
        values: dict[str, Any] = {}
        hints = _hints(kind)
        for f in dataclasses.fields(kind):
            if f.name == "where":
                values["where"] = raw.where
            elif f.name in raw:
                values[f.name] = self.value(hints[f.name], raw[f.name], f"{name}.{f.name}".lstrip("."), raw.where)
            elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                self.problems.append(_broken(f"{name or 'it'} has no {f.name}", raw.where))
                return None
        for key in raw:
            if key not in values or key == "where":
                self.problems.append(_broken(f'"{f"{name}.{key}".lstrip(".")}" is not a part of it', raw.where))
        return kind(**values)

    def _place(self, raw: Any, name: str, where: Location) -> Location | None:
        path, _, line = raw.rpartition(":") if isinstance(raw, str) else ("", "", "")
        if not path or not line.isascii() or not line.isdigit():
            self._wrong("PATH:LINE", raw, name, where)
            return None
        return Location(path, int(line))

    def _wrong(self, wanted: Any, raw: Any, name: str, where: Location) -> None:
        text = wanted if isinstance(wanted, str) else _called(wanted)
        self.problems.append(_broken(f"{name or 'the file'} is {json.dumps(raw, default=str)[:60]}, not {text}", where))


def _called(kind: Any) -> str:
    if typing.get_origin(kind) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(kind)))
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", types.NoneType: "null"}
    origin = typing.get_origin(kind)
    return names.get(kind, "a list" if origin is tuple else "an object")


def _broken(message: str, where: Location) -> Diagnostic:
    return Diagnostic(
        "snapshot-invalid",
        message,
        where,
        "nobody edits a snapshot: make it again with `scaffold acl introspect` (also after a merge that left markers in it)",
    )


def foreign_keys(snapshot: Snapshot) -> Iterator[tuple[Model, Column]]:
    """The columns of own models that refer to another model, or to their own."""
    for model in snapshot.own:
        yield from ((model, column) for column in model.columns if column.references)
