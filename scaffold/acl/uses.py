"""Who in a monolith still needs a layer, or the models behind it: by file and line.

A use is an import, an attribute of an imported module, or a text that the ORM takes for a model, by the ORM's own rules.
What only a running program knows is not seen: a name that is put together, an attribute of an object (``order.lines``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from scaffold.acl.snapshot import Model, Snapshot
    from scaffold.acl.source import Import, Source, Sources, Text, Unread

# Where migrations are: what they name is what once was.
_HISTORY = {"django": "migrations", "sqlalchemy": "versions"}


@dataclass(frozen=True)
class Use:
    """A line that needs something of what is to go: ``what`` is the layer's package, or a model."""

    what: str
    where: Location


@dataclass(frozen=True)
class Gap:
    """A file that could not be read, and why. ``silent``: none of the names is in it."""

    where: Location
    why: str
    silent: bool


@dataclass(frozen=True)
class Found:
    """``uses`` stand in the way; ``history`` are migrations that name a model, which stay as they are.

    ``is_home``: a module of the models is there, or could not be read. Otherwise it may be the wrong folder.
    """

    uses: tuple[Use, ...] = ()
    history: tuple[Use, ...] = ()
    gaps: tuple[Gap, ...] = ()
    is_home: bool = True


def find(
    sources: Sources,
    package: str,
    models: Sequence[Model],
    snapshot: Snapshot,
    apart: Iterable[Path] = (),
    shown: Callable[[Path], str] = str,
) -> Found:
    """What in a monolith needs a layer's package, or models of its snapshot.

    Folders ``apart`` are left out: the layer itself may be held by the monolith. ``shown`` is how a path is written.
    """
    away = [path.resolve() for path in apart]
    files = [s for s in sources.files if not any(s.path.resolve().is_relative_to(other) for other in away)]
    search = _Search(files, package, models, snapshot)
    uses: list[Use] = []
    history: list[Use] = []
    for source in files:
        path = shown(source.path)
        is_history = source.path.parent.name == _HISTORY[snapshot.orm]
        uses += [Use(what, Location(path, line)) for line, what in search.by_code(source)]
        texts = [Use(what, Location(path, line)) for line, what in search.by_text(source)]
        (history if is_history else uses).extend(texts)
    words = re.compile("|".join(rf"\b{re.escape(w)}\b" for w in search.words).encode(), re.IGNORECASE)
    unread = [u for u in sources.unread if not any(u.path.resolve().is_relative_to(other) for other in away)]
    gaps = tuple(Gap(Location(shown(u.path), u.line), u.why, _is_silent(u, words)) for u in unread)
    modules = {model.module for model in models}
    is_home = any(modules & source.names for source in files) or not all(gap.silent for gap in gaps)
    return Found(_sorted(uses), _sorted(history), gaps, is_home)


def in_snapshot(package: str, names: Sequence[str], snapshot: Snapshot) -> Found:
    """The modules that named models when the snapshot was taken, but those of the layer."""
    return Found(
        tuple(
            Use(model, module.at)
            for module in snapshot.modules
            for model in module.models
            if model in names
            and module.name != snapshot.model_by_name[model].module
            and not f"{module.name}.".startswith(f"{package}.")
        )
    )


def _sorted(found: Iterable[Use]) -> tuple[Use, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda use: (use.where, use.what)))


def _is_silent(unread: Unread, words: re.Pattern[bytes]) -> bool:
    """Whether none of the words is in a file; in one that nobody can open, nobody knows."""
    # Without the zeros, text of two bytes a letter can be searched, too.
    return unread.content is not None and not words.search(unread.content.replace(b"\0", b""))


class _Search:
    """Knows what names lead to: through packages that import what they offer, however often."""

    def __init__(self, files: Sequence[Source], package: str, models: Sequence[Model], snapshot: Snapshot) -> None:
        self._files = files
        self._package = package
        self._models = models
        self._orm = snapshot.orm
        self._by_module = _grouped((model.module, model.name) for model in models)
        self._by_label = {(model.app, _last(model.name).lower()): model.name for model in models}
        self._apps = _grouped((root, model.app) for model in snapshot.models for root in _roots(model))
        self._goes: dict[Path, list[tuple[int, int]]] = {}
        self._offers: dict[str, dict[str, set[str]]] = {}
        for model in models:
            module, _, name = f"{model.module}.{model.class_name}".rpartition(".")
            self._offer(module, {name: {model.name}})
        self._follow([(name, found) for source in files for name in source.names for found in source.imports])

    @property
    def words(self) -> set[str]:
        """What a file has to mention to be of interest."""
        return {self._package, *(m.module for m in self._models), *(_last(m.class_name) for m in self._models)}

    # --- what a name leads to -----------------------------------------------------------------------------------------

    def _is_layer(self, dotted: str) -> bool:
        return dotted == self._package or dotted.startswith(f"{self._package}.")

    def _offer(self, module: str, names: dict[str, set[str]]) -> bool:
        """Note that a module has names of models; whether that is new."""
        known = self._offers.setdefault(module, {})
        new = [(name, what) for name, what in names.items() if not what <= known.get(name, set())]
        for name, what in new:
            known[name] = known.get(name, set()) | what
        return bool(new)

    def _follow(self, imports: Sequence[tuple[str, Import]]) -> None:
        """Note what modules offer because they import it, until no more is found; each import with its module's name."""
        is_more = True
        while is_more:
            is_more = False
            for module, found in imports:
                for target in found.bound:
                    if found.name == "*":
                        is_more |= self._offer(module, dict(self._offers.get(target, {})))
                        continue
                    if target in self._offers:
                        is_more |= self._offer(f"{module}.{found.name}", dict(self._offers[target]))
                    if what := self._leads_to(target):
                        is_more |= self._offer(module, {found.name: what})

    def _leads_to(self, dotted: str) -> set[str]:
        """The models that a dotted name is, or is an attribute of."""
        parts = dotted.split(".")
        known = (self._offers.get(".".join(parts[:n]), {}).get(parts[n], ()) for n in range(1, len(parts)))
        return {what for found in known for what in found}

    def _all_of(self, module: str) -> set[str]:
        """The models that ``import *`` brings from a module."""
        return {what for found in self._offers.get(module, {}).values() for what in found}

    # --- imports and attributes ---------------------------------------------------------------------------------------

    def by_code(self, source: Source) -> Iterator[tuple[int, str]]:
        """Lines that need something by an import, or by what an import has brought."""
        return self._counted(source, self._by_imports(source))

    def _counted(self, source: Source, found: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        """What is found, but for what models that leave need of one another. The layer leaves before they do."""
        leaving = self._leaving(source)
        return ((line, what) for line, what in found if what == self._package or not _inside(line, leaving))

    def _by_imports(self, source: Source) -> Iterator[tuple[int, str]]:
        leaving = self._leaving(source)
        modules: list[Import] = []
        for found in source.imports:
            whats = self._imported(found)
            if not whats:
                modules.append(found)
            elif self._package in whats or not _is_only_inside(found, source, leaving):
                yield from ((found.line, what) for what in whats)
        yield from self._through(source, modules)
        yield from self._beside(source)

    def _imported(self, found: Import) -> set[str]:
        whats: set[str] = set()
        for target in found.targets:
            if self._is_layer(target):
                whats.add(self._package)
            whats |= self._all_of(target) if found.name == "*" else self._leads_to(target)
        return whats

    def _through(self, source: Source, modules: Sequence[Import]) -> Iterator[tuple[int, str]]:
        """Attributes of imported modules; and where a module with models is handed on as a whole, or never looked into."""
        for found in modules:
            reads = [
                (read.line, ".".join((bound, *read.attributes)))
                for read in source.reads
                if read.name == found.name
                for bound in found.bound
            ]
            for line, dotted in reads:
                yield from ((line, what) for what in (*self._leads_to(dotted), *self._by_module.get(dotted, ())))
            for target in found.targets:
                is_looked_into = any(f"{dotted}.".startswith(f"{target}.") for _, dotted in reads)
                if not is_looked_into:
                    yield from ((found.line, what) for what in self._by_module.get(target, ()))

    def _beside(self, source: Source) -> Iterator[tuple[int, str]]:
        """What stands in the module of the models itself, and needs no import."""
        here = [model for model in self._models if model.module in source.names]
        for read in source.reads:
            for model in here:
                if read.name == _last(model.class_name):
                    yield read.line, model.name

    def _leaving(self, source: Source) -> list[tuple[int, int]]:
        """The lines of the models' own classes, and of what is there for these alone: they go, whatever they need."""
        if source.path not in self._goes:
            names = {_last(model.class_name) for model in self._models if model.module in source.names}
            spans = [(first, last) for name, first, last in source.definitions if name in names]
            wanted = self._wanted_from(source) if spans else set()
            inside = [d for d in source.definitions if spans and d[0] not in wanted]
            while more := [
                (first, last) for name, first, last in inside if _goes_along(name, first, last, source, spans)
            ]:
                spans += more
            self._goes[source.path] = spans
        return self._goes[source.path]

    def _wanted_from(self, source: Source) -> set[str]:
        """Names that other files import, or take from a module: more than are this file's."""
        others = [other for other in self._files if other is not source]
        targets = {_last(target) for other in others for i in other.imports for target in i.targets}
        return targets | {name for other in others for read in other.reads for name in read.attributes}

    # --- texts --------------------------------------------------------------------------------------------------------

    def by_text(self, source: Source) -> Iterator[tuple[int, str]]:
        """Lines with a text that names something: a dotted path, or what the ORM takes for a model."""
        apps = {app for name in source.names for app in self._apps_of(name)}
        found = ((text.line, what) for text in source.texts for what in self._said(text, apps))
        return self._counted(source, found)

    def _said(self, text: Text, apps: set[str]) -> Iterator[str]:
        yield from self._django(text, apps) if self._orm == "django" else self._sqlalchemy(text)
        yield from self._path(text)

    def _path(self, text: Text) -> Iterator[str]:
        if text.kind != "plain":
            return
        dotted = text.text.replace(":", ".")
        if self._is_layer(dotted):
            yield self._package
        yield from self._leads_to(dotted)
        yield from self._by_module.get(dotted, ())

    def _django(self, text: Text, apps: set[str]) -> Iterator[str]:
        """``app.Model``: the app as it is written, the model in any case; ``Model`` alone is of the app of the file.

        As ``apps.get_model`` and ``make_model_tuple`` of Django read it (django/apps/registry.py, django/db/models/utils.py).
        """
        app, dot, model = text.text.rpartition(".")
        if dot and text.kind in ("plain", "pair") and (app, model.lower()) in self._by_label:
            yield self._by_label[app, model.lower()]
        if not dot and text.kind == "relation":
            yield from (self._by_label[a, model.lower()] for a in apps if (a, model.lower()) in self._by_label)

    def _sqlalchemy(self, text: Text) -> Iterator[str]:
        """A class in a relationship, which is Python over the names of classes; a table in a foreign key."""
        for model in self._models:
            if text.kind == "mapped" and re.search(rf"(?<!\w){re.escape(_last(model.class_name))}(?!\w)", text.text):
                yield model.name
            if text.kind == "column" and model.table and text.text.rpartition(".")[0] == model.table:
                yield model.name

    def _apps_of(self, module: str) -> set[str]:
        """Django's own rule: the app whose package is the nearest one around a module."""
        parts = module.split(".")
        prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return next((self._apps[prefix] for prefix in prefixes if prefix in self._apps), set())


def _roots(model: Model) -> tuple[str, ...]:
    """The module of a model, and the package of its app: models are in its ``models``."""
    package, found, _ = f"{model.module}.".partition(".models.")
    return (model.module, package) if found else (model.module,)


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for key, value in pairs:
        found.setdefault(key, set()).add(value)
    return found


def _last(dotted: str) -> str:
    return dotted.rpartition(".")[2]


def _inside(line: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first <= line <= last for first, last in spans)


def _goes_along(name: str, first: int, last: int, source: Source, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a definition that is not yet among some lines is read there, or in itself, and nowhere else in its module."""
    lines = [read.line for read in source.reads if read.name == name and not first <= read.line <= last]
    return (first, last) not in spans and bool(lines) and all(_inside(line, spans) for line in lines)


def _is_only_inside(found: Import, source: Source, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether what a line brings is read inside of some lines, and nowhere else."""
    lines = [read.line for read in source.reads if read.name == found.name] if spans else []
    return bool(lines) and all(_inside(line, spans) for line in lines)
