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


def report(package: str) -> dict[str, object]:
    """``findings`` of the mappings, what keeps ``translate.py`` from being imported, and what is wrong in ``seam.toml``."""
    return {**_mappings(package), "seam": _seam(package)}


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
        for f in translation.findings()
    ]
    return {"findings": findings, "failed": None}


def _place(error: Exception) -> tuple[str, int]:
    """The last line of the layer's own that an exception came through."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parent)
    own = [f for f in frames if "importlib" not in f.filename and not f.filename.startswith(here)]
    return (own[-1].filename, own[-1].lineno or 0) if own else ("translate.py", 0)


def _seam(package: str) -> str:
    """What is wrong in the layer's ``seam.toml``; empty where nothing is."""
    module = import_module(package)
    file = Path(str(module.__file__)).with_name("seam.toml")
    try:
        read_toml(file.read_text(encoding="utf-8"), import_module(f"{package}.gen.wire").TABLE)
    except FileNotFoundError:
        return ""  # it may be elsewhere: an environment variable names it
    except (OSError, UnicodeDecodeError, FlagsError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    print(json.dumps(report(sys.argv[1])))
