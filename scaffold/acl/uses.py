"""Who in a monolith still needs a layer, or the models behind it: imports and names of models, by file and line.

Source is read, never run. What only a running program knows (a model looked up by its name at run time) is not seen.
"""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scaffold.core.facts import ModelFacts

# Folders with code of others, or with none.
_SKIPPED = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})


@dataclass(frozen=True)
class Use:
    """A line that needs something of what is to go: ``what`` is the layer's package, or a model."""

    what: str
    where: Location


def uses(folder: Path, package: str, models: Sequence[ModelFacts], apart: Iterable[Path] = ()) -> tuple[Use, ...]:
    """The uses in every Python file of a folder, but in those ``apart`` (the layer itself), in the order of the lines."""
    away = [path.resolve() for path in apart]
    found: list[Use] = []
    for path in _files(folder):
        if any(path.resolve().is_relative_to(other) for other in away):
            continue
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except (OSError, SyntaxError, ValueError):
            continue  # no Python that this Python knows: nothing to say about it
        shown = path.relative_to(folder).as_posix()
        found += [Use(what, Location(shown, line)) for line, what in _in_file(tree, shown, package, models)]
    return tuple(sorted(dict.fromkeys(found), key=lambda use: (use.where, use.what)))


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if name.endswith(".py"))


def _in_file(tree: ast.Module, shown: str, package: str, models: Sequence[ModelFacts]) -> Iterator[tuple[int, str]]:
    labels = {model.name for model in models}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, found) for a in node.names for found in _module(a.name, package, models))
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, found) for found in _from(node, shown, package, models))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in labels:
            yield node.lineno, node.value  # Django takes models by their labels, too


def _module(name: str, package: str, models: Sequence[ModelFacts]) -> Iterator[str]:
    if name == package or name.startswith(f"{package}."):
        yield package
    yield from (model.name for model in models if model.module == name)


def _from(node: ast.ImportFrom, shown: str, package: str, models: Sequence[ModelFacts]) -> Iterator[str]:
    module = _absolute(node, shown)
    yield from (found for found in _module(module, package, ()))
    for alias in node.names:
        for model in models:
            named = module == model.module and alias.name in (model.class_name, "*")
            if named or f"{module}.{alias.name}" == model.module:
                yield model.name
        if not module and alias.name == package:
            yield package


def _absolute(node: ast.ImportFrom, shown: str) -> str:
    """The module that is imported from, from the folder: dots go up from where the file is."""
    if not node.level:
        return node.module or ""
    parents = shown.split("/")[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])
