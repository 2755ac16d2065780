"""The user's workspace on disk: reads what is there, and is the only place that writes into it.

A run is staged first and moved into place afterwards, in an order that a kill at any point leaves harmless: the list (old
and new paths together), the user's settings, a guard in each ``gen/`` that is about to change, the files, the
descriptors, the real ``gen/__init__.py``, the final list.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core import stamp
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Change, Listed, Plan, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

SETTINGS = "scaffold.toml"
STATE = ".scaffold"
LIST = f"{STATE}/files"
CACHE = f"{STATE}/cache"

_OWNERS = ("generated", "stub", "yours")
_LIST_HEADER = "# Every path that scaffold has written: path, owner, RPC. Kept by scaffold; merges by union.\n"
_GUARD = """raise ImportError(
    "this gen/ is half written: a regeneration was interrupted; run `scaffold regen` to finish it"
)
"""


@dataclass(frozen=True)
class Workspace:
    """A folder with a scaffold.toml, and the text of that."""

    root: Path
    text: str

    @classmethod
    def find(cls, start: Path) -> Workspace:
        """The workspace that holds a folder. Raises ScaffoldError where there is none."""
        start = start.resolve()
        for folder in (start, *start.parents):
            file = folder / SETTINGS
            if file.is_file():
                return cls(folder, _read_text(file, SETTINGS))
        raise ScaffoldError(
            Diagnostic(
                "no-workspace",
                f"there is no {SETTINGS} here or above",
                Location(str(start)),
                "make a workspace with `scaffold init DIR`, or go into one",
            )
        )

    def roots(self, names: Sequence[str]) -> tuple[tuple[str, Path], ...]:
        """The proto roots, as written and as folders."""
        return tuple((name.rstrip("/") or ".", self.root / name) for name in names)

    def listed(self) -> dict[str, Listed]:
        """The list of every path ever written; unreadable lines are left out."""
        file = self.root / LIST
        if not file.is_file():
            return {}
        found = {}
        for line in _read_text(file, LIST).splitlines():
            path, owner, rpc = (*line.split("\t"), "", "")[:3]
            if path and not path.startswith("#") and owner in _OWNERS:
                found[path] = Listed(path, owner, rpc)  # type: ignore[arg-type]  # checked against _OWNERS
        return found

    def snapshot(self, wanted: Iterable[str], standing: AbstractSet[str] = frozenset()) -> Snapshot:
        """What is on disk at the wanted and at the listed paths; those that are known to stand are not read."""
        listed = self.listed()
        return Snapshot({path: self._bytes(path) for path in sorted({*wanted, *listed} - standing)}, listed)

    def _bytes(self, path: str) -> bytes | None:
        try:
            with open(f"{self.root}/{path}", "rb") as file:  # noqa: PTH123 - there are thousands of them
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ScaffoldError(_refused(path, error, "read")) from error

    def exists(self, path: str) -> bool:
        """Whether there is anything at a path."""
        return os.path.lexists(self.root / path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace against a second writer. Raises ScaffoldError where there is one."""
        import fcntl  # POSIX only, like the rest of what runs services

        folder = self.root / CACHE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / "lock").open("w")
        except OSError as error:
            raise ScaffoldError(_refused(CACHE, error, "written")) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ScaffoldError(
                    Diagnostic(
                        "workspace-busy",
                        "another scaffold is writing here",
                        Location(str(self.root)),
                        "wait until it has finished, and run this again",
                    )
                ) from None
            yield

    def apply(self, plan: Plan, settings: str | None = None) -> None:
        """Bring the disk to the plan; ``settings`` is the new text of scaffold.toml.

        Raises ScaffoldError before anything is changed where a folder refuses the write. Whatever fails later leaves a
        tree that the next run completes.
        """
        steps = list(self._steps(plan, settings))
        if steps:
            _Writer(self.root).run(steps)

    def _steps(self, plan: Plan, settings: str | None) -> Iterator[tuple[str, bytes | None]]:
        """Path and new bytes (None: delete), in the order in which they have to reach the disk."""
        writes = plan.writes
        before, after = self.listed(), {entry.path: entry for entry in plan.listing}
        final = _list_text(after.values())
        # A file of the user's that is listed and absent counts as deleted by them: those that are about to be made are
        # listed afterwards only. (No plan ever wants a starter proto again.)
        new = {c.path for c in writes if c.owner == "yours" and c.action == "create" and not c.path.endswith(".proto")}
        if writes or settings is not None:
            union = _list_text({**before, **{path: e for path, e in after.items() if path not in new}}.values())
            if union != final:
                yield LIST, union
        # A proto has to be there before the settings name it.
        protos = [c for c in writes if c.path.endswith(".proto")]
        yield from ((c.path, c.after) for c in protos)
        if settings is not None:
            yield SETTINGS, settings.encode()
        guards = _half_written(plan)
        for gen in guards:
            path = f"{gen}/__init__.py"
            yield path, stamp.generated(path, "an interrupted regeneration", _GUARD).encode()
        held = {f"{gen}/{name}" for gen in guards for name in ("__init__.py", "descriptors.py")}
        held |= {c.path for c in protos}
        yield from ((c.path, c.after if c.action != "delete" else None) for c in writes if c.path not in held)
        by_path = {c.path: c for c in plan.changes}
        for gen in guards:
            descriptors = by_path.get(f"{gen}/descriptors.py")
            if descriptors is not None and descriptors.action in ("create", "update", "delete"):
                yield descriptors.path, descriptors.after
            init = by_path.get(f"{gen}/__init__.py")
            kept = init is not None and init.action == "keep"
            yield f"{gen}/__init__.py", self._bytes(f"{gen}/__init__.py") if kept else init.after if init else None
        if not (self.root / LIST).is_file() or _list_text(before.values()) != final or writes:
            yield LIST, final


class _Writer:
    """Stages every file beside the workspace's state, then moves all of them into place."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stage = root / CACHE / "stage"
        self._ready: set[Path] = set()

    def run(self, steps: Sequence[tuple[str, bytes | None]]) -> None:
        made: list[Path] = []
        try:
            staged = [self._prepare(number, path, content, made) for number, (path, content) in enumerate(steps)]
        except ScaffoldError:
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            shutil.rmtree(self._stage, ignore_errors=True)
            raise
        for (path, _), file in zip(steps, staged, strict=True):
            try:
                self._move(path, file)
            except OSError as error:
                raise ScaffoldError(_refused(path, error, "written", partly=True)) from error
        shutil.rmtree(self._stage, ignore_errors=True)

    def _prepare(self, number: int, path: str, content: bytes | None, made: list[Path]) -> Path | None:
        """Make the folder, see that it can be written to, and stage the content."""
        target = self._root / path
        try:
            if content is None:
                if target.exists() and not os.access(target.parent, os.W_OK | os.X_OK):
                    raise PermissionError(13, "permission denied")
                return None
            self._make(target.parent, made)
            if target.is_dir():
                raise PermissionError(13, "it is a folder")
            if number == 0:
                shutil.rmtree(self._stage, ignore_errors=True)
            self._stage.mkdir(parents=True, exist_ok=True)
            file = self._stage / str(number)
            file.write_bytes(content)
        except OSError as error:
            raise ScaffoldError(_refused(path, error, "written")) from error
        return file

    def _make(self, parent: Path, made: list[Path]) -> None:
        """Make a folder and those above it, and see that it can be written to: once for all files in it."""
        if parent in self._ready:
            return
        for folder in reversed([parent, *parent.parents]):
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied")
        self._ready.add(parent)

    def _move(self, path: str, staged: Path | None) -> None:
        target = self._root / path
        if staged is None:
            target.unlink(missing_ok=True)
            self._remove_empty(target.parent)
            return
        # Python trusts a .pyc whose source has the same size and the same mtime in whole seconds: a replaced file must
        # never keep both, or the old bytecode runs. Nor may it go back to the time of a version before that.
        with contextlib.suppress(FileNotFoundError):
            old = target.stat().st_mtime_ns
            if target.suffix == ".py" and old // 10**9 >= staged.stat().st_mtime_ns // 10**9:
                os.utime(staged, ns=(old + 10**9, old + 10**9))
            shutil.copymode(target, staged)
        staged.replace(target)

    def _remove_empty(self, folder: Path) -> None:
        """Folders that only held what was deleted go too; bytecode is nobody's."""
        while folder != self._root and folder.is_dir():
            rest = [f for f in folder.iterdir() if f.name != "__pycache__"]
            if rest:
                return
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            folder.rmdir()
            folder = folder.parent


def _half_written(plan: Plan) -> list[str]:
    """The ``gen`` folders, known by their descriptors, in which more changes than their ``__init__.py``."""
    gens = [c.path.removesuffix("/descriptors.py") for c in plan.changes if c.path.endswith("/gen/descriptors.py")]
    written = [c.path for c in plan.writes]
    return [gen for gen in gens if any(p.startswith(f"{gen}/") and p != f"{gen}/__init__.py" for p in written)]


def _list_text(entries: Iterable[Listed]) -> bytes:
    lines = sorted("\t".join((e.path, e.owner, e.rpc)).rstrip("\t") for e in entries)
    return (_LIST_HEADER + "".join(f"{line}\n" for line in lines)).encode()


def _read_text(file: Path, name: str) -> str:
    try:
        return file.read_bytes().decode()  # newlines as they are: the user's text is written back
    except (OSError, UnicodeDecodeError) as error:
        raise ScaffoldError(_refused(name, error, "read")) from error


def _refused(path: str, error: OSError | UnicodeDecodeError, what: str, *, partly: bool = False) -> Diagnostic:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    remedy = "see that the path is a file in a folder of yours, that you may write there, and that the disk is not full"
    if partly:
        remedy += "; then `scaffold regen` completes what was begun"
    return Diagnostic(f"cannot-be-{what}", reason.lower(), Location(path), remedy)


__all__ = ["CACHE", "LIST", "SETTINGS", "STATE", "Change", "Workspace"]
