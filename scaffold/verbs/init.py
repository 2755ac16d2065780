"""`scaffold init`: make a workspace."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Plan, make_plan
from scaffold.core.render import Artifact
from scaffold.shell import data, skeleton
from scaffold.shell.workspace import LIST, SETTINGS, STATE, Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def init(folder: Path) -> Plan:
    """Write a workspace's own files into a folder that is empty or not there yet. Raises ScaffoldError.

    A folder that holds some of them, and nothing else, is one of which an earlier run was interrupted: it is completed.
    """
    files = skeleton.make(data.folder("templates") / "workspace", {"name": _name(folder), "version": __version__})
    _check_empty(folder, files)
    workspace = Workspace(folder, files[SETTINGS].decode())
    artifacts = [Artifact(path, content, "yours", "templates/workspace") for path, content in files.items()]
    try:
        plan = make_plan(artifacts, workspace.snapshot(files))
        workspace.apply(plan)
    except ScaffoldError as error:
        raise ScaffoldError(*(_below(folder, d) for d in error.diagnostics)) from error
    return plan


def _below(folder: Path, diagnostic: Diagnostic) -> Diagnostic:
    """A place in the workspace as one from where the user is, who is not in it yet."""
    where = diagnostic.where
    return replace(diagnostic, where=replace(where, path=str(folder / where.path))) if where else diagnostic


def _name(folder: Path) -> str:
    """What the workspace is called in its own files: a folder's name may hold what breaks a line or a template."""
    return re.sub(r"[^\w.-]+", "_", folder.resolve().name) or "workspace"


def _check_empty(folder: Path, files: Mapping[str, bytes]) -> None:
    """Only a repository's own folder may be there already, and part of what would be made."""
    if not folder.exists():
        return
    here = sorted(p.name for p in folder.iterdir() if p.name != ".git") if folder.is_dir() else [folder.name]
    if here and not (folder.is_dir() and _is_begun(folder, files)):
        shown = ", ".join(here[:3]) + (" …" if len(here) > 3 else "")
        raise ScaffoldError(
            Diagnostic(
                "destination-not-empty",
                f"there is something already: {shown}",
                Location(str(folder)),
                "name a folder that is empty or does not exist",
            )
        )


def _is_begun(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Whether a folder holds some of the files, as they would be made, and nothing of anybody else's."""
    there = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir()}
    mine = {name: path for name, path in there.items() if not name.startswith((".git/", f"{STATE}/"))}
    if LIST in there and len(mine) == len(files):
        return False  # nothing is missing: this is a workspace
    return all(
        name in files and not path.is_symlink() and path.read_bytes() == files[name] for name, path in mine.items()
    )
