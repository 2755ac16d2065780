"""What is wrong with a layer, as JSON: ``python -m cart_acl.gen.runtime.acl.report``. `scaffold acl check` runs it.

It needs neither the monolith nor gRPC: the mappings know the types of the port, and nothing else.
"""

from __future__ import annotations

import json
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from .seam import FlagsError, read_toml
from .translate import collecting


def report(package: str, seam: str = "") -> dict[str, object]:
    """``findings`` of the mappings, what keeps ``translate.py`` from being imported, and what ``seam.toml`` says.

    The functions of the mappings are tried. ``errors`` is what is wrong with the map of errors. ``seam`` is the path of
    another one than the layer's own.
    """
    return {**_mappings(package), **_errors(package), **_seam(package, seam)}


def _mappings(package: str) -> dict[str, Any]:
    with collecting() as collected:
        try:
            import_module(f"{package}.translate")
        except Exception as error:
            path, line = _place(error)
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            return {"findings": [], "failed": {"message": text, "path": path, "line": line}}
    if not collected:
        missing = {"message": "it makes no translation(…)", "path": "translate.py", "line": 0}
        return {"findings": [], "failed": missing}
    findings = [
        {"code": f.code, "message": f.message, "path": f.where.path, "line": f.where.line, "remedy": f.remedy}
        for translation in collected
        for f in (*translation.findings(), *translation.tried())
    ]
    return {"findings": findings, "failed": None}


def _errors(package: str) -> dict[str, object]:
    """What the map of errors says of itself, as far as it can be imported here: its exceptions are the monolith's."""
    try:
        problems, line = import_module(f"{package}.errors").ERRORS.problems(), 0
    except (Exception, SystemExit) as error:
        if type(error).__name__ != "ErrorMapError" or not isinstance(error, Exception):
            return {"errors": []}
        problems, line = getattr(error, "problems", ()), _place(error)[1]
    return {"errors": [{"message": str(each), "line": line} for each in problems]}


def _place(error: Exception) -> tuple[str, int]:
    """The last line of the layer's own that an exception came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parent)
    own = [f for f in frames if "importlib" not in f.filename and not f.filename.startswith(here)]
    return (own[-1].filename, own[-1].lineno or 0) if own else ("translate.py", 0)


def _seam(package: str, path: str) -> dict[str, object]:
    """The mode of each RPC by a ``seam.toml``, or what is wrong with it; empty where that is nothing."""
    table = import_module(f"{package}.gen.wire").TABLE
    file = Path(path) if path else Path(str(import_module(package).__file__)).with_name("seam.toml")
    modes = {rpc.name: "monolith" for rpc in table.rpcs}
    try:
        modes = {name: str(mode) for name, mode in read_toml(file.read_text(encoding="utf-8"), table).items()}
    except FileNotFoundError as error:
        # The layer's own may be elsewhere: an environment variable names it.
        return {"modes": modes, "seam": str(error) if path else ""}
    except (OSError, UnicodeDecodeError, FlagsError) as error:
        return {"modes": modes, "seam": str(error)}
    return {"modes": modes, "seam": ""}


if __name__ == "__main__":
    print(json.dumps(report(*sys.argv[1:3])))
