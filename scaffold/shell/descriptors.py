"""Reads a component's ``gen/descriptors.py`` without running it: it may be broken, stale or somebody else's."""

from __future__ import annotations

import ast
import binascii
from base64 import b64decode
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Descriptors:
    """What ``gen/descriptors.py`` says: serialized FileDescriptorProtos by file name, imports first."""

    files: tuple[tuple[str, bytes], ...]
    kept: tuple[tuple[str, bytes], ...]
    installed: tuple[str, ...]
    services: tuple[str, ...]

    def complete(self) -> tuple[tuple[str, bytes], ...]:
        """The files with all that they import, those of installed packages too."""
        from google.protobuf import descriptor_pool

        names: dict[str, bytes] = {}

        def add(name: str) -> None:
            file = descriptor_pool.Default().FindFileByName(name)
            for dependency in file.dependencies:
                if dependency.name not in names:
                    add(dependency.name)
            names.setdefault(name, file.serialized_pb)

        for module in self.installed:
            import_module(module)
            add(module.replace(".", "/").removesuffix("_pb2") + ".proto")
        own = dict((*self.kept, *self.files))
        return tuple({**names, **own}.items())


def read(path: Path, shown: str) -> Descriptors:
    """Read the literals of a ``gen/descriptors.py``; ``shown`` is its path for messages. Raises ScaffoldError."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        values = {
            statement.target.id: _value(statement.value)
            for statement in tree.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value
        }
        return Descriptors(
            files=tuple(_file(*pair) for pair in values["FILES"]),
            kept=tuple(_file(*pair) for pair in values["KEPT"]),
            installed=tuple(map(str, values["INSTALLED"])),
            services=tuple(map(str, values["SERVICES"])),
        )
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, UnicodeDecodeError, binascii.Error) as error:
        raise ScaffoldError(
            Diagnostic(
                "descriptors-unreadable",
                f"it does not hold the API's descriptors ({type(error).__name__})",
                Location(shown),
                "run `scaffold regen`: it is made again",
            )
        ) from error


def _file(name: object, data: object) -> tuple[str, bytes]:
    if not isinstance(name, str) or not isinstance(data, bytes):
        raise TypeError("a file is a name and bytes")
    return name, data


def _value(node: ast.expr) -> tuple[tuple[str, bytes], ...]:
    """A literal, or a call of b64decode on one, at any depth of tuples."""
    if isinstance(node, ast.Tuple):
        return tuple(_value(element) for element in node.elts)  # type: ignore[misc]  # as deep as the literal is
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "b64decode":
        return b64decode(ast.literal_eval(node.args[0]))  # type: ignore[return-value]  # a leaf
    return ast.literal_eval(node)  # type: ignore[no-any-return]  # a leaf
