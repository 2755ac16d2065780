"""Loads what render needs: the Jinja templates, and the runtime that is copied into services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import ChoiceLoader, FileSystemLoader, PrefixLoader

if TYPE_CHECKING:
    from pathlib import Path

    from jinja2 import BaseLoader

# What each kind of component takes of templates/runtime.
_RUNTIME = {"store": ("common", "service", "store"), "process": ("common", "service", "process")}


def loader(templates: Path) -> BaseLoader:
    """The templates of ``generated`` by their path, those of ``stub`` under ``stub/``."""
    return ChoiceLoader(
        [FileSystemLoader(templates / "generated"), PrefixLoader({"stub": FileSystemLoader(templates / "stub")})]
    )


def runtime(templates: Path, kind: str) -> dict[str, str]:
    """The text of the runtime's modules that a kind of component takes, by path below ``gen/runtime``, sorted."""
    root = templates / "runtime"
    files = sorted(f for part in _RUNTIME[kind] for f in (root / part).rglob("*") if f.suffix in (".py", ".pyi"))
    return {f.relative_to(root).as_posix(): f.read_text(encoding="utf-8") for f in files}
