"""Sees what changes in a workspace's inputs, by looking at sizes and times again and again.

Looking, and not being told by the kernel: it needs no package, it works on what containers and networks mount, and a look at
some hundred files takes a millisecond. Where it takes longer, it is done less often.
"""

from __future__ import annotations

import os
import time
import tomllib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SETTINGS = "scaffold.toml"

# Between two looks; a look never takes more than a twentieth of the time.
_SECONDS = 0.2
_SHARE = 20

# What is in no root, even where that is the workspace itself.
_SKIPPED = frozenset({"__pycache__", "node_modules"})

Seen = dict[str, tuple[int, int, int]]


class Watcher:
    """Looks at scaffold.toml and at every proto under the roots that it names."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._roots: tuple[str, ...] = ("protos",)
        self._settings: tuple[int, int, int] | None = None
        self.pause = _SECONDS

    def look(self) -> Seen:
        """Size, time of change and inode of each file, by its path from the workspace."""
        begun = time.perf_counter()
        seen = dict(self._entries())
        self.pause = max(_SECONDS, _SHARE * (time.perf_counter() - begun))
        return seen

    def _entries(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        settings = _status(self._root / SETTINGS)
        if settings != self._settings:
            self._settings, self._roots = settings, self._read_roots()
        if settings:
            yield SETTINGS, settings
        for name in self._roots:
            for path in _protos(os.path.normpath(self._root / name), set()):
                if status := _status(path):
                    yield os.path.relpath(path, self._root), status

    def _read_roots(self) -> tuple[str, ...]:
        """The roots as they stand in the settings; those of before while it cannot be told."""
        try:
            raw = tomllib.loads((self._root / SETTINGS).read_text(encoding="utf-8"))
            roots = raw.get("protos", {}).get("roots", ["protos"])
            return tuple(map(str, roots))
        except (OSError, ValueError, AttributeError, TypeError):
            return self._roots


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[str, ...]:
    """The paths that came, went or are not what they were, sorted."""
    return tuple(sorted(path for path in {*before, *after} if before.get(path) != after.get(path)))


def _protos(folder: str, above: set[tuple[int, int]]) -> Iterator[str]:
    """The protos below a folder; links are followed, though not in circles."""
    try:
        here = os.stat(folder)  # noqa: PTH116 - several times a second, for every folder
        entries = list(os.scandir(folder))
    except OSError:
        return
    if (here.st_dev, here.st_ino) in above:
        return
    for entry in entries:
        if entry.name.endswith(".proto"):
            yield entry.path
        elif entry.name not in _SKIPPED and not entry.name.startswith(".") and entry.is_dir():
            yield from _protos(entry.path, {*above, (here.st_dev, here.st_ino)})


def _status(path: str | Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - several times a second, for every file
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
