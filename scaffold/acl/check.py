"""What is wrong with a layer's mappings, errors, port and seam, each with the line to look at.

The mappings are the user's code: they are imported in a process of their own, which needs neither the monolith nor gRPC. The
map of errors names the monolith's exceptions: it is looked at where these can be imported, by PYTHONPATH say.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from scaffold.core import naming
from scaffold.core.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scaffold.core.settings import Adapter

_SECONDS = 60.0


def check(root: Path, adapter: Adapter) -> tuple[Diagnostic, ...]:
    """Everything that is found in a layer, in the order of the lines; ``root`` is the workspace."""
    if not (root / adapter.root / "gen" / "wire.py").is_file():
        return (not_generated(adapter),)
    return (*_reported(root, adapter), *_missing_methods(root, adapter))


def not_generated(adapter: Adapter) -> Diagnostic:
    """There is nothing of the layer."""
    return Diagnostic("not-generated", "the layer is not there", Location(adapter.path), "run `scaffold regen`")


def _reported(root: Path, adapter: Adapter) -> Iterator[Diagnostic]:
    """What the layer's own checks say."""
    said = report(root / adapter.source, adapter.package)
    if isinstance(said, str):
        yield _unreadable(adapter, said, Location(f"{adapter.root}/translate.py"))
        return
    if said["failed"]:
        where = _location(root, adapter, said["failed"]["path"], said["failed"]["line"])
        yield _unreadable(adapter, said["failed"]["message"], where)
    for finding in said["findings"]:
        where = _location(root, adapter, finding["path"], finding["line"])
        yield _finding(finding["code"], finding["message"], where, finding["remedy"])
    for problem in said.get("errors", ()):  # a layer that was generated earlier says nothing of them
        yield _errors_incomplete(problem["message"], Location(f"{adapter.root}/errors.py", problem["line"]))
    if said["seam"]:
        yield seam_invalid(said["seam"], Location(f"{adapter.root}/seam.toml"))


def _errors_incomplete(why: str, where: Location) -> Diagnostic:
    """The map of errors does not know an exception, or cannot tell two apart."""
    return Diagnostic(
        "errors-incomplete",
        why,
        where,
        "give each exception one Pair with a status and a reason of its own, or pair a base class of it",
    )


def seam_invalid(why: str, where: Location) -> Diagnostic:
    """A ``seam.toml`` says what cannot be."""
    return Diagnostic(
        "seam-invalid",
        why,
        where,
        "mend it: a program that runs keeps the last modes, one that starts has the monolith answer",
    )


def _finding(code: str, message: str, where: Location, remedy: str) -> Diagnostic:
    """One of ACL001 to ACL007."""
    return Diagnostic(code, message, where, remedy)


def report(source: Path, package: str, seam: str = "") -> Any:
    """The report of the layer's runtime, or why there is none. ``seam`` is the path of another ``seam.toml``."""
    command = [sys.executable, "-m", f"{package}.gen.runtime.acl.report", package, seam]
    path = os.pathsep.join(filter(None, (str(source), os.environ.get("PYTHONPATH"))))  # where the monolith may be
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ran = subprocess.run(
            command, cwd=source, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"importing it takes more than {_SECONDS:g} s"
    try:
        return json.loads(ran.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return (ran.stderr.strip().splitlines() or ["it ended the process"])[-1]


def _unreadable(adapter: Adapter, why: str, where: Location) -> Diagnostic:
    return Diagnostic(
        "translators-unreadable",
        f"the mappings cannot be read: {why}",
        where,
        f"{adapter.package}.translate imports {adapter.package}.gen and what Python brings; what needs the monolith "
        "belongs in local.py",
    )


def _location(root: Path, adapter: Adapter, path: str, line: int) -> Location:
    """A place from the workspace, for files that are in it."""
    absolute = (root / adapter.root / path).resolve()
    shown = absolute.relative_to(root.resolve()).as_posix() if absolute.is_relative_to(root.resolve()) else path
    return Location(shown, line)


# --- the port -------------------------------------------------------------------------------------------------------


def _missing_methods(root: Path, adapter: Adapter) -> Iterator[Diagnostic]:
    """RPCs that local.py does not answer. It is read, not run: it needs the monolith."""
    wanted = _methods(root / adapter.root / "gen" / "port.py", f"{naming.pascal(adapter.name)}Port")
    shown = f"{adapter.root}/local.py"
    try:
        found = _methods(root / adapter.root / "local.py", "Local")
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        line = error.lineno or 0 if isinstance(error, SyntaxError) else 0
        yield _no_local(Location(shown, line), str(error))
        return
    if not found:
        yield _no_local(Location(shown), "there is no class Local with methods in it")
        return
    line = next(iter(found.values()))
    for name in wanted.keys() - found.keys():
        yield Diagnostic(
            "port-incomplete",
            f"Local has no {name}, which the API asks for",
            Location(shown, line),
            f"write {name} as gen/port.py has it; until then it answers UNIMPLEMENTED",
        )


def _no_local(where: Location, why: str) -> Diagnostic:
    return Diagnostic("port-incomplete", f"the port cannot be read: {why}", where, "mend it: class Local is the port")


def _methods(path: Path, name: str) -> dict[str, int]:
    """The public methods of a class in a file, with the line of the class."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            functions = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            return {f.name: node.lineno for f in functions if not f.name.startswith("_")}
    return {}
