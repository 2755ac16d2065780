"""The revisions of a history, and how one of them comes into a workspace."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SERVICE = re.compile(r"^\s*service\s+\w+\s*\{", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Revision:
    """One state of the protos: a folder that is named by its number."""

    folder: Path

    @property
    def name(self) -> str:
        """The number, as it is written."""
        return self.folder.name

    @property
    def about(self) -> str:
        """What it is about; empty where nobody says."""
        file = self.folder / "about.txt"
        return file.read_text(encoding="utf-8").strip() if file.is_file() else ""

    def put(self, workspace: Path) -> None:
        """Make the protos of a workspace those of this revision, and its settings where it has some."""
        protos = workspace / "protos"
        shutil.rmtree(protos, ignore_errors=True)
        shutil.copytree(self.folder, protos, ignore=shutil.ignore_patterns("scaffold.toml", "about.txt"))
        settings = self.folder / "scaffold.toml"
        if settings.is_file():
            shutil.copyfile(settings, workspace / "scaffold.toml")


def read(folder: Path) -> tuple[Revision, ...]:
    """The revisions in a folder, in the order of their numbers. Raises ValueError where there are none."""
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
    if not found:
        raise ValueError(f"{folder} has no numbered revisions: FOLDER/001/**.proto")
    return tuple(Revision(path) for path in sorted(found, key=lambda path: int(path.name)))


def one_store(revision: Revision) -> str:
    """Settings for a revision of a history that has none: one store for every service."""
    files = [
        file.relative_to(revision.folder).as_posix()
        for file in sorted(revision.folder.rglob("*.proto"))
        if _SERVICE.search(_COMMENT.sub("", file.read_text(encoding="utf-8", errors="replace")))
    ]
    return "[stores.replayed]\nproto = [\n" + "".join(f'    "{name}",\n' for name in files) + "]\n"
