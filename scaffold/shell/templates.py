"""Loads what render needs: the Jinja templates, and the runtime that is copied into services."""

from __future__ import annotations

import contextlib
import os
import sys
from importlib.util import cache_from_source
from pathlib import Path
from pickle import PickleError
from typing import TYPE_CHECKING

from jinja2 import BytecodeCache, ChoiceLoader, FileSystemLoader, PrefixLoader, compiler

if TYPE_CHECKING:
    from jinja2 import BaseLoader
    from jinja2.bccache import Bucket

# What each kind of component takes of templates/runtime.
_RUNTIME = {
    "store": ("common", "service", "store"),
    "process": ("common", "service", "process"),
    "acl": ("common", "acl"),
}

# Of what all kinds share, an anti-corruption layer takes this: the monolith has its own logs and traces.
_ACL_COMMON = frozenset(f"common/{name}.py" for name in ("__init__", "call", "errors", "headers", "messages", "names"))


def loader(templates: Path) -> BaseLoader:
    """The templates of ``generated`` by their path, those of ``stub`` under ``stub/``."""
    return ChoiceLoader(
        [FileSystemLoader(templates / "generated"), PrefixLoader({"stub": FileSystemLoader(templates / "stub")})]
    )


class Compiled(BytecodeCache):
    """Templates as Python has compiled them, beside their sources, as it keeps those of its own modules.

    Never in the workspace: that may come from anybody, and what lies here is run. Jinja itself compares the source's
    digest and Python's version.
    """

    def __init__(self) -> None:
        # Jinja's own version, as far as it matters here; to ask for its number takes longer than to compile a template.
        self._compiler = f"jinja{os.stat(compiler.__file__).st_size}"  # noqa: PTH116 - a string is what there is

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """The path of the compiled template: ``__pycache__/api.py.cpython-311.opt-….pyc``."""
        return cache_from_source(filename or name, optimization=self._compiler)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what was compiled before; where there is none, or it is broken, Jinja compiles."""
        with contextlib.suppress(OSError, EOFError, PickleError):
            bucket.bytecode_from_string(Path(bucket.key).read_bytes())

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what has been compiled; where the installation cannot be written to, it is compiled each time."""
        if sys.dont_write_bytecode:
            return
        target = Path(bucket.key)
        temporary = target.with_name(f"{target.name}.{os.getpid()}")  # several runs may compile at once
        with contextlib.suppress(OSError):
            target.parent.mkdir(exist_ok=True, parents=True)
            temporary.write_bytes(bucket.bytecode_to_string())
            temporary.replace(target)


def runtime(templates: Path, kind: str) -> dict[str, str]:
    """The text of the runtime's modules that a kind of component takes, by path below ``gen/runtime``, sorted."""
    root = templates / "runtime"
    files = sorted(f for part in _RUNTIME[kind] for f in (root / part).rglob("*") if f.suffix in (".py", ".pyi"))
    texts = {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files}
    if kind == "acl":
        return {path: text for path, text in texts.items() if not path.startswith("common/") or path in _ACL_COMMON}
    return texts
