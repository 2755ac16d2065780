"""What the last run left behind, in ``.scaffold/cache``: it saves work, and never decides anything.

Two notes. ``stat.json`` has size and time of every file that went in and came out: an unchanged ``regen`` is answered from
it before anything is imported (``scaffold/__main__.py``). ``components.json`` has, for each component, a digest of all
that it is made from and how its files were left: one that is the same in both is not rendered again.

Either may be missing, old or broken; then a run takes longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from dataclasses import dataclass, replace
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from scaffold.core.render import Artifact

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence
    from pathlib import Path

CACHE = ".scaffold/cache"
LIST = ".scaffold/files"

# A file's time can be this much behind the clock.
_CLOCK_NS = 10_000_000

Stat = tuple[int, int] | None


@dataclass(frozen=True)
class Made:
    """A component: a digest of all that it is made from, and the files that come of it."""

    inputs: str
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True)
class _Known:
    """A component as it was left; of files that are not ours no size and time are known."""

    made: Made
    stats: tuple[Stat, ...]


class Memory:
    """The notes of one workspace. They are good for one state of the generator: its version, its code, its templates."""

    def __init__(self, root: Path, version: str, generator: Iterable[Path]) -> None:
        """Read the notes; ``generator`` are the files that decide what is made of the same inputs."""
        self._root = root
        self._version = version
        stats = [(str(path), stat(path)) for path in sorted(generator)]
        self._generator = hashlib.sha256(repr((version, sys.version, stats)).encode()).hexdigest()
        self._components = self._read()

    def standing(self, component: str, inputs: str, listed: Container[str]) -> tuple[Artifact, ...]:
        """A component's artifacts, without content, where it would be made from the same and is as it was left.

        Empty where that is not certain. A file of the user's may be anything or nothing, as long as it is listed.
        """
        known = self._components.get(component)
        if known is None or known.made.inputs != inputs:
            return ()
        for artifact, left in zip(known.made.artifacts, known.stats, strict=True):
            if artifact.owner == "yours":
                if artifact.path not in listed:
                    return ()
            elif left is None or _own(f"{self._root}/{artifact.path}") != left:
                return ()
        return known.made.artifacts

    def keep(self, components: Mapping[str, Made]) -> None:
        """Note the components as they are now on disk: after a plan has been carried out."""
        known = {name: self._left(name, made) for name, made in components.items()}
        self._components = {name: each for name, each in known.items() if each is not None}
        note = {name: _dump(each) for name, each in self._components.items()}
        self._write("components.json", {"generator": self._generator, "components": note})

    def _left(self, name: str, made: Made) -> _Known | None:
        """How a component was left; None where one of its files is not what was made (it has other line ends)."""
        if all(artifact.content is None for artifact in made.artifacts):
            return self._components.get(name)
        stats = []
        for artifact in made.artifacts:
            left = None if artifact.owner == "yours" else _own(f"{self._root}/{artifact.path}")
            if artifact.owner == "generated" and (left is None or left[0] != len(artifact.content or b"")):
                return None
            stats.append(left)
        return _Known(Made(made.inputs, tuple(replace(a, content=None) for a in made.artifacts)), tuple(stats))

    def _read(self) -> dict[str, _Known]:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            note = json.loads((self._root / CACHE / "components.json").read_bytes())
            if note["generator"] == self._generator:
                return {name: _load(known) for name, known in note["components"].items()}
        return {}

    def remember(self, inputs: Iterable[Path], outputs: Sequence[str], begun: int) -> None:
        """Note size and time of everything that went in and came out, so that an unchanged run need not start.

        ``begun`` is when the run began, in nanoseconds: of an input that has changed since, nobody knows which version
        was read, and nothing is noted.
        """
        files = {str(path): stat(path) for path in inputs}
        if any(known and known[1] > begun - _CLOCK_NS for known in files.values()):
            self.forget()
            return
        # The paths are absolute: a copy of the workspace must not be answered from the original.
        files |= {path: stat(path) for path in (f"{self._root}/{name}" for name in (*outputs, LIST))}
        made_by = {"root": str(self._root), "version": self._version, "python": sys.version}
        self._write("stat.json", {**made_by, "count": len(outputs), "files": files})

    def forget(self) -> None:
        """Let the next run start, whatever is unchanged."""
        forget(self._root)

    def _write(self, name: str, note: Mapping[str, object]) -> None:
        target = self._root / CACHE / name
        with contextlib.suppress(OSError):  # only a cache: the next run just takes longer
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_suffix(".tmp")
            temporary.write_text(json.dumps(note, separators=(",", ":")), encoding="utf-8")
            temporary.replace(target)


def _dump(known: _Known) -> list[object]:
    files = zip(known.made.artifacts, known.stats, strict=True)
    return [known.made.inputs, [[a.path, a.owner, a.origin, a.rpc, left] for a, left in files]]


def _load(note: Any) -> _Known:
    """What ``_dump`` has written. Raises TypeError or ValueError for anything else."""
    inputs, files = note
    artifacts = tuple(Artifact(path, None, owner, origin, rpc) for path, owner, origin, rpc, _ in files)
    return _Known(Made(inputs, artifacts), tuple((left[0], left[1]) if left else None for *_, left in files))


def _own(path: str) -> Stat:
    """As ``stat``, and None for a link: what that leads to may be anything."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if S_ISREG(status.st_mode) else None


def forget(root: Path) -> None:
    """Let the next ``regen`` of a workspace start, whatever is unchanged."""
    (root / CACHE / "stat.json").unlink(missing_ok=True)


def stat(path: str | Path) -> Stat:
    """Size and modification time in nanoseconds; None where there is nothing."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called thousands of times, where pathlib takes twice as long
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
