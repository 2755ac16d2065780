"""Source text → the names it uses, by line. Syntax only: nothing is imported, no type is known.

What cannot be seen this way is missing, so whoever prints lines says "at least". Imports are followed within the file,
also under another name, through relative ones and stars; a parameter or a variable that hides an import is respected.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scaffold.core import markers
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

How = Literal["import", "name", "attribute", "keyword", "def", "text", "mapping"]

# What makes a translator of a layer: gen/translation.py of its package.
_TRANSLATOR = ".gen.translation.translator"

_DOTTED = re.compile(r"[A-Za-z_]\w{0,199}(\.[A-Za-z_]\w{0,199}){0,19}\Z")
_NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True)
class Use:
    """One name that stands in a line.

    ``name`` is dotted. Where it begins with something imported or defined at the top of the file it is absolute
    (``cart.gen.api.Item``); else it begins with a dot and has the attributes only: ``context.app.cart.get_cart`` is
    ``.app.cart.get_cart``. A ``keyword`` is an argument's name after what is called (``cart.gen.api.Item.quantity``,
    or ``.quantity``), a ``def`` a function after its module, its class's base or its class, a ``text`` a string that could
    be a name. A ``mapping`` is a type that a layer's translator makes (``cart_acl.gen.port.Item``), or a field of it that
    this says something of. ``at_import`` says that the line is carried out when the module is imported.
    """

    line: int
    name: str
    how: How
    at_import: bool = False


@dataclass(frozen=True)
class Source:
    """A file of the user's: its lines, and the names that it uses, in the order of the lines."""

    path: str
    lines: tuple[str, ...]
    uses: tuple[Use, ...]

    @property
    def length(self) -> int:
        """How many lines there are; what follows the end of the last one is none."""
        return len(self.lines) - (not self.lines[-1])

    def says(self, line: int, *words: str) -> bool:
        """Whether a line has one of the words in it, as it stands there."""
        return any(re.search(rf"\b{re.escape(word)}\b", self.text(line)) for word in words)

    def text(self, line: int) -> str:
        """A line without its indentation; lines count from 1."""
        return self.lines[line - 1].strip() if line <= len(self.lines) else ""


@dataclass(frozen=True)
class Vocabulary:
    """What a component's Python names stand for.

    ``names`` are messages, enums and values of enums, by the dotted names that they are imported by
    (``checkout.gen.clients.cart.Item`` is ``shop.cart.v1.Item``). ``clients`` are the RPCs of each used component by
    the name of the client's method, ``classes`` the components by the dotted names of their clients' classes,
    ``modules`` the proto packages by the dotted names of the modules that have their messages.
    """

    names: Mapping[str, str]
    clients: Mapping[str, Mapping[str, str]]
    classes: Mapping[str, str]
    modules: Mapping[str, str]


def problem(path: str, content: bytes) -> Diagnostic | None:
    """Why a file is no Python, or None."""
    try:
        _parse(path, content)
    except _NOT_PYTHON as error:
        return _not_python(path, content, error)
    return None


def _parse(path: str, content: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a strange escape in somebody's string is not our matter
        return ast.parse(content, path)


def read(path: str, content: bytes, module: str = "") -> Source:
    """Read a Python file; ``module`` is the dotted name that it is imported by (``cart.handlers.get_cart``).

    Raises ScaffoldError where it is no Python.
    """
    try:
        tree = _parse(path, content)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        lines = tuple(io.TextIOWrapper(io.BytesIO(content), encoding).read().split("\n"))
        reader = _Reader(module, is_package=path.endswith("/__init__.py"))
        reader.visit(tree)
    except _NOT_PYTHON as error:
        raise ScaffoldError(_not_python(path, content, error)) from None
    return Source(path, lines, tuple(sorted(reader.uses, key=lambda use: use.line)))


def _not_python(path: str, content: bytes, error: Exception) -> Diagnostic:
    """Why a file could not be read, with the place: a merge that was not finished has a remedy of its own."""
    if marker := markers.conflict(path, content.decode(errors="replace")):
        return marker
    where, reason = Location(path), str(error) or type(error).__name__
    if isinstance(error, SyntaxError):
        where, reason = Location(path, error.lineno or 0, max(error.offset or 0, 0)), error.msg
    return Diagnostic(
        "not-python",
        f"it is no Python: {reason}",
        where,
        "mend it, or move the file away; nothing is planned on what cannot be read",
    )


class _Reader(ast.NodeVisitor):
    """Walks the tree with the names that are bound around each place."""

    def __init__(self, module: str, *, is_package: bool) -> None:
        self._module = module
        self._package = module if is_package else module.rpartition(".")[0]
        self._scopes: list[dict[str, str]] = [{}]  # local name → absolute name; empty: hides what is further out
        self._stars: list[str] = []
        self._deferred = 0  # how many functions, and blocks for type checkers, are around
        self._lazy_annotations = False
        self._bases: list[str] = []
        self.uses: list[Use] = []

    # Imports.

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.lineno, alias.name, "import")
            self._scopes[-1][alias.asname or alias.name.partition(".")[0]] = (
                alias.name if alias.asname else alias.name.partition(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._absolute(node.module or "", node.level)
        for alias in node.names:
            if base == "__future__":
                self._lazy_annotations |= alias.name == "annotations"
            elif alias.name == "*":
                self._stars.append(base)
                self._add(alias.lineno, base, "import")
            else:
                self._add(alias.lineno, f"{base}.{alias.name}", "import")
                self._scopes[-1][alias.asname or alias.name] = f"{base}.{alias.name}"

    def _absolute(self, module: str, level: int) -> str:
        if not level:
            return module
        parts = self._package.split(".")
        above = parts[: len(parts) - level + 1]
        return ".".join([*above, module] if module else above)

    # Names.

    def visit_Name(self, node: ast.Name) -> None:
        self._chain(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._chain(node)

    def _chain(self, node: ast.expr) -> None:
        names = self._resolve(node)
        for name in names:
            self._add(node.end_lineno or node.lineno, name, "attribute" if name.startswith(".") else "name")
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name):
            self.visit(node)

    def _resolve(self, node: ast.expr) -> list[str]:
        """The absolute names that an expression can stand for, or its attributes behind a dot; nothing for others."""
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        rest = "".join(f".{name}" for name in reversed(attributes))
        if isinstance(node, ast.Name):
            for scope in reversed(self._scopes):
                if node.id in scope:
                    known = scope[node.id]
                    return [known + rest] if known or rest else []
            if self._stars:
                return [f"{star}.{node.id}{rest}" for star in self._stars]
        return [rest] if rest else []

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        self._keywords(node.func, ((k.arg, k.lineno) for k in node.keywords if k.arg))
        if node.args and any(name.endswith(_TRANSLATOR) for name in self._resolve(node.func)):
            self._mappings(node.args[0], (k.value for k in node.keywords if k.arg == "fields"))

    def _mappings(self, target: ast.expr, fields: Iterable[ast.expr]) -> None:
        for owner in self._resolve(target):
            self._add(target.lineno, owner, "mapping")
            for key in (key for value in fields if isinstance(value, ast.Dict) for key in value.keys):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    self._add(key.lineno, f"{owner}.{key.value}", "mapping")

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        self.generic_visit(node)
        self._keywords(node.cls, ((name, p.lineno) for name, p in zip(node.kwd_attrs, node.kwd_patterns, strict=True)))

    def _keywords(self, called: ast.expr, names: Iterable[tuple[str, int]]) -> None:
        owners = [name for name in self._resolve(called) if not name.startswith(".")] or [""]
        for name, line in names:
            for owner in owners:
                self._add(line, f"{owner}.{name}", "keyword")

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and _DOTTED.match(node.value):
            self._add(node.lineno, node.value, "text")

    # Scopes.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        owners = self._bases or ([self._module] if len(self._scopes) == 1 else [])
        for owner in owners:
            self._add(node.lineno, f"{owner}.{node.name}", "def")
        arguments = _arguments(node.args)
        outside: list[ast.expr | None] = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]
        self._visit_all(outside)
        with _Deferred(self, self._lazy_annotations):
            self._visit_all([a.annotation for a in arguments] + [node.returns])
        if len(self._scopes) == 1:
            self._scopes[0].setdefault(node.name, f"{self._module}.{node.name}")
        self._body(node.body, [a.arg for a in arguments])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_all([*node.args.defaults, *node.args.kw_defaults])
        self._body([node.body], [a.arg for a in _arguments(node.args)])

    def _body(self, body: Sequence[ast.AST], parameters: Iterable[str]) -> None:
        bases, self._bases = self._bases, []
        self._scopes.append(dict.fromkeys([*parameters, *_bound(body)], ""))
        with _Deferred(self):
            self._visit_all(body)
        self._scopes.pop()
        self._bases = bases

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_all([*node.decorator_list, *node.bases, *(k.value for k in node.keywords)])
        before = self._bases
        bases = [name for base in node.bases for name in self._resolve(base) if not name.startswith(".")]
        # A class that implements something without saying so is known by its own name.
        self._bases = bases or ([f"{self._module}.{node.name}"] if len(self._scopes) == 1 else [])
        # Names that a class binds are not seen by its methods: they hide nothing.
        self._scopes.append({})
        self._visit_all(node.body)
        self._scopes.pop()
        self._bases = before

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        targets = [n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)]
        self.visit(node.generators[0].iter)
        self._scopes.append(dict.fromkeys(targets, ""))
        for number, generator in enumerate(node.generators):
            self._visit_all([generator.target, *generator.ifs] if not number else ast.iter_child_nodes(generator))
        self._visit_all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._scopes.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        with _Deferred(self, self._lazy_annotations):
            self.visit(node.annotation)
        self._visit_all([node.target, node.value])

    def visit_If(self, node: ast.If) -> None:
        name = node.test.id if isinstance(node.test, ast.Name) else getattr(node.test, "attr", "")
        self.visit(node.test)
        with _Deferred(self, name == "TYPE_CHECKING"):
            self._visit_all(node.body)
        self._visit_all(node.orelse)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def _add(self, line: int, name: str, how: How) -> None:
        self.uses.append(Use(line, name, how, at_import=not self._deferred))


class _Deferred:
    """What stands here is not carried out when the module is imported."""

    def __init__(self, reader: _Reader, deferred: bool = True) -> None:
        self._reader = reader
        self._by = int(deferred)

    def __enter__(self) -> None:
        self._reader._deferred += self._by

    def __exit__(self, *_: object) -> None:
        self._reader._deferred -= self._by


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [*found, *(a for a in (arguments.vararg, arguments.kwarg) if a)]


def _bound(body: Sequence[ast.AST]) -> Iterator[str]:
    """The names that a function's own statements bind, imports left out: those are followed."""
    waiting = list(body)
    shared: set[str] = set()
    found: list[str] = []
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            shared.update(node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(node.name)
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)):
            waiting.extend(ast.iter_child_nodes(node))
    return (name for name in found if name not in shared)
