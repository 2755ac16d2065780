"""Loads what render needs: the Jinja templates, and the runtime that is copied into services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import BaseLoader

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


def runtime(templates: Path, kind: str) -> dict[str, str]:
    """The text of the runtime's modules that a kind of component takes, by path below ``gen/runtime``, sorted."""
    root = templates / "runtime"
    files = sorted(f for part in _RUNTIME[kind] for f in (root / part).rglob("*") if f.suffix in (".py", ".pyi"))
    texts = {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files}
    if kind == "acl":
        return {path: text for path, text in texts.items() if not path.startswith("common/") or path in _ACL_COMMON}
    return texts
