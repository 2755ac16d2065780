"""Runs mypy over the workspace's components; what it finds becomes diagnostics.

What a component offers is typed, and so is what others call it with: an RPC that is gone, a field that is called otherwise
now, a handler whose request is another message are found where they are written, before anything is started.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

# Not strict: how strictly people type their own code is theirs to say, in their pyproject.toml. Here bodies without
# annotations are read too, because the RPC that is gone may well be called in one.
_CONFIG = """\
[mypy]
check_untyped_defs = true
explicit_package_bases = true
sqlite_cache = true
mypy_path = {path}

[mypy-{runtime}]
ignore_errors = true
"""
# What cannot be found is others' to type, but for modules that only a component has: one of another name by now, perhaps.
_OTHERS = ("import-untyped", "import-not-found")
_COMPONENTS = re.compile(r'module named "\w+\.gen[."]')
_ARGUMENT = re.compile(r'Argument "(?P<name>\w+)" to "\w+" has incompatible type (?P<types>.*)', re.DOTALL)


def missing() -> Diagnostic | None:
    """What to say where mypy is not installed; None where it is."""
    if importlib.util.find_spec("mypy") is not None:
        return None
    return Diagnostic(
        "extra-missing",
        "the types are checked by mypy, which is not installed",
        None,
        "pip install 'apifirst-scaffold[check]'",
        Severity.NOTE,
    )


def check(root: Path, packages: Mapping[str, str], cache: str) -> tuple[Diagnostic, ...]:
    """Check the types of import packages, each with its source folder; folders and places are relative to ``root``.

    mypy keeps what it knows in the folder ``cache``: a second check of an unchanged tree only compares times. Raises
    ScaffoldError where mypy cannot do it, and where it is not installed.
    """
    if problem := missing():
        raise ScaffoldError(replace(problem, severity=Severity.ERROR))
    there = {package: source for package, source in packages.items() if (root / source / package).is_dir()}
    if not there:
        return ()  # nothing is generated yet: drift says so
    said, complaints = _mypy(root, there, cache)
    try:
        errors = [json.loads(line) for line in said.splitlines() if '"severity": "error"' in line]
        found = [_diagnostic(error, root) for error in errors if not _is_others(error, there)]
    except (ValueError, KeyError, TypeError) as error:
        raise ScaffoldError(_failed(f"{said}\n{complaints}")) from error
    if complaints and not errors:
        raise ScaffoldError(_failed(complaints))
    return tuple(dict.fromkeys(found))


def _is_others(error: Mapping[str, object], packages: Mapping[str, str]) -> bool:
    """Whether an import could not be followed that has nothing to do with components."""
    message = str(error["message"])
    own = any(f'"{package}.' in message for package in packages)
    return error["code"] in _OTHERS and not own and not _COMPONENTS.search(message)


def _mypy(root: Path, packages: Mapping[str, str], cache: str) -> tuple[str, str]:
    """What mypy says on both its channels; the second is empty unless it could not do its work."""
    config = _CONFIG.format(
        # Relative, so that a workspace that is moved or copied keeps its cache.
        path=":".join(dict.fromkeys(packages.values())),
        runtime=",".join(f"{package}.gen.runtime.*" for package in packages),
    )
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        file = Path(temporary, "mypy.ini")
        file.write_text(config, encoding="utf-8")
        command = [sys.executable, "-m", "mypy", "--config-file", str(file), "--output", "json"]
        command += ["--cache-dir", _cache(root, cache, packages)]
        command += [word for package in packages for word in ("-p", package)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MYPY")}
        ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    # 0: nothing found; 1: something; 2: it could not go on, for a syntax error say, which is on the first channel.
    return ran.stdout, (ran.stderr or ran.stdout) if ran.returncode > 1 or ran.returncode < 0 else ""


def _cache(root: Path, cache: str, packages: Mapping[str, str]) -> str:
    """The folder for what mypy keeps; the null device where nothing can be written.

    It is another one for other generated modules: mypy does not see that ``from pay.gen.clients import stock`` can be
    followed by now, or no more, while ``pay/gen/clients/__init__.py`` is as it was.
    """
    gens = (root / source / package / "gen" for package, source in packages.items())
    modules = sorted(path.relative_to(root).as_posix() for gen in gens for path in gen.rglob("*.py"))
    known = hashlib.sha256("\n".join(modules).encode()).hexdigest()[:16]
    for old in (root / cache).glob("*"):
        if old.name != known:
            shutil.rmtree(old, ignore_errors=True)
    cache = f"{cache}/{known}"
    folder = root / cache
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return os.devnull
    return cache if os.access(folder, os.W_OK) else os.devnull


def _diagnostic(line: dict[str, object], root: Path) -> Diagnostic:
    """A line of mypy's as a finding, at the place where something can be done about it."""
    path, code = str(line["file"]), line["code"]
    message = " ".join(f"{line['message']} ({line['hint']})".split()) if line["hint"] else str(line["message"])
    where = Location(path, max(int(str(line["line"])), 0), max(int(str(line["column"])), -1) + 1)
    # Handlers and RPCs are brought together in a generated file: the handler is what can be changed.
    match = _ARGUMENT.fullmatch(message) if path.endswith("/gen/service.py") else None
    if match and (handler := _handler(root, path, where.line, match["name"])):
        where, message = handler, f"the handler {match['name']} does not fit its RPC: it is {match['types']}"
    return Diagnostic(
        "type-error",
        f"{message} [{code}]",
        where,
        "bring the line to what gen/ says now (`scaffold plan` says what has changed); `# type: ignore` keeps one that is "
        "meant",
    )


def _handler(root: Path, service: str, line: int, name: str) -> Location | None:
    """Where the handler is defined that a line of gen/service.py knows by a name."""
    functions = (node for node in _tree(root / service).body if isinstance(node, ast.FunctionDef))
    here = next((f for f in functions if f.lineno <= line <= (f.end_lineno or 0)), None)
    imports = [node for node in here.body if isinstance(node, ast.ImportFrom) and not node.level] if here else []
    for module, alias in ((node.module or "", alias) for node in imports for alias in node.names):
        if (alias.asname or alias.name) == name:
            path = f"{PurePosixPath(service).parents[2]}/{module.replace('.', '/')}.py"
            return Location(path, _definition(_tree(root / path), alias.name))
    return None


def _definition(tree: ast.Module, name: str) -> int:
    """The line of a module's function; 0 where it has none of that name."""
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return next((function.lineno for function in functions if function.name == name), 0)


def _tree(path: Path) -> ast.Module:
    """A module's tree; an empty one where there is none to be had."""
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


def _failed(text: str) -> Diagnostic:
    return Diagnostic(
        "types-failed",
        text.strip()[-2000:] or "mypy failed",
        None,
        "mend what it names; `scaffold check --only drift --only boundaries` leaves the types out",
    )
