"""What the Python files of a folder say by name: what they import, which names they read, texts that may be names.

Source is read, never run. A file that cannot be read is not left out silently: it is among ``unread``, with the reason.
"""

from __future__ import annotations

import ast
import os
import re
import stat
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaffold.core.diagnostics import Location

# Folders with code of others, or with none; a virtual environment is known by its file.
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
_ENVIRONMENT = "pyvenv.cfg"
# What setuptools makes beside the packages. Below them, a package may have such a name.
_BUILT = frozenset({"build", "dist"})
_INIT = "__init__.py"

# Calls whose texts are the names of models, by how they end: ``ForeignKey``, ``ParentalManyToManyField``, ``GenericRelation``.
_RELATIONS = ("Key", "Field", "Relation")
_RELATION_WORDS = ("to", "through")
# SQLAlchemy's own: texts in them are Python over classes, but for those that name an attribute of the other side.
_RELATIONSHIPS = frozenset({"relationship", "relation", "dynamic_loader"})
_ATTRIBUTES = frozenset({"back_populates", "backref", "lazy", "cascade"})
_MAPPED = frozenset({"Mapped", "DynamicMapped", "WriteOnlyMapped"})
_TABLE_KEYS = frozenset({"ForeignKey", "ForeignKeyConstraint"})
# What a text has to look like to name something: ``shop.models:Line`` too, as entry points have it.
_NAME = re.compile(r"[^\W\d]\w*([.:]\w+)*")
# Django's content types and registry take an app and a model as two texts.
_PAIR_WORDS = ("app_label", "model_name", "model")


@dataclass(frozen=True)
class Import:
    """A name that a line binds. ``targets`` are what is imported: several where nobody can say which is the root.

    ``name`` is the name that is bound (``*`` for all there are), ``bound`` what it stands for: ``import a.b`` binds ``a``.
    """

    line: int
    targets: tuple[str, ...]
    name: str
    bound: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """A name that is read, with the attributes behind it: ``models.Line.objects``."""

    line: int
    name: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Text:
    """A text that may be a name, by where it stands.

    ``plain`` anywhere; ``pair`` two texts side by side, as ``app.model``; ``relation`` in a field of Django's, ``mapped`` in a
    relationship of SQLAlchemy's or in an annotation of one, ``column`` in a foreign key of a table.
    """

    line: int
    kind: str
    text: str


@dataclass
class Source:
    """A file. ``names`` are the dotted names that it can be imported by.

    ``definitions`` are its classes, and the functions of the module: each with its first and last line.
    """

    path: Path
    names: frozenset[str]
    imports: list[Import] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    definitions: list[tuple[str, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Unread:
    """A file or folder that could not be read; ``content`` is what is in it, None where not even that is known."""

    path: Path
    why: str
    line: int = 0
    content: bytes | None = None


@dataclass(frozen=True)
class Sources:
    """What a folder has."""

    files: tuple[Source, ...]
    unread: tuple[Unread, ...]


def read(folder: Path) -> Sources:
    """Every Python file of a folder, and which of them could not be read. Links to folders are followed, once each."""
    folder = folder.resolve()
    names = _Names(folder)
    unread: list[Unread] = []
    found = [_source(path, names) for path in _paths(folder, unread)]
    unread += [each for each in found if isinstance(each, Unread)]
    return Sources(tuple(each for each in found if isinstance(each, Source)), tuple(unread))


def problems(folder: Path, named: str, where: Location | None, remedy: str) -> tuple[Diagnostic, ...]:
    """Why there is nothing to search in a folder, if there is nothing; ``named`` is what somebody called it, ``where``."""
    if folder.is_dir() and next(_paths(folder, []), None) is not None:
        return ()
    why = "there is no Python file in it" if folder.is_dir() else "there is no such folder"
    return (Diagnostic("monolith-not-found", f'the monolith is not at "{named}": {why}', where, remedy),)


def _paths(folder: Path, unread: list[Unread]) -> Iterator[Path]:
    """The paths of Python files, in order; folders that cannot be looked into are added to ``unread``."""

    def missed(error: OSError) -> None:
        unread.append(Unread(Path(error.filename), _reason(error)))

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, onerror=missed, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if _worth_reading(Path(parent, f), is_top=Path(parent) == folder))
        for name in sorted(names):
            path = Path(parent, name)
            try:
                if not name.startswith(".") and _is_python(path):
                    yield path
            except FileNotFoundError:
                continue  # a link that leads nowhere: nobody can import it either
            except OSError as error:
                unread.append(Unread(path, _reason(error)))


def _worth_reading(folder: Path, *, is_top: bool) -> bool:
    name = folder.name
    if name in _SKIPPED or name.startswith(".") or (folder / _ENVIRONMENT).is_file():
        return False
    return not (is_top and name in _BUILT and not (folder / _INIT).exists())


def _is_python(path: Path) -> bool:
    """Whether a file is a module, or a program whose first line calls Python. Raises OSError."""
    if path.suffix not in ("", ".py") or not stat.S_ISREG(path.stat().st_mode):
        return False
    if path.suffix:
        return True
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and b"python" in first


def _source(path: Path, names: _Names) -> Source | Unread:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Unread(path, _reason(error))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the monolith's own texts: an escape that is none
            tree = ast.parse(content, str(path))
    except SyntaxError as error:
        return Unread(path, f"it is no Python that Python {_VERSION} knows: {error.msg}", error.lineno or 0, content)
    except (ValueError, RecursionError, MemoryError) as error:
        return Unread(path, str(error) or "it is nested too deeply", 0, content)
    source = Source(path, frozenset(".".join(name) for name in names.of_file(path)))
    _Reader(source, names).read(tree)
    bound = {found.name for found in source.imports} | {name for name, _, _ in source.definitions}
    source.reads = [found for found in source.reads if found.name in bound]
    return source


_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


class _Names:
    """By which dotted names files can be imported.

    A folder with ``__init__.py`` is a package, and one around it too. Above the last of them is what is on the import path:
    that folder, or one further up, since a folder without the file is a package as well (PEP 420). The ``top``, where the
    monolith is started, may always be.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._known: dict[Path, tuple[tuple[str, ...], ...]] = {}

    def of_file(self, path: Path) -> Iterator[tuple[str, ...]]:
        """The names of a module."""
        for package in self.of_folder(path.parent):
            name = (*package, path.stem) if path.name != _INIT else package
            if name:
                yield name

    def of_folder(self, folder: Path) -> tuple[tuple[str, ...], ...]:
        """The names of a package; the empty one where the folder may be on the import path itself."""
        if folder not in self._known:
            above = self.of_folder(folder.parent) if folder.name.isidentifier() else ()
            below = tuple((*name, folder.name) for name in above)
            is_only_below = below and folder != self._top and (folder / _INIT).is_file()
            self._known[folder] = below if is_only_below else ((), *below)
        return self._known[folder]


class _Reader:
    """Takes from a syntax tree what names something. It does not recurse: long sums of texts are nested deeply."""

    def __init__(self, source: Source, names: _Names) -> None:
        self._source = source
        self._names = names

    def read(self, tree: ast.Module) -> None:
        """Fill the source."""
        todo: list[ast.AST] = [tree]
        for function in tree.body:
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                self._definition(function)
        while todo:
            node = todo.pop()
            match node:
                case ast.Attribute():
                    if (rest := self._chain(node)) is not None:
                        todo.append(rest)
                    continue
                case ast.Name():
                    self._source.reads.append(Read(node.lineno, node.id, ()))
                case ast.Import():
                    self._import(node)
                case ast.ImportFrom():
                    self._import_from(node)
                case ast.ClassDef():
                    self._definition(node)
                case ast.Constant(value=str()):
                    self._text(node, "plain")
                case ast.Call():
                    self._call(node)
                case ast.Tuple() | ast.List():
                    self._pairs(node.elts if len(node.elts) == 2 else [])
                case ast.Subscript():
                    self._annotation(node)
            todo += ast.iter_child_nodes(node)

    def _chain(self, node: ast.Attribute) -> ast.AST | None:
        """Note a name with its attributes; what is not one is given back, to be looked into."""
        attributes: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            attributes.append(value.attr)
            value = value.value
        if not isinstance(value, ast.Name):
            return value
        self._source.reads.append(Read(node.lineno, value.id, tuple(reversed(attributes))))
        return None

    def _definition(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        self._source.definitions.append((node.name, first, node.end_lineno or first))

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            bound = alias.name if alias.asname else top
            self._source.imports.append(Import(node.lineno, (alias.name,), alias.asname or top, (bound,)))

    def _import_from(self, node: ast.ImportFrom) -> None:
        modules = self._modules(node)
        for alias in node.names:
            names = modules if alias.name == "*" else tuple(f"{m}.{alias.name}" if m else alias.name for m in modules)
            self._source.imports.append(Import(alias.lineno, names, alias.asname or alias.name, names))

    def _modules(self, node: ast.ImportFrom) -> tuple[str, ...]:
        """The module that is imported from. Dots go up from the folder of the file."""
        if not node.level:
            return (node.module or "",)
        folder = self._source.path.parent
        for _ in range(node.level - 1):
            folder = folder.parent
        below = (node.module,) if node.module else ()
        return tuple(".".join((*name, *below)) for name in self._names.of_folder(folder))

    def _call(self, node: ast.Call) -> None:
        function = _last(node.func)
        words = {word.arg: word.value for word in node.keywords if word.arg}
        self._pairs([*node.args, *(words[w] for w in _PAIR_WORDS if w in words)])
        if function.endswith(_RELATIONS):
            for value in (*node.args[:1], *(words[w] for w in _RELATION_WORDS if w in words)):
                self._text(value, "relation")
        if function in _RELATIONSHIPS:
            for value in (*node.args, *(v for w, v in words.items() if w not in _ATTRIBUTES)):
                self._text(value, "mapped")
        if function in _TABLE_KEYS:
            for value in (*node.args, *words.values()):
                for each in value.elts if isinstance(value, ast.List | ast.Tuple) else (value,):
                    self._text(each, "column")

    def _annotation(self, node: ast.Subscript) -> None:
        if _last(node.value) in _MAPPED:
            for each in ast.walk(node.slice):
                self._text(each, "mapped")

    def _pairs(self, values: list[ast.expr]) -> None:
        texts = [v.value if isinstance(v, ast.Constant) and isinstance(v.value, str) else "" for v in values]
        for value, one, other in zip(values, texts, texts[1:], strict=False):
            if one.isidentifier() and other.isidentifier():
                self._source.texts.append(Text(value.lineno, "pair", f"{one}.{other}"))

    def _text(self, node: ast.AST, kind: str) -> None:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return
        if kind == "mapped" or _NAME.fullmatch(node.value):
            self._source.texts.append(Text(node.lineno, kind, node.value))


def _last(node: ast.expr) -> str:
    """The last part of a name: what is called."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
