"""Tells what a monolith's models are, as JSON: `scaffold acl introspect` runs it, in the monolith's own interpreter.

    python -B - --orm django --settings shop.settings < introspect.py > model.snapshot.json
    docker compose run --rm -T web python -B - --orm sqlalchemy --app "shop:create_app()" < introspect.py

It needs Python 3.8 and what the monolith has installed, nothing else. It imports the monolith as its own server would, looks
at what the ORM has registered, and reads the source beside it with `ast`. It writes to standard output only: no file, no
bytecode, and no database is connected to unless `--connect` allows it.

What it cannot do it says in "problems", with a place and a remedy; then it exits with 2.
"""

from __future__ import annotations

import argparse
import ast
import datetime
import decimal
import enum
import functools
import importlib
import importlib.util
import inspect
import json
import math
import os
import re
import sys
import traceback
import types
import uuid
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FORMAT = 1

# Folders that hold no source of the monolith's own, or none that runs in production.
_INSTALLED = {"dist-packages", "site-packages"}
_SKIPPED = {"__pycache__", "build", "dist", "migrations", "node_modules", "test", "tests"} | _INSTALLED
_NO_DATABASE = "introspection connects to no database (--connect would allow it)"
_TESTS = re.compile(r"(test_.*|.*_test|tests|conftest)\.py\Z")


class IntrospectionError(Exception):
    """The monolith cannot be introspected."""

    def __init__(self, kind: str, message: str, remedy: str, at: str = "") -> None:
        super().__init__(message)
        self.problem = {"kind": kind, "message": message, "remedy": remedy, "at": at}


# --- where things are ---------------------------------------------------------------------------------------------


class Places:
    """Paths without the machine: relative to the monolith's folder, or to where its package is installed."""

    def __init__(self, folder: str, packages: Sequence[str]) -> None:
        self.folder = os.path.realpath(folder)
        self.packages = tuple(packages)

    def shown(self, path: str, line: int = 0) -> str:
        """``basket/models.py:12``."""
        path = os.path.realpath(path)
        root = self.folder
        if not self._in_folder(path):
            roots = [os.path.realpath(p) for p in sys.path if p and self._below(path, os.path.realpath(p))]
            root = max(roots, key=len) if roots else os.path.dirname(path)
        return "{}:{}".format(os.path.relpath(path, root).replace(os.sep, "/"), line)

    def own_module(self, module: str) -> bool:
        """Whether a module is the monolith's: in its folder, or in a package that was named."""
        if self.packages:
            return any(module == p or module.startswith(p + ".") for p in self.packages)
        file = getattr(sys.modules.get(module), "__file__", None)
        return bool(file) and self.own_file(str(file))

    def own_file(self, path: str) -> bool:
        """Whether a file is below the folder, and not installed there; or in a package that was named."""
        path = os.path.realpath(path)
        packages = [p for name in self.packages for p in getattr(sys.modules.get(name), "__path__", ())]
        if any(self._below(path, os.path.realpath(p)) for p in packages):
            return True
        return self._in_folder(path)

    def _in_folder(self, path: str) -> bool:
        return self._below(path, self.folder) and not _INSTALLED.intersection(path[len(self.folder) :].split(os.sep))

    def sources(self) -> Iterator[tuple[str, str]]:
        """The monolith's modules, sorted: dotted name and path."""
        found: dict[str, str] = {}
        for root in self._source_roots():
            if os.path.isfile(root):
                found.setdefault(self._module(root), root)
            for folder, folders, files in os.walk(root):
                folders[:] = sorted(f for f in folders if self._worth_reading(os.path.join(folder, f)))
                for file in files:
                    if file.endswith(".py") and not _TESTS.match(file):
                        path = os.path.join(folder, file)
                        found.setdefault(self._module(path), path)
        yield from sorted(found.items())

    def _source_roots(self) -> Iterator[str]:
        if not self.packages:
            yield self.folder
        for package in self.packages:
            spec = importlib.util.find_spec(package)
            yield from map(os.path.realpath, (spec and (spec.submodule_search_locations or [spec.origin or ""])) or ())

    def _worth_reading(self, folder: str) -> bool:
        name = os.path.basename(folder)
        return not (name.startswith(".") or name in _SKIPPED or os.path.exists(os.path.join(folder, "pyvenv.cfg")))

    def _module(self, path: str) -> str:
        path = os.path.realpath(path)
        roots = {os.path.realpath(p or ".") for p in sys.path} | {self.folder}
        root = max((r for r in roots if self._below(path, r)), key=len)
        names = os.path.relpath(path, root)[: -len(".py")].split(os.sep)
        return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)

    @staticmethod
    def _below(path: str, folder: str) -> bool:
        return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def place_of(places: Places, thing: Any) -> str:
    """Where a class or function stands, or nothing."""
    try:
        thing = inspect.unwrap(thing)
        code = getattr(thing, "__code__", None)
        if code is not None:
            return places.shown(code.co_filename, code.co_firstlineno)
        return places.shown(inspect.getsourcefile(thing) or "", inspect.getsourcelines(thing)[1])
    except (OSError, TypeError, ValueError):
        return ""


def dotted(thing: Any) -> str:
    """``shop.signals.write_entry``."""
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    return "{}.{}".format(getattr(thing, "__module__", None) or type(thing).__module__, name)


def is_class(thing: Any) -> bool:
    """Whether something is a class. `isinstance` would ask the thing, and a proxy may answer by starting to work."""
    return issubclass(type(thing), type)


def scalar(value: Any) -> Any:
    """A value as JSON has it: an enum's member as its value, decimals and others as text."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    # What tells the time of the run, or an address in memory, is another thing each time: `default=now()`.
    kind: Any = type(value)
    nameless = kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__
    return dotted(kind) if nameless or isinstance(value, (datetime.datetime, uuid.UUID)) else str(value)


def default_of(value: Any) -> Any:
    """What a column holds by default; a callable is named, not called."""
    if callable(value) and not isinstance(value, (type(None), bool, int, float, str, decimal.Decimal, enum.Enum)):
        name = dotted(value)
        return {"kind": "callable", "value": name[len("builtins.") :] if name.startswith("builtins.") else name}
    return {"kind": "value", "value": scalar(value)}


# --- Django -------------------------------------------------------------------------------------------------------

_DJANGO_TYPES = (
    # The first that is among a field's classes; a datetime is a date there, too.
    ("BooleanField", "bool"), ("NullBooleanField", "bool"), ("DecimalField", "decimal"), ("FloatField", "float"),
    ("IntegerField", "int"), ("AutoFieldMixin", "int"), ("DateTimeField", "datetime"), ("DateField", "date"),
    ("TimeField", "time"), ("DurationField", "duration"), ("UUIDField", "uuid"), ("JSONField", "json"),
    ("BinaryField", "bytes"), ("FileField", "file"), ("FilePathField", "file"), ("ArrayField", "array"),
    ("CharField", "string"), ("TextField", "string"), ("GenericIPAddressField", "string"),
)  # fmt: skip


class Django:
    """What Django's registry knows."""

    name = "django"

    def __init__(self, options: argparse.Namespace, places: Places) -> None:
        self._options = options
        self._places = places
        self.query_names: dict[str, dict[str, str]] = {}

    def start(self) -> None:
        """Set Django up as ``manage.py`` does. Raises IntrospectionError."""
        os.environ["DJANGO_SETTINGS_MODULE"] = self._options.settings
        try:
            import django
            from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured
        except ImportError:
            raise IntrospectionError(
                "import", "this interpreter has no Django", "name the monolith's own with --python"
            ) from None
        if not self._options.connect:
            self._stay_away_from_databases()
        try:
            django.setup()
        except AppRegistryNotReady as error:
            raise IntrospectionError(
                "registry",
                f"the app registry is not ready: {error}",
                "an app or the settings import a model before all apps are loaded: move that import into `ready()` or a function",
                blame(self._places, error),
            ) from error
        except (ImproperlyConfigured, ModuleNotFoundError) as error:
            missing = getattr(error, "name", None)
            if missing and not (self._options.settings + ".").startswith(missing + "."):
                raise
            raise IntrospectionError(
                "settings",
                f"the settings {self._options.settings} do not load: {error}",
                "name them as DJANGO_SETTINGS_MODULE does, from the folder that has manage.py; and set the variables they read",
                blame(self._places, error),
            ) from error
        from django.utils import translation

        translation.deactivate_all()

    @staticmethod
    def _stay_away_from_databases() -> None:
        from django.db import OperationalError
        from django.db.backends.base.base import BaseDatabaseWrapper

        def refuse(self: Any) -> None:
            raise OperationalError(_NO_DATABASE)

        BaseDatabaseWrapper.connect = refuse

    def versions(self) -> dict[str, str]:
        import django

        return {"django": django.get_version()}

    def classes(self) -> list[Any]:
        """The models, those that Django made itself for many-to-many excepted."""
        from django.apps import apps

        return list(apps.get_models())

    def label(self, cls: Any) -> str:
        return str(cls._meta.label)

    def facts(self) -> dict[str, Any]:
        """What holds for all."""
        from django.conf import settings

        return {"atomic_requests": any(d.get("ATOMIC_REQUESTS") for d in settings.DATABASES.values())}

    def model(self, cls: Any) -> dict[str, Any]:
        """One model, without what its source says."""
        meta = cls._meta
        concrete = list(meta.concrete_fields)
        key = getattr(meta, "pk_fields", None) or [meta.pk]
        parents = [] if meta.proxy else [self.label(p) for p in meta.parents]
        relations = [r for f in meta.get_fields() for r in self._relations(cls, f)]
        return {
            "name": self.label(cls),
            "app": meta.app_label,
            "module": cls.__module__,
            "class_name": cls.__qualname__,
            "table": meta.db_table,
            "managed": bool(meta.managed),
            "proxy_of": self.label(meta.concrete_model) if meta.proxy else "",
            "parents": parents,
            "key": [f.attname for f in key],
            "unique": self._unique(meta),
            "columns": [self._column(cls, f, f in key) for f in concrete if getattr(f, "column", None)],
            "relations": sorted(relations, key=lambda r: str(r["name"])),
            "managers": [self._manager(meta, m) for m in meta.managers],
        }

    def _column(self, cls: Any, field: Any, key: bool) -> dict[str, Any]:
        from django.conf import settings

        target = field
        while getattr(target, "remote_field", None) is not None and getattr(target, "target_field", None) is not None:
            target = target.target_field
        kind = self._type(target)
        choices, enum_name = self._choices(cls, field)
        return {
            "name": field.attname,
            "column": field.column,
            "type": kind,
            "field_class": type(field).__name__,
            "null": bool(field.null),
            "key": key,
            "unique": bool(field.unique),
            "default": self._default(field),
            "choices": choices,
            "enum": enum_name,
            "max_length": getattr(target, "max_length", None) if kind in ("string", "file", "bytes") else None,
            "max_digits": getattr(target, "max_digits", None),
            "decimal_places": getattr(target, "decimal_places", None),
            "aware": bool(settings.USE_TZ) if kind == "datetime" else None,
            "auto": self._auto(field),
            "references": self.label(field.related_model) if field.is_relation and field.related_model else "",
        }

    @staticmethod
    def _type(field: Any) -> str:
        names = {k.__name__ for k in type(field).__mro__}
        if "GeneratedField" in names:
            return Django._type(field.output_field)
        return next((kind for name, kind in _DJANGO_TYPES if name in names), "other")

    @staticmethod
    def _auto(field: Any) -> str:
        if getattr(field, "auto_now", False):
            return "now"
        if getattr(field, "auto_now_add", False):
            return "now_add"
        names = {k.__name__ for k in type(field).__mro__}
        return "increment" if "AutoFieldMixin" in names else "computed" if "GeneratedField" in names else ""

    @staticmethod
    def _default(field: Any) -> Any:
        from django.db.models.fields import NOT_PROVIDED

        if field.has_default():
            return default_of(field.default)
        stored = getattr(field, "db_default", NOT_PROVIDED)
        return None if stored is NOT_PROVIDED else {"kind": "server", "value": None}

    @staticmethod
    def _choices(cls: Any, field: Any) -> tuple[list[dict[str, Any]], str]:
        pairs = [(scalar(value), str(label)) for value, label in field.flatchoices if value not in ("", None)]
        return named_choices(pairs, cls, type(field.default) if field.has_default() else None)

    @staticmethod
    def _unique(meta: Any) -> list[list[str]]:
        found = [list(names) for names in meta.unique_together]
        for constraint in meta.constraints:
            fields = getattr(constraint, "fields", ())
            if type(constraint).__name__ == "UniqueConstraint" and fields and constraint.condition is None:
                found.append(list(fields))
        return sorted([meta.get_field(name).attname for name in names] for names in found)

    def _relations(self, cls: Any, field: Any) -> Iterator[dict[str, Any]]:
        if type(field).__name__ == "GenericForeignKey":
            columns = [cls._meta.get_field(field.ct_field).attname, field.fk_field]
            yield {"name": field.name, "kind": "generic", "columns": columns}
            return
        if not field.is_relation or field.related_model is None:
            return
        made = bool(field.auto_created and not field.concrete)
        name = field.get_accessor_name() if made else field.name
        kind = "reverse_generic" if type(field).__name__ == "GenericRelation" else self._kind(field, made)
        self.query_names.setdefault(self.label(cls), {})[field.name] = name
        through = getattr(field if made else field.remote_field, "through", None)
        yield {
            "name": name,
            "kind": kind,
            "to": self.label(field.related_model),
            "columns": [field.attname] if field.concrete and not field.many_to_many else [],
            "through": self.label(through) if through is not None else "",
            "null": bool(getattr(field, "null", False)) and not made and not field.many_to_many,
            "on_delete": self._on_delete(field) if not made else "",
        }

    @staticmethod
    def _kind(field: Any, made: bool) -> str:
        if field.many_to_many:
            return "reverse_many_to_many" if made else "many_to_many"
        if field.one_to_one:
            return "reverse_one_to_one" if made else "one_to_one"
        return "reverse_foreign_key" if field.one_to_many else "foreign_key"

    @staticmethod
    def _on_delete(field: Any) -> str:
        rule = getattr(field.remote_field, "on_delete", None)
        return str(getattr(rule, "__name__", "") or type(rule).__name__) if rule is not None else ""

    def _manager(self, meta: Any, manager: Any) -> dict[str, Any]:
        queryset = getattr(manager, "_queryset_class", None)
        methods = set()
        for cls in (*type(manager).__mro__, *(queryset.__mro__ if queryset else ())):
            for name, value in vars(cls).items():
                module = getattr(value, "__module__", None) or ""
                if inspect.isfunction(value) and not name.startswith("_") and self._places.own_module(module):
                    methods.add(name)
        return {
            "name": manager.name,
            "type": dotted(type(manager)),
            "default": manager is meta.default_manager or manager.name == meta.default_manager.name,
            "methods": sorted(methods),
        }

    def properties(self, cls: Any) -> dict[str, tuple[str, Any, Any]]:
        """Name → kind, getter, setter."""
        from django.db import models
        from django.utils.functional import cached_property

        return plain_properties(cls, (models.Model, object), (cached_property, functools.cached_property))

    def receivers(self, labels: dict[int, str]) -> list[dict[str, Any]]:
        """The monolith's functions that are connected to a signal."""
        found = []
        for name, signal in self._signals():
            for entry in signal.receivers:
                (_, sender_id), reference = entry[0], entry[1]
                function = reference() if isinstance(reference, weakref.ReferenceType) else reference
                if function is None or not self._places.own_module(getattr(function, "__module__", "") or ""):
                    continue
                function = inspect.unwrap(function)
                found.append(
                    {
                        "signal": name,
                        "function": dotted(function),
                        "sender": labels.get(sender_id, ""),
                        "at": place_of(self._places, function),
                    }
                )
        return found

    def _signals(self) -> Iterator[tuple[str, Any]]:
        from django.db.models import signals
        from django.dispatch import Signal

        seen = set()
        for name, signal in sorted(vars(signals).items()):
            if isinstance(signal, Signal):
                seen.add(id(signal))
                yield name, signal
        modules: dict[str, Any] = dict(sys.modules)
        for module_name, module in sorted(modules.items()):
            if module is None or not self._places.own_module(module_name):
                continue
            for name, value in sorted(vars(module).items()):
                if issubclass(type(value), Signal) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{module_name}.{name}", value


# --- SQLAlchemy ---------------------------------------------------------------------------------------------------

_SQLALCHEMY_TYPES = (
    ("Boolean", "bool"), ("Enum", "string"), ("ARRAY", "array"), ("JSON", "json"), ("Uuid", "uuid"), ("UUID", "uuid"),
    ("Float", "float"), ("Numeric", "decimal"), ("Integer", "int"), ("DateTime", "datetime"), ("Date", "date"),
    ("Time", "time"), ("Interval", "duration"), ("LargeBinary", "bytes"), ("_Binary", "bytes"), ("String", "string"),
)  # fmt: skip


class SqlAlchemy:
    """What SQLAlchemy's mappers know."""

    name = "sqlalchemy"

    def __init__(self, options: argparse.Namespace, places: Places) -> None:
        self._options = options
        self._places = places
        self._mappers: dict[Any, Any] = {}
        self.query_names: dict[str, dict[str, str]] = {}

    def start(self) -> None:
        """Import the application, or make it, and configure the mappers. Raises IntrospectionError."""
        try:
            from sqlalchemy import event, orm
            from sqlalchemy.engine import Engine
            from sqlalchemy.exc import OperationalError
        except ImportError:
            raise IntrospectionError(
                "import", "this interpreter has no SQLAlchemy", "name the monolith's own with --python"
            ) from None

        class RefusedError(OperationalError):
            def __str__(self) -> str:
                return _NO_DATABASE

        def refuse(*_: Any) -> None:
            raise RefusedError("connect", None, Exception(_NO_DATABASE))

        if not self._options.connect:
            event.listen(Engine, "do_connect", refuse)
        event.listen(orm.Mapper, "mapper_configured", lambda mapper, cls: self._mappers.setdefault(cls, mapper))
        for module in self._options.imports:
            importlib.import_module(module)
        application = self._application(self._options.app)
        if hasattr(application, "app_context"):
            application.app_context().push()
        try:
            orm.configure_mappers()
        except Exception as error:
            raise IntrospectionError(
                "mappers",
                f"the mappers cannot be configured: {error}",
                "mend the relationship that it names; every class it speaks of has to be imported (--import MODULE)",
                blame(self._places, error),
            ) from error

    def _application(self, spec: str) -> Any:
        """``shop``, ``shop:app`` or ``shop:create_app("test")``: imported, looked up, called."""
        module_name, _, expression = spec.partition(":")
        module: Any = importlib.import_module(module_name)
        if not expression:
            return module
        try:
            node: Any = ast.parse(expression.strip(), mode="eval").body
            call = node if isinstance(node, ast.Call) else None
            names = _attribute_names(call.func if call else node)
            arguments = [ast.literal_eval(a) for a in call.args] if call else []
            keywords = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords} if call else {}
        except (SyntaxError, ValueError):
            names = None
        if not names:
            raise IntrospectionError("application", f"{spec!r} names no application", 'write it as "shop:create_app()"')
        try:
            found = functools.reduce(getattr, names, module)
        except AttributeError as error:
            raise IntrospectionError(
                "application", str(error), f'name what makes it: "{module_name}:create_app()"'
            ) from None
        return found(*arguments, **keywords) if call else found

    def versions(self) -> dict[str, str]:
        import sqlalchemy

        return {"sqlalchemy": sqlalchemy.__version__}

    def classes(self) -> list[Any]:
        return sorted(self._mappers, key=self.label)

    def label(self, cls: Any) -> str:
        return f"{cls.__module__}.{cls.__qualname__}"

    def facts(self) -> dict[str, Any]:
        return {}

    def model(self, cls: Any) -> dict[str, Any]:
        """One model, without what its source says."""
        from sqlalchemy import Table

        mapper = self._mappers[cls]
        table = mapper.local_table
        is_table = isinstance(table, Table)
        base = mapper.inherits
        return {
            "name": self.label(cls),
            "app": cls.__module__,
            "module": cls.__module__,
            "class_name": cls.__qualname__,
            "table": table.fullname if is_table else "",
            "managed": is_table and not table.info.get("is_view"),
            "proxy_of": self.label(base.class_) if base is not None and base.local_table is table else "",
            "parents": [self.label(base.class_)] if base is not None and base.local_table is not table else [],
            "key": [self._attribute(mapper, c) for c in mapper.primary_key],
            "unique": self._unique(mapper, table) if is_table else [],
            "columns": self._columns(mapper),
            "relations": sorted((self._relation(r) for r in mapper.relationships), key=lambda r: str(r["name"])),
            "managers": [],
        }

    def _columns(self, mapper: Any) -> list[dict[str, Any]]:
        from sqlalchemy import Column

        order = {column: number for number, column in enumerate(mapper.persist_selectable.columns)}
        found = [(a.key, a.columns[0]) for a in mapper.column_attrs if isinstance(a.columns[0], Column)]
        found.sort(key=lambda pair: order.get(pair[1], 0))
        return [self._column(mapper, name, column) for name, column in found]

    def _column(self, mapper: Any, name: str, column: Any) -> dict[str, Any]:
        kind = self._type(column.type)
        decorated = getattr(column.type, "impl", None)
        enum_class = getattr(column.type, "enum_class", None)
        # An Enum keeps the names of its members in the database, and gives members to Python.
        members = [(m.name, "") for m in enum_class] if enum_class and not decorated else []
        members = (
            members
            or [(scalar(m), "") for m in enum_class or ()]
            or [(v, "") for v in getattr(column.type, "enums", ())]
        )
        choices, enum_name = named_choices(
            members, mapper.class_, enum_class, by_name=enum_class is not None and not decorated
        )
        numeric = kind == "decimal"
        return {
            "name": name,
            "column": column.name,
            "type": kind,
            "field_class": type(column.type).__name__,
            "null": bool(column.nullable),
            "key": bool(column.primary_key),
            "unique": bool(column.unique),
            "default": self._default(column, members),
            "choices": choices,
            "enum": enum_name,
            "max_length": getattr(column.type, "length", None)
            if kind in ("string", "bytes") and not enum_class
            else None,
            "max_digits": getattr(column.type, "precision", None) if numeric else None,
            "decimal_places": getattr(column.type, "scale", None) if numeric else None,
            "aware": bool(getattr(column.type, "timezone", False)) if kind == "datetime" else None,
            "auto": self._auto(mapper, column),
            "references": self._references(column),
        }

    @staticmethod
    def _type(kind: Any) -> str:
        while getattr(kind, "impl", None) is not None and "TypeDecorator" in {k.__name__ for k in type(kind).__mro__}:
            kind = kind.impl
        names = {k.__name__ for k in type(kind).__mro__}
        return next((ours for name, ours in _SQLALCHEMY_TYPES if name in names), "other")

    @staticmethod
    def _auto(mapper: Any, column: Any) -> str:
        if column.computed is not None:
            return "computed"
        table = column.table
        return "increment" if getattr(table, "_autoincrement_column", None) is column else ""

    @staticmethod
    def _default(column: Any, members: Sequence[tuple[Any, str]]) -> Any:
        default = column.default
        if default is None:
            return (
                {"kind": "server", "value": None}
                if column.server_default is not None and column.computed is None
                else None
            )
        if getattr(default, "is_callable", False):
            return default_of(getattr(default.arg, "__wrapped__", default.arg))
        if getattr(default, "is_scalar", False):
            by_name = (getattr(default.arg, "name", None), "") in members
            return {"kind": "value", "value": default.arg.name if by_name else scalar(default.arg)}
        return {"kind": "server", "value": None}

    def _references(self, column: Any) -> str:
        for key in sorted(column.foreign_keys, key=lambda k: str(k.target_fullname)):
            # By its name: the table itself may be one that nobody has imported.
            table = key.target_fullname.rpartition(".")[0]
            labels = [
                self.label(c) for c, m in self._mappers.items() if getattr(m.local_table, "fullname", "") == table
            ]
            if labels:
                return min(labels, key=len)
        return ""

    @staticmethod
    def _attribute(mapper: Any, column: Any) -> str:
        return str(mapper.get_property_by_column(column).key)

    def _unique(self, mapper: Any, table: Any) -> list[list[str]]:
        groups = [c.columns for c in table.constraints if type(c).__name__ == "UniqueConstraint"]
        groups += [i.columns for i in table.indexes if i.unique]
        return sorted([self._attribute(mapper, c) for c in columns] for columns in groups if len(columns) > 1)

    def _relation(self, relation: Any) -> dict[str, Any]:
        direction = relation.direction.name
        kinds = {
            "MANYTOONE": "foreign_key",
            "MANYTOMANY": "many_to_many",
            "ONETOMANY": "reverse_foreign_key" if relation.uselist else "reverse_one_to_one",
        }
        mapper = relation.parent
        own = sorted(relation.local_columns, key=lambda c: str(c.name)) if direction == "MANYTOONE" else []
        rules = {k.ondelete for c in own for k in c.foreign_keys if k.ondelete}
        self.query_names.setdefault(self.label(mapper.class_), {})[relation.key] = relation.key
        return {
            "name": relation.key,
            "kind": kinds[direction],
            "to": self.label(relation.mapper.class_),
            "columns": [self._attribute(mapper, c) for c in own],
            "through": str(relation.secondary) if relation.secondary is not None else "",
            "null": bool(own) and all(c.nullable for c in own),
            "on_delete": ", ".join(sorted(rules)),
        }

    def properties(self, cls: Any) -> dict[str, tuple[str, Any, Any]]:
        """Name → kind, getter, setter."""
        from sqlalchemy import Column

        mapper = self._mappers[cls]
        bases = tuple(k for k in cls.__mro__ if k not in self._mappers and not self._places.own_module(k.__module__))
        found = plain_properties(cls, (*bases, object), (functools.cached_property,))
        for attribute in mapper.column_attrs:
            if not isinstance(attribute.columns[0], Column):
                found[attribute.key] = ("column_property", None, None)
        found.update((s.key, ("synonym", None, True)) for s in mapper.synonyms)
        found.update((c.key, ("composite", None, True)) for c in mapper.composites)
        for name, thing in mapper.all_orm_descriptors.items():
            kind = type(thing).__name__
            if kind == "hybrid_property":
                found[name] = (kind, thing.fget, thing.fset)
            elif kind == "hybrid_method":
                found[name] = (kind, thing.func, None)
            elif "AssociationProxy" in kind:
                found[name] = ("association_proxy", None, True)
        return found

    def receivers(self, labels: dict[int, str]) -> list[dict[str, Any]]:
        """None that can be asked for: the events are read in the source."""
        return []


# --- what both have -----------------------------------------------------------------------------------------------


def named_choices(
    pairs: Sequence[tuple[Any, str]], cls: Any, hint: Any, by_name: bool = False
) -> tuple[list[dict[str, Any]], str]:
    """Choices with what the code calls them: the members of an enum, or constants of the class."""
    values = [value for value, _ in pairs]
    found = _enum_of(values, cls, hint, by_name) if values else None
    if found is not None:
        names = {m.name if by_name else scalar(m): m.name for m in found}
    else:
        names = {}
        for k in reversed(cls.__mro__):
            for name, value in vars(k).items():
                if name.isupper() and type(value) in (int, str) and value in values:
                    names[value] = name
    choices = [{"value": v, "name": names.get(v, ""), "label": label} for v, label in pairs]
    return choices, dotted(found) if found is not None else ""


def _enum_of(values: list[Any], cls: Any, hint: Any, by_name: bool) -> Any:
    """The enum that has these values: the default's, one in the class, one in its module."""
    module = sys.modules.get(cls.__module__)
    candidates = [hint, *(v for k in cls.__mro__ for v in vars(k).values()), *(vars(module).values() if module else ())]
    for candidate in candidates:
        if not is_class(candidate) or not issubclass(candidate, enum.Enum):
            continue
        if {m.name if by_name else scalar(m) for m in candidate} == set(values):
            return candidate
    return None


def plain_properties(cls: Any, without: tuple[Any, ...], cached: tuple[Any, ...]) -> dict[str, tuple[str, Any, Any]]:
    """The properties of a class and its bases."""
    found: dict[str, tuple[str, Any, Any]] = {}
    hidden: set[str] = set()
    for k in cls.__mro__:
        if k in without:
            continue
        for name, value in vars(k).items():
            if name in hidden:
                continue
            hidden.add(name)
            if isinstance(value, property):
                found[name] = ("property", value.fget, value.fset)
            elif isinstance(value, cached):
                found[name] = ("cached_property", getattr(value, "real_func", None) or value.func, None)
    return found


def blame(places: Places, error: BaseException) -> str:
    """The last line of the monolith's own that an error passed through; for a syntax error, its line."""
    if isinstance(error, SyntaxError) and error.filename and os.path.exists(error.filename):
        return places.shown(error.filename, error.lineno or 0)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if os.path.exists(f.filename) and places.own_file(f.filename)]
    return places.shown(own[-1].filename, own[-1].lineno or 0) if own else ""


def _is_property(node: Any) -> bool:
    """Whether a function is read like an attribute."""
    names = [_attribute_names(d) for d in node.decorator_list]
    return any(n and n[-1] in ("property", "cached_property", "hybrid_property") for n in names)


def _attribute_names(node: ast.AST) -> list[str]:
    """``a.b.c`` as its names; empty for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [*reversed([*names, node.id])] if isinstance(node, ast.Name) else []


# --- the source ---------------------------------------------------------------------------------------------------


class Type(NamedTuple):
    """What an expression is known to be: a model's ``class``, ``one`` of its objects, ``many``, or one of both (``any``)."""

    kind: str
    label: str


class Read(NamedTuple):
    """A module's source."""

    name: str
    path: str
    tree: ast.Module
    names: dict[str, str]
    labels: dict[str, str]


class Function(NamedTuple):
    """A function of the monolith; ``owner`` is the dotted class that it stands in."""

    key: str
    module: Read
    node: Any
    owner: str


class Scope:
    """What a stretch of code touches and calls."""

    def __init__(self) -> None:
        self.models: set[str] = set()
        self.calls: set[tuple[str, ...]] = set()


# Methods that give one object, and those that write, of a manager, a queryset or a query.
_ONE = {
    "aget", "create", "earliest", "first", "get", "get_or_create", "last", "latest", "one", "one_or_none", "scalar",
    "scalar_one", "scalar_one_or_none", "update_or_create",
}  # fmt: skip
_WRITES = {
    "add", "append", "bulk_create", "bulk_update", "clear", "create", "extend", "get_or_create", "insert", "remove", "set",
    "update", "update_or_create",
}  # fmt: skip
_STRINGS = {
    "alias", "annotate", "defer", "distinct", "only", "order_by", "prefetch_related", "select_related", "values", "values_list",
}  # fmt: skip
_SAME = {
    "aggregate", "all", "difference", "exclude", "execution_options", "filter", "filter_by", "group_by", "having", "in_bulk",
    "intersection", "iterator", "join", "limit", "none", "offset", "options", "order_by", "outerjoin", "reverse", "scalars",
    "select_for_update", "select_from", "union", "unique", "using", "where", "with_for_update",
} | _WRITES | _STRINGS  # fmt: skip
_KEYWORDS = {"aggregate", "alias", "annotate", "exclude", "filter", "get", "get_object_or_404", "get_list_or_404"}
_EXPRESSIONS = {"Avg", "Count", "F", "Max", "Min", "OuterRef", "Prefetch", "Q", "StdDev", "Sum", "Variance"}
_FOLLOWED = {"Prefetch", "prefetch_related", "select_related"}
_QUERIES = {"query", "select"}


class Source:
    """The monolith's source: which function touches which models, in which transactions."""

    def __init__(self, orm: Any, places: Places, models: list[dict[str, Any]], classes: dict[str, Any]) -> None:
        self.orm = orm
        self.places = places
        self.classes = classes
        self.model = {m["name"]: m for m in models}
        self.relations = {m["name"]: {r["name"]: r for r in m["relations"]} for m in models}
        self.columns = {m["name"]: {c["name"] for c in m["columns"]} for m in models}
        self._meant = self._unambiguous(models)
        self.problems: list[dict[str, str]] = []
        self.functions: dict[str, Function] = {}
        self.methods_of_class: dict[str, list[Function]] = {}
        self.receivers: list[dict[str, Any]] = []
        self.senders: dict[str, str] = {}
        self._by_class = {dotted(c): label for label, c in classes.items()}
        self._labels: dict[str, str | None] = {}
        self._walks: dict[tuple[str, str], Walk] = {}
        self.modules = [m for m in (self._read(name, path) for name, path in places.sources()) if m is not None]
        for module in self.modules:
            self._index(module, module.tree, module.name, "")

    def _read(self, name: str, path: str) -> Read | None:
        try:
            with open(path, "rb") as file:
                tree = ast.parse(file.read(), path)
        except (OSError, SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", 0) or 0
            text = "it cannot be read as Python {}.{}: {}".format(*sys.version_info[:2], getattr(error, "msg", error))
            remedy = "what stands in it is missing here: mend it, or overlook it"
            self.problems.append(
                {"kind": "source", "message": text, "remedy": remedy, "at": self.places.shown(path, line)}
            )
            return None
        for parent in ast.walk(tree):
            for child in ast.iter_child_nodes(parent):
                child.parent = parent  # type: ignore[attr-defined]
        module = Read(name, path, tree, {}, {})
        package = name if os.path.basename(path) == "__init__.py" else name.rpartition(".")[0]
        for node in ast.walk(tree):
            self._note_names(module, package, node)
        return module

    def _note_names(self, module: Read, package: str, node: ast.AST) -> None:
        """What a name of the module stands for: an import, something of its own, ``get_model("catalogue", "Product")``."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            up = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            for alias in node.names:
                module.names[alias.asname or alias.name] = base + "." + alias.name
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if isinstance(getattr(node, "parent", None), ast.Module):
                module.names.setdefault(node.name, module.name + "." + node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            label = self._asked_for(node.value)
            for target in node.targets if label else ():
                if isinstance(target, ast.Name):
                    module.labels[target.id] = label
            if isinstance(getattr(node, "parent", None), ast.Module):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        module.names.setdefault(target.id, module.name + "." + target.id)

    def _asked_for(self, call: ast.Call) -> str:
        """The label in ``get_model("catalogue", "Product")`` and its like."""
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "get_user_model":
            found = [m["name"] for m in self.model.values() if m["class_name"] == "User"]
            return found[0] if len(found) == 1 else ""
        if name not in ("get_model", "get_class") or not words:
            return ""
        wanted = ".".join(words).replace(".models.", ".").lower()
        return next((label for label in self.model if label.lower() == wanted), "")

    def _index(self, module: Read, node: ast.AST, prefix: str, owner: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                self._index(module, child, prefix + "." + child.name, prefix + "." + child.name)
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                function = Function(prefix + "." + child.name, module, child, owner)
                self.functions.setdefault(function.key, function)
                if owner:
                    self.methods_of_class.setdefault(owner, []).append(function)
            elif isinstance(child, (ast.If, ast.Try, ast.ExceptHandler, ast.With)):
                self._index(module, child, prefix, owner)

    # What names mean.

    def resolve(self, module: Read, names: Sequence[str]) -> str:
        """The dotted name behind ``a.b.c`` in a module, or nothing."""
        first = module.names.get(names[0]) if names else None
        return ".".join([first, *names[1:]]) if first else ""

    def label(self, module: Read, names: Sequence[str]) -> str | None:
        """The model that ``a.b.c`` is in a module, if it is one."""
        if len(names) == 1 and names[0] in module.labels:
            return module.labels[names[0]]
        name = self.resolve(module, names)
        if name and name not in self._labels:
            self._labels[name] = self._by_class.get(name) or self._by_class.get(self._real_name(name))
        return self._labels.get(name)

    @staticmethod
    def _real_name(name: str) -> str:
        """Where something that is imported from somewhere else was made."""
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            module = sys.modules.get(".".join(parts[:length]))
            if module is not None:
                found: Any = module
                for part in parts[length:]:
                    found = vars(found).get(part) if found is module or is_class(found) else None
                return dotted(found) if is_class(found) or type(found) is types.FunctionType else ""
        return ""

    def attribute(self, label: str, name: str) -> Type | None:
        """What an attribute of a model's object leads to."""
        relation = self.relations.get(label, {}).get(name)
        if relation is None or not relation.get("to"):
            return None
        many = relation["kind"] in ("many_to_many", "reverse_foreign_key", "reverse_many_to_many", "reverse_generic")
        return Type("many" if many else "one", relation["to"])

    def _unambiguous(self, models: list[dict[str, Any]]) -> dict[str, Type]:
        """The attributes that lead to many of one and the same model wherever a model has them: ``stockrecords``.

        Those that lead to one are called like anything else: ``parent``, ``user``, ``product``.
        """
        found: dict[str, set[Type | None]] = {}
        for model in models:
            for relation in model["relations"]:
                found.setdefault(relation["name"], set()).add(self.attribute(model["name"], relation["name"]))
        alike = {name: next(iter(types_)) for name, types_ in found.items() if len(types_) == 1}
        return {name: t for name, t in alike.items() if t is not None and t.kind == "many"}

    def meant(self, name: str) -> Type | None:
        """What an attribute of something unknown can only lead to, if it is a relation at all."""
        return self._meant.get(name)

    def is_own(self, label: str) -> bool:
        """Whether a model is the monolith's own."""
        return bool(self.model.get(label, {}).get("own"))

    def is_data(self, label: str, name: str) -> bool:
        """Whether assigning to an attribute changes what is stored."""
        return name in self.columns.get(label, ()) or name in self.relations.get(label, ())

    def path(self, label: str, path: str, follow: bool) -> list[str]:
        """The models that ``product__category__name`` joins, beginning at a model."""
        found: list[str] = []
        current = label
        segments = path.lstrip("-+").split("__")
        for number, segment in enumerate(segments):
            accessor = self.orm.query_names.get(current, {}).get(segment, "")
            relation = self.relations.get(current, {}).get(accessor)
            if relation is None or not relation.get("to"):
                rest = segments[number]
                key = self.model[current]["key"] if current in self.model else []
                if found and (rest not in self.columns.get(current, ()) or rest in key or rest == "pk"):
                    found.pop()  # product__id and product__in need no other table than the one that refers to it
                return found
            current = relation["to"]
            found.append(current)
        if found and not follow:
            found.pop()
        return found

    def paths(self, label: str, path: str, follow: bool) -> list[str]:
        """The same where the beginning may be unknown: the models that every model agrees on which has such a path."""
        if label:
            return self.path(label, path, follow)
        every = [p for p in (self.path(name, path, follow) for name in sorted(self.model)) if p]
        return every[0] if every and all(p == every[0] for p in every) else []

    def method(self, label: str, name: str) -> Function | None:
        """The method of a model, from the first of its classes that has it."""
        for k in getattr(self.classes.get(label), "__mro__", ()):
            function = self.functions.get(dotted(k) + "." + name)
            if function is not None:
                return function
            if name in vars(k):
                return None
        return None

    # What functions do.

    def walk(self, function: Function, label: str = "") -> Walk:
        """A function, read once for each model that has it."""
        key = (function.key, label)
        if key not in self._walks:
            walk = self._walks[key] = Walk(self, function.module, function.key, label)
            walk.read(function)
        return self._walks[key]

    def everything(self, module: Read) -> Iterator[Walk]:
        """Every function of a module, and what stands outside of functions."""
        yield self._outside(module)
        for function in [f for f in self.functions.values() if f.module is module]:
            labels = self.labels_of(function.owner)
            yield from (self.walk(function, label) for label in labels or [""])

    def _outside(self, module: Read) -> Walk:
        key = (module.name, "")
        if key not in self._walks:
            walk = self._walks[key] = Walk(self, module, module.name, "")
            walk.visit(module.tree)
        return self._walks[key]

    @functools.lru_cache(maxsize=None)  # noqa: B019 - one object, for one run
    def labels_of(self, owner: str) -> tuple[str, ...]:
        """The models that a class is, or is a base of."""
        return tuple(
            sorted(label for label, c in self.classes.items() if owner and any(dotted(k) == owner for k in c.__mro__))
        )

    def reached(self, scope: Scope) -> set[str]:
        """The models that code touches, with all that it calls."""
        models, waiting, seen = set(scope.models), list(scope.calls), set()
        while waiting:
            call = waiting.pop()
            if call in seen:
                continue
            seen.add(call)
            for walk in self._called(call):
                models |= walk.scope.models
                waiting.extend(walk.scope.calls)
        return models

    def _called(self, call: tuple[str, ...]) -> Iterator[Walk]:
        kind, name = call[0], call[-1]
        if kind == "method":
            function = self.method(call[1], name)
            if function is not None:
                yield self.walk(function, call[1])
        elif kind == "function":
            function = self.functions.get(name) or self.functions.get(self._real_name(name))
            if function is not None:
                labels = self.labels_of(function.owner)
                yield self.walk(function, labels[0] if len(labels) == 1 else "")
        elif kind == "signal":
            for receiver in self.receivers:
                wanted = call[1] if len(call) == 3 else ""
                if receiver["signal"] == name and (not wanted or receiver["sender"] == wanted):
                    function = self.functions.get(receiver["function"])
                    if function is not None:
                        yield self.walk(function)


class Walk(ast.NodeVisitor):
    """Reads one function, statement by statement: what is what, what is touched, what is changed."""

    def __init__(self, source: Source, module: Read, key: str, label: str) -> None:
        self.scope = Scope()
        self.does: dict[str, None] = {}
        self.reads: set[str] = set()
        self.returns: Type | None = None
        self.lookups: list[dict[str, Any]] = []
        self.transactions: list[tuple[str, int, Scope]] = []
        self._source = source
        self._module = module
        self.key = key
        self._label = label
        self._self = ""
        self._owner = ""
        self._known: dict[str, Type] = {}
        self._scopes = [self.scope]
        self._queries: set[int] = set()

    def read(self, function: Function) -> None:
        """Read a function, with ``self`` as what it is."""
        node, self._owner = function.node, function.owner
        decorators = [_attribute_names(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
        kinds = {names[-1] for names in decorators if names}
        arguments = [*getattr(node.args, "posonlyargs", []), *node.args.args]
        if function.owner and arguments and "staticmethod" not in kinds:
            self._self = arguments[0].arg
            if self._label:
                self._known[self._self] = Type("class" if "classmethod" in kinds else "one", self._label)
        for argument in arguments:
            if argument.arg == "instance" and function.key in self._source.senders:
                self._known["instance"] = Type("one", self._source.senders[function.key])
        if any(self._is_atomic(d) for d in node.decorator_list):
            self.transactions.append(("decorator", node.lineno, self.scope))
        for statement in node.body:
            self.visit(statement)

    # What is what.

    def type_of(self, node: ast.AST | None) -> Type | None:
        """What an expression is, as far as can be told."""
        if isinstance(node, ast.Name):
            label = None if node.id in self._known else self._source.label(self._module, [node.id])
            return self._known.get(node.id) or (Type("class", label) if label else None)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Subscript):
            found = self.type_of(node.value)
            return found and Type("many" if isinstance(node.slice, ast.Slice) else "one", found.label)
        if isinstance(node, ast.BoolOp):
            return next((t for t in map(self.type_of, node.values) if t), None)
        if isinstance(node, ast.IfExp):
            return self.type_of(node.body) or self.type_of(node.orelse)
        if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            found = self.type_of(node.elt)
            return found and Type("many", found.label)
        return self.type_of(node.value) if isinstance(node, (ast.Await, ast.Starred)) else None

    def _attribute(self, node: ast.Attribute) -> Type | None:
        base = self.type_of(node.value)
        if base is None:
            names = _attribute_names(node)
            label = self._source.label(self._module, names)
            if label or self._label or self._source.resolve(self._module, names):
                return Type("class", label) if label else None
            return self._source.meant(node.attr)  # product.stockrecords, in a function that was given a product
        if node.attr == "__class__":
            return Type("class", base.label)
        found = self._source.attribute(base.label, node.attr)
        if base.kind == "class":
            return Type("class", found.label) if found else Type("many", base.label)  # a manager
        if found is None and base.kind in ("one", "any"):
            getter = self._source.method(base.label, node.attr)
            return self._source.walk(getter, base.label).returns if getter and _is_property(getter.node) else None
        return found or (base if base.kind == "many" else None)

    def _call(self, node: ast.Call) -> Type | None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = self.type_of(node.args[0]) if node.args else None
        if isinstance(node.func, ast.Attribute):
            base = self.type_of(node.func.value)
            if base is not None and not self._source.label(self._module, _attribute_names(node.func)):
                return self._of_method(base, name)
            if first and name in ("get", "get_one", "merge", "scalar"):
                return Type("one", first.label)
            if first and name in ("execute", "query", "scalars"):
                return Type("many", first.label)
        elif name in ("get_object_or_404", "next", "min", "max", "copy", "deepcopy"):
            return first and Type("one", first.label)
        elif name in ("get_list_or_404", "iter", "list", "reversed", "select", "set", "sorted", "tuple"):
            return first and Type("many", first.label)
        elif name == "super" and self._label:
            return Type("one", self._label)
        elif name == "type" and first:
            return Type("class", first.label)
        return self._made(node)

    def _of_method(self, base: Type, name: str) -> Type | None:
        """What a method gives: the ORM's own are known, others are looked up."""
        method = self._source.method(base.label, name) if base.kind != "many" else None
        if method is not None:
            return self._source.walk(method, base.label).returns
        if base.kind == "one":
            return None
        return Type("one" if name in _ONE else "many" if name in _SAME else "any", base.label)

    def _made(self, node: ast.Call) -> Type | None:
        """``Order(…)``, or what a function of the monolith gives."""
        found = self.type_of(node.func)
        if found and found.kind == "class":
            return Type("one", found.label)
        function = self._source.functions.get(self._source.resolve(self._module, _attribute_names(node.func)))
        return self._source.walk(function).returns if function and not function.owner else None

    def _bind(self, target: ast.AST, found: Type | None) -> None:
        if isinstance(target, (ast.Tuple, ast.List)) and target.elts:
            self._bind(target.elts[0], found)  # line, created = get_or_create(…)
        elif isinstance(target, ast.Name):
            if found is not None:
                self._known[target.id] = found
            else:
                self._known.pop(target.id, None)

    # What is done.

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in (*node.decorator_list, *node.bases, *node.body):
            self.visit(statement)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function inside of one belongs to it; others are read for themselves."""
        if self.key != self._module.name:
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assigned(target)
            self._bind(target, self.type_of(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._assigned(node.target)
            self._bind(node.target, self.type_of(node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        self._assigned(node.target)

    def _assigned(self, target: ast.AST) -> None:
        for part in target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target]:
            if not isinstance(part, ast.Attribute):
                continue
            self.visit(part.value)
            base = self.type_of(part.value)
            if base and base.kind in ("one", "any") and self._source.is_data(base.label, part.attr):
                self._touch(base.label)
                mine = isinstance(part.value, ast.Name) and part.value.id == self._self
                self._do("sets {}".format(part.attr if mine else f"{base.label}.{part.attr}"))

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._bind_each(node.target, node.iter)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    visit_AsyncFor = visit_For  # type: ignore[assignment]

    def visit_Return(self, node: ast.Return) -> None:
        self.generic_visit(node)
        self.returns = self.returns or self.type_of(node.value)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.visit(node.iter)
        self._bind_each(node.target, node.iter)
        for condition in node.ifs:
            self.visit(condition)

    def _bind_each(self, target: ast.AST, iterable: ast.AST) -> None:
        found = self.type_of(iterable)
        self._bind(target, Type("one", found.label) if found and found.kind == "many" else None)

    def _comprehension(self, node: Any) -> None:
        for generator in node.generators:
            self.visit(generator)
        for part in ("elt", "key", "value"):
            if hasattr(node, part):
                self.visit(getattr(node, part))

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def visit_With(self, node: ast.With) -> None:
        atomic = any(self._is_atomic(item.context_expr) for item in node.items)
        for item in node.items:
            self.visit(item.context_expr)
        if atomic:
            self._scopes.append(Scope())
            self.transactions.append(("block", node.lineno, self._scopes[-1]))
        for statement in node.body:
            self.visit(statement)
        if atomic:
            self._scopes.pop()

    visit_AsyncWith = visit_With  # type: ignore[assignment]

    def _is_atomic(self, node: ast.AST) -> bool:
        """``transaction.atomic``, with or without arguments, or inside of method_decorator; ``session.begin()``."""
        call = node if isinstance(node, ast.Call) else None
        names = _attribute_names(call.func if call else node)
        if self._source.orm.name == "sqlalchemy":
            return bool(call and isinstance(call.func, ast.Attribute) and call.func.attr in ("begin", "begin_nested"))
        if call and names and names[-1] == "method_decorator" and call.args:
            return self._is_atomic(call.args[0])
        name = self._source.resolve(self._module, names)
        return name.startswith("django.db.transaction.") and names[-1] in ("atomic", "commit_on_success")

    def visit_Name(self, node: ast.Name) -> None:
        found = self.type_of(node) if isinstance(node.ctx, ast.Load) and node.id != self._self else None
        if found:
            self._touch(found.label)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        base = self.type_of(node.value)
        if isinstance(node.value, ast.Name) and node.value.id == self._self and not node.attr[0].isupper():
            self.reads.add(node.attr)
        found = self.type_of(node)
        if found and found != base:
            self._touch(found.label)
        if base and base.kind in ("one", "any"):
            self._touch(base.label)
            self._call_of(("method", base.label, node.attr))
        if not isinstance(node.parent, ast.Attribute):  # type: ignore[attr-defined]
            self._hops(node)

    def _hops(self, node: ast.Attribute) -> None:
        """``line.product.category.name`` goes from one model to others."""
        names: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            names.insert(0, inner.attr)
            inner = inner.value
        start = self.type_of(inner)
        if start is None or start.kind != "one":
            return
        current, reached, gone = start, [], []
        for name in names:
            found = self._source.attribute(current.label, name)
            if found is None or current.kind != "one":
                break
            reached.append(found.label)
            gone.append(name)
            current = found
        more = names[len(gone)] if len(names) > len(gone) else ""
        if reached and not (more in ("pk", "id") and current.kind == "one"):
            self._look("attribute", ".".join(gone), start.label, reached, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            self.visit(keyword.value)
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        self._note_call(node, name)
        self._note_effect(node, name)
        if self._source.orm.name == "django":
            self._note_lookups(node, name)
        elif name in _QUERIES:
            self._note_query(node)

    def _note_call(self, node: ast.Call, name: str) -> None:
        if isinstance(node.func, ast.Attribute) and name in ("send", "send_robust"):
            self._call_of(("signal", self._source.resolve(self._module, _attribute_names(node.func.value))))
        names = _attribute_names(node.func)
        if len(names) == 2 and names[0] == self._self and not self._label:
            self._call_of(("function", f"{self._owner}.{name}"))
        resolved = self._source.resolve(self._module, names)
        if resolved:
            self._call_of(("function", resolved))
        base = self.type_of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if base and base.kind == "class":
            self._call_of(("method", base.label, name))

    def _note_effect(self, node: ast.Call, name: str) -> None:
        if isinstance(node.func, ast.Name):
            if name == "setattr" and node.args and self.type_of(node.args[0]):
                self._do(f"sets attributes of {self._who(node.args[0])}")
            return
        if not isinstance(node.func, ast.Attribute):
            return
        value = node.func.value
        base = self.type_of(value)
        if self._source.orm.name == "sqlalchemy" and name in ("add", "delete", "merge") and base is None and node.args:
            found = self.type_of(node.args[0])
            if found and "session" in (_attribute_names(value) or [""])[-1].lower():
                self._do("{} {}".format("deletes" if name == "delete" else "saves", found.label))
        elif name in ("save", "delete", "asave", "adelete") and (base is None or base.kind in ("one", "any")):
            if base or isinstance(value, ast.Name):
                self._changed("deletes" if "delete" in name else "saves", value, base)
        elif base and base.kind == "many" and (name in _WRITES or name == "delete"):
            self._touch(base.label)
            self._changed("deletes" if name == "delete" else "writes", value, base)

    def _changed(self, verb: str, value: ast.AST, base: Type | None) -> None:
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "super":
            return  # the override says so already
        self._do(f"{verb} {self._who(value)}")
        if base:
            for signal in ("pre_delete", "post_delete") if verb == "deletes" else ("pre_save", "post_save"):
                self._call_of(("signal", base.label, signal))
            self._call_of(("method", base.label, "delete" if verb == "deletes" else "save"))

    def _who(self, value: ast.AST) -> str:
        if isinstance(value, ast.Name) and value.id == self._self:
            return "itself"
        found = self.type_of(value)
        return found.label if found else getattr(value, "id", "another")

    def _note_lookups(self, node: ast.Call, name: str) -> None:
        base = self.type_of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        if name in ("get_object_or_404", "get_list_or_404") and node.args:
            base = self.type_of(node.args[0])
        if name in _EXPRESSIONS:
            base = self._around(node)
        elif base is None and name not in ("exclude", "filter", "order_by", "prefetch_related", "select_related"):
            return
        label = base.label if base else ""
        follow = name in _FOLLOWED
        if name in _STRINGS or name in _EXPRESSIONS:
            for path in (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)):
                if "__" in path or (follow and label):
                    self._look_along(name, path, label, follow, node.lineno)
        if name in _KEYWORDS or name == "Q":
            for keyword in node.keywords:
                if keyword.arg and "__" in keyword.arg:
                    self._look_along(name, keyword.arg, label, False, keyword.value.lineno)

    def _around(self, node: ast.AST) -> Type | None:
        """The queryset whose method an expression is an argument of."""
        while not isinstance(node, ast.stmt):
            node = node.parent  # type: ignore[attr-defined]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found = self.type_of(node.func.value)
                if found is not None:
                    return found
        return None

    def _look_along(self, by: str, path: str, label: str, follow: bool, line: int) -> None:
        self._look(by, path, label, self._source.paths(label, path, follow), line)

    def _note_query(self, node: ast.Call) -> None:
        """The models that one ``select(…)`` or ``query(…)`` brings together."""
        outer: Any = node
        while isinstance(outer.parent, ast.Attribute) or getattr(outer.parent, "func", None) is outer:
            outer = outer.parent  # select(A).join(B).where(…)
        if id(outer) in self._queries:
            return
        self._queries.add(id(outer))
        labels: dict[str, None] = {}
        joined: dict[str, None] = {}
        for part in ast.walk(outer):
            found = self.type_of(part) if isinstance(part, (ast.Name, ast.Attribute)) else None
            if found and found.kind == "class":
                labels.setdefault(found.label)
            if isinstance(part, ast.Call):
                joined.setdefault(getattr(part.func, "attr", getattr(part.func, "id", "")))
        first = self.type_of(node.args[0]) if node.args else None
        if first:
            how = [j for j in joined if "join" in j or j.endswith("load")] or ["select"]
            self._look(min(how), ", ".join(sorted(labels)), first.label, sorted(labels), node.lineno)

    def _look(self, by: str, path: str, label: str, reached: Iterable[str], line: int) -> None:
        others = [m for m in dict.fromkeys(reached) if m != label]
        for other in others:
            self._touch(other)
        if others:
            at = self._source.places.shown(self._module.path, line)
            self.lookups.append(
                {"path": path, "by": by, "function": self.key, "model": label, "models": others, "at": at}
            )

    def _touch(self, label: str) -> None:
        for scope in self._scopes:
            scope.models.add(label)

    def _call_of(self, call: tuple[str, ...]) -> None:
        for scope in self._scopes:
            scope.calls.add(call)

    def _do(self, what: str) -> None:
        self.does.setdefault(what)


# --- all of it ----------------------------------------------------------------------------------------------------


def snapshot(orm: Any, places: Places) -> dict[str, Any]:
    """The whole. Raises IntrospectionError."""
    classes = {orm.label(c): c for c in orm.classes()}
    own = [label for label, c in sorted(classes.items()) if places.own_module(c.__module__)]
    if not own:
        packages = sorted({c.__module__.split(".")[0] for c in classes.values()})
        raise IntrospectionError(
            "models",
            f"none of the {len(classes)} models is the monolith's own",
            "name their package with --package" + (" (there are: {})".format(", ".join(packages)) if packages else ""),
        )
    known = {label: orm.model(classes[label]) for label in own}
    for label in sorted({r["to"] for m in known.values() for r in m["relations"] if r.get("to")} - set(known)):
        if label in classes:
            known[label] = orm.model(classes[label])
    models = [
        {
            "name": label,
            "own": label in own,
            "at": place_of(places, classes[label]) if label in own else "",
            **known[label],
        }
        for label in sorted(known)
    ]
    source = Source(orm, places, models, {m["name"]: classes[m["name"]] for m in models})
    source.receivers = sorted(orm.receivers({id(c): label for label, c in classes.items()}), key=_order)
    source.receivers += events(source) if orm.name == "sqlalchemy" else []
    source.senders = {r["function"]: r["sender"] for r in source.receivers if r["sender"] in known}
    for model in models:
        if model["own"]:
            model["properties"] = properties(orm, source, model, classes[model["name"]])
            model["methods"] = methods(source, model, classes[model["name"]])
    return dict(
        orm.facts(),
        snapshot=FORMAT,
        orm=orm.name,
        versions=dict(orm.versions(), python="{}.{}".format(*sys.version_info[:2])),
        models=models,
        **about_modules(source),
        receivers=[dict(r, models=_own(source, r)) for r in source.receivers],
        problems=source.problems,
    )


def properties(orm: Any, source: Source, model: dict[str, Any], cls: Any) -> list[dict[str, Any]]:
    """The properties of a model, with what each looks at."""
    found = []
    for name, (kind, getter, setter) in sorted(orm.properties(cls).items()):
        function = source.functions.get(dotted(inspect.unwrap(getter))) if getter is not None else None
        reads = sorted(source.walk(function, model["name"]).reads) if function else []
        at = place_of(source.places, getter) if getter is not None else ""
        found.append({"name": name, "kind": kind, "settable": setter is not None, "reads": reads, "at": at})
    return found


_ORM_CALLS = {"save", "delete", "asave", "adelete", "save_base", "full_clean", "clean", "clean_fields"}


def methods(source: Source, model: dict[str, Any], cls: Any) -> list[dict[str, Any]]:
    """The methods that change something, and those that the ORM itself calls, first in the order of resolution."""
    walks: dict[str, tuple[Function, Walk]] = {}
    accessors = source.orm.properties(cls)
    hidden = {*accessors, *(getattr(setter, "__name__", "") for _, _, setter in accessors.values())}
    for k in cls.__mro__:
        for function in source.methods_of_class.get(dotted(k), ()):
            name = function.node.name
            if name not in hidden and not (name.startswith("__") and name.endswith("__")):
                walks[name] = (function, source.walk(function, model["name"]))
        hidden.update(vars(k))
    does = {name: list(walk.does) for name, (_, walk) in walks.items()}
    changing = {name for name, what in does.items() if what}
    while True:
        more = {n: sorted(_called_here(walks[n][1], model["name"]) & changing - {n}) for n in set(walks) - changing}
        if not any(more.values()):
            break
        changing.update(name for name, called in more.items() if called)
        does.update({name: ["calls " + c for c in called] for name, called in more.items() if called})
    found = []
    for name, (function, _) in sorted(walks.items()):
        overrides = name in _ORM_CALLS and source.orm.name == "django"
        if does[name] or overrides:
            at = source.places.shown(function.module.path, function.node.lineno)
            found.append({"name": name, "does": does[name], "overrides": overrides, "at": at})
    return found


def _called_here(walk: Walk, label: str) -> set[str]:
    """The model's own methods that one of them calls."""
    return {call[2] for call in walk.scope.calls if call[:2] == ("method", label)}


def about_modules(source: Source) -> dict[str, Any]:
    """Which modules, transactions and lookups name which models."""
    modules: list[dict[str, Any]] = []
    transactions: list[dict[str, Any]] = []
    lookups: dict[str, dict[str, Any]] = {}
    for module in source.modules:
        walks = list(source.everything(module))
        touched = {label for walk in walks for label in walk.scope.models if source.is_own(label)}
        if touched:
            at = source.places.shown(module.path, 1)
            modules.append({"name": module.name, "models": sorted(touched), "at": at})
        seen = set()
        for walk in walks:
            for kind, line, scope in walk.transactions:
                if (walk.key, line) not in seen:
                    seen.add((walk.key, line))
                    at = source.places.shown(module.path, line)
                    reached = sorted(m for m in source.reached(scope) if source.is_own(m))
                    if reached:
                        transactions.append({"function": walk.key, "kind": kind, "models": reached, "at": at})
            for lookup in walk.lookups:
                lookups.setdefault(json.dumps(dict(lookup, at=""), sort_keys=True), lookup)
    return {
        "modules": sorted(modules, key=_order),
        "transactions": sorted(transactions, key=_order),
        "lookups": sorted(lookups.values(), key=_order),
    }


def _own(source: Source, receiver: dict[str, Any]) -> list[str]:
    """The models that a receiver touches, with what it calls."""
    function = source.functions.get(receiver["function"])
    reached = source.reached(source.walk(function).scope) if function else set()
    return sorted(m for m in reached if source.is_own(m))


def events(source: Source) -> list[dict[str, Any]]:
    """``@event.listens_for(Order, "after_insert")``, ``event.listen(…)`` and ``@validates("quantity")`` in the source."""
    found = []
    for module in source.modules:
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            around: Any = node.parent  # type: ignore[attr-defined]
            decorated = isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in around.decorator_list
            words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            at = source.places.shown(module.path, node.lineno)
            if name == "listens_for" and decorated and len(node.args) > 1 and words:
                sender = source.label(module, _attribute_names(node.args[0])) or ""
                function = f"{module.name}.{around.name}"
                found.append({"signal": words[0], "function": function, "sender": sender, "at": at})
            elif name == "listen" and len(node.args) > 2 and words:
                sender = source.label(module, _attribute_names(node.args[0])) or ""
                function = source.resolve(module, _attribute_names(node.args[2])) or module.name
                found.append({"signal": words[0], "function": function, "sender": sender, "at": at})
            elif name == "validates" and decorated and isinstance(around.parent, ast.ClassDef):
                owner = f"{module.name}.{around.parent.name}"
                for label in source.labels_of(owner):
                    function = f"{owner}.{around.name}"
                    found += [
                        {"signal": "validates " + w, "function": function, "sender": label, "at": at} for w in words
                    ]
    return sorted(found, key=_order)


def _order(value: dict[str, Any]) -> tuple[str, int, str]:
    """By place, then by the rest."""
    path, _, line = value["at"].rpartition(":")
    return path, int(line or 0), json.dumps(value, sort_keys=True)


# --- on paper -----------------------------------------------------------------------------------------------------


def written(value: dict[str, Any]) -> str:
    """The snapshot as text: sorted, a line for each thing that somebody may look for, nothing that is as always."""
    return _text(_said(value), 0) + "\n"


def _said(value: Any) -> Any:
    """A value without what an absent key stands for."""
    if isinstance(value, dict):
        return {k: _said(v) for k, v in value.items() if _worth_saying(k, v)}
    return [_said(v) for v in value] if isinstance(value, (list, tuple)) else value


def _text(value: Any, depth: int) -> str:
    """JSON in which an object has a line of its own, and several where it holds lists of objects."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not any(map(_is_list_of_objects, (value, *inner))):
        return json.dumps(value)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{pad}{json.dumps(k)}: {_text(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + _text(v, depth + 1) for v in value) + "\n" + " " * depth + "]"


def _worth_saying(key: str, value: Any) -> bool:
    """Whether a value is another than the one that an absent key stands for."""
    if key in ("aware", "managed", "value"):
        return value is not {"aware": None, "managed": True}.get(key, ...)
    return value is not None and value is not False and value not in ("", [], {})


def _is_list_of_objects(value: Any) -> bool:
    """A column's choices excepted: they belong to its line."""
    return isinstance(value, list) and any(isinstance(v, dict) and "value" not in v for v in value)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="introspect.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--orm", choices=["django", "sqlalchemy"], required=True)
    parser.add_argument(
        "--settings", default=os.environ.get("DJANGO_SETTINGS_MODULE", ""), help="Django: shop.settings"
    )
    parser.add_argument("--app", default="", help='SQLAlchemy: "shop:create_app()"')
    parser.add_argument("--import", dest="imports", action="append", default=[], help="SQLAlchemy: a further module")
    parser.add_argument("--package", dest="packages", action="append", default=[], help="the monolith's, if installed")
    parser.add_argument("--path", dest="paths", action="append", default=[], help="a folder to import from")
    parser.add_argument("--connect", action="store_true", help="allow the monolith to connect to databases")
    options = parser.parse_args(list(words))
    needed = "settings" if options.orm == "django" else "app"
    if not getattr(options, needed):
        parser.error(f"--{needed} is needed with --orm {options.orm}")
    return options


def main(words: Sequence[str]) -> int:
    """Introspect, and print; 2 where that is not possible."""
    options = arguments(words)
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    folder = os.getcwd()
    sys.path[:0] = [os.path.abspath(p) for p in (*options.paths, folder)]
    places = Places(folder, options.packages)
    orm = (Django if options.orm == "django" else SqlAlchemy)(options, places)
    # What the monolith prints while it starts is no part of the snapshot.
    out, sys.stdout = sys.stdout, sys.stderr
    try:
        found = run(orm, places)
    finally:
        sys.stdout = out
    sys.stdout.write(written(found))
    sys.stdout.flush()
    return 2 if "models" not in found else 0


def run(orm: Any, places: Places) -> dict[str, Any]:
    """The snapshot, or the problem that there is instead of one."""
    try:
        start(orm, places)
        return snapshot(orm, places)
    except IntrospectionError as failed:
        problem = failed.problem
    sys.stderr.write("{at}: {message}\n  help: {remedy}\n".format(**problem))
    return {"snapshot": FORMAT, "orm": orm.name, "problems": [problem]}


def start(orm: Any, places: Places) -> None:
    """Start the monolith. Raises IntrospectionError, whatever it is that the monolith raises."""
    try:
        orm.start()
    except IntrospectionError:
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise IntrospectionError(
            "import",
            "the monolith does not start: {}: {}".format(type(error).__name__, " ".join(str(error).split())),
            "make it start in this interpreter, with the variables that it needs; `--connect` if it asks a database",
            blame(places, error),
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
