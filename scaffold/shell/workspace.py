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
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.core import attic, stamp
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Listed, Plan, Snapshot, made_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

SETTINGS = "scaffold.toml"
STATE = ".scaffold"
LIST = f"{STATE}/files"
CACHE = f"{STATE}/cache"

# From the owner that allows least: a file of the user's is never deleted.
_OWNERS = ("yours", "stub", "generated")
# Folders that tools fill and empty as they like.
_CACHES = (
    "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".import_linter_cache", ".venv", ".git",
)  # fmt: skip
_NOT_SOURCE = ("__pycache__", "node_modules", "site-packages")
_LIST_HEADER = "# Every path that scaffold has written: path, owner, RPC. Kept by scaffold; merges by union.\n"
_GUARD = """raise ImportError(
    "this gen/ is half written: a regeneration was interrupted; run `{command}` to finish it"
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
        """The list of every path ever written. Raises ScaffoldError for lines that scaffold would not write."""
        if problems := self._outside([LIST]):
            raise ScaffoldError(*problems)
        file = self.root / LIST
        if not file.is_file():
            return {}
        return dict(_entries(_read_text(file, LIST)))

    def read(self, paths: Iterable[str]) -> dict[str, bytes | None]:
        """The bytes at paths (None: absent). Raises ScaffoldError where one leads out of the workspace."""
        paths = sorted(paths)
        ScaffoldError.raise_if(self._outside(paths))
        return {path: self._bytes(path) for path in paths}

    def snapshot(self, wanted: Iterable[str], standing: AbstractSet[str] = frozenset()) -> Snapshot:
        """What is on disk at the wanted and at the listed paths; those that are known to be ``standing`` are not read.

        Raises ScaffoldError where a folder on the way is a link out of the workspace, and where a wanted path differs
        from one that exists by upper and lower case only.
        """
        listed, wanted = self.listed(), set(wanted)
        ScaffoldError.raise_if(self._outside(standing))
        files = self.read({*wanted, *listed} - standing)
        ScaffoldError.raise_if(self._by_case_only(path for path in sorted(wanted - standing) if files[path] is None))
        return Snapshot(files, listed)

    def strays(self, known: AbstractSet[str], living: AbstractSet[str]) -> dict[str, Listed]:
        """Files of ours that the list does not know, by what their stamps say.

        A merge can do that: one branch drops a file and its line in the list, the other one changes the file, and git
        keeps the file without the line. ``living`` are the RPCs that there are, as ``Service.Rpc``: a handler with the
        stamp of one of those is somebody's copy.
        """
        gens = (path.removesuffix("/descriptors.py") for path in known if path.endswith("/gen/descriptors.py"))
        found = {}
        for folder in sorted({f"{gen.removesuffix('/gen')}/{name}" for gen in gens for name in ("gen", "handlers")}):
            for path in self._files_below(folder):
                content = None if path in known else self._bytes(path)
                if content is None:
                    continue
                rpc = stamp.stub_of(content)
                if rpc and rpc not in living:
                    found[path] = Listed(path, "stub", rpc)
                elif not rpc and "/gen/" in path and stamp.of(content) is stamp.Mark.INTACT:
                    found[path] = Listed(path, "generated")
        return found

    def _files_below(self, folder: str) -> Iterator[str]:
        """The paths of files below a folder of the workspace; what Python leaves, and links, are left out."""
        try:
            entries = list(os.scandir(f"{self.root}/{folder}"))
        except OSError:
            return
        for entry in entries:
            path = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from self._files_below(path)
            elif not entry.is_symlink():
                yield path

    def _bytes(self, path: str) -> bytes | None:
        file = f"{self.root}/{path}"  # there are thousands of them, and pathlib takes twice as long
        try:
            if os.path.islink(file) and self.leads_out(path):  # noqa: PTH114
                # What is outside is not read: of a link that leads there, the bytes are where it points.
                return os.fsencode(Path(file).readlink())
            with open(file, "rb") as stream:  # noqa: PTH123
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ScaffoldError(_refused(path, error, "read")) from error

    def leads_out(self, path: str) -> bool:
        """Whether what is at a path is outside of the workspace: its bytes are then where the link leads."""
        return not (self.root / path).resolve().is_relative_to(self.root.resolve())

    def _outside(self, paths: Iterable[str]) -> list[Diagnostic]:
        """A diagnostic for each folder on the way to a path that is a link to somewhere else."""
        seen: dict[Path, bool] = {self.root: False}

        def leads_out(folder: Path) -> bool:
            if folder not in seen:
                out = leads_out(folder.parent)
                seen[folder] = out or (folder.is_symlink() and self.leads_out(folder.relative_to(self.root).as_posix()))
            return seen[folder]

        for folder in {path.rpartition("/")[0] for path in paths}:
            leads_out(self.root / folder)
        links = (f for f, out in seen.items() if out and not seen[f.parent])
        return [_leads_outside(folder.relative_to(self.root).as_posix()) for folder in sorted(links)]

    def _by_case_only(self, absent: Iterable[str]) -> Iterator[Diagnostic]:
        """A diagnostic for each existing path that an absent one would be on a disk that does not tell case apart."""
        there: dict[str, list[str]] = {}
        said: set[str] = set()
        for path in absent:
            folder = ""
            for part in path.split("/"):
                if folder not in there:
                    there[folder] = self._names(folder)
                if part not in there[folder]:
                    like = next((name for name in there[folder] if name.casefold() == part.casefold()), None)
                    if like and f"{folder}{like}" not in said:
                        said.add(f"{folder}{like}")
                        yield _by_case(f"{folder}{like}", f"{folder}{part}")
                    break
                folder += f"{part}/"

    def _names(self, folder: str) -> list[str]:
        """What is in a folder; nothing where there is none."""
        try:
            return os.listdir(f"{self.root}/{folder}")  # noqa: PTH208 - for every folder of every component
        except OSError:
            return []

    def strangers(self, folder: str) -> tuple[str, ...]:
        """The files below a folder that are not listed: somebody else's. Links are not followed; caches are nobody's."""
        listed = self.listed()
        found = []
        for top, folders, files in os.walk(self.root / folder):
            place = Path(top).relative_to(self.root)
            links = [name for name in folders if (Path(top) / name).is_symlink()]
            folders[:] = sorted(name for name in folders if name not in (*_CACHES, *links))
            found += [(place / name).as_posix() for name in (*files, *links)]
        return tuple(sorted(path for path in found if path not in listed))

    def python_files(self, folder: str) -> dict[str, bytes]:
        """The Python files below a folder that are no tool's: hidden folders, environments and links are left out."""
        found: dict[str, bytes] = {}
        for place, folders, names in os.walk(self.root / folder):
            if "pyvenv.cfg" in names:
                folders.clear()
                continue
            folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _NOT_SOURCE)
            base = Path(place)
            for name in sorted(names):
                file = base / name
                if name.endswith(".py") and not file.is_symlink():
                    path = file.relative_to(self.root).as_posix()
                    if (content := self._bytes(path)) is not None:
                        found[path] = content
        return found

    def named(self, path: str, start: Path) -> str:
        """A path that the user typed in a folder, as this workspace calls it: from its root, as every message has it.

        One from the root is taken as it is, wherever it is typed: it was copied from a message.
        """
        if Path(path).is_absolute() and Path(path).is_relative_to(self.root):
            return Path(path).relative_to(self.root).as_posix()
        if os.path.lexists(self.root / path) or not os.path.lexists(start / path):
            return os.path.normpath(path)
        return Path(os.path.relpath(start.resolve() / path, self.root)).as_posix()

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
        steps = [*self._archive(plan), *self._steps(plan, settings)]
        ScaffoldError.raise_if(self._outside(step.path for step in steps))
        if steps:
            _Writer(self.root).run(steps, lambda: self._changed_since(plan))

    def _changed_since(self, plan: Plan) -> Iterator[Diagnostic]:
        """A diagnostic for each file that is to be replaced or taken away and is not what the plan was made from.

        And one for the settings, from which all of it was made: somebody may have saved them while a question stood open.
        """
        begins = any(change.path == SETTINGS for change in plan.writes)
        if not begins and (self._bytes(SETTINGS) or b"") != self.text.encode():
            yield _changed(SETTINGS)
        for change in plan.writes:
            if change.action == "move" and change.after is not None and self._bytes(change.source) != change.after:
                yield _changed(change.source)
            if self._bytes(change.path) != change.before:
                yield _changed(change.path)

    def _archive(self, plan: Plan) -> Iterator[_Step]:
        """Copies for the attic of everything that a plan takes away, and a note about them: all of it comes first."""
        if not plan.archived:
            return
        entry = self.entry_for(plan)
        for change in plan.archived:
            assert change.before is not None  # nobody archives what is not there
            yield _Step(entry.place(change.path), change.before, like=change.path, durable=True)
        yield _Step(entry.place(attic.ABOUT), attic.about(entry, plan, self.listed()), durable=True)

    def entry_for(self, plan: Plan) -> attic.Entry:
        """The entry that a plan's archive goes into: a new one, or the one that an interrupted run has begun."""
        entries = self.attic()
        last = max(entries, key=lambda e: e.number, default=attic.Entry(0, "", ""))
        if (last.verb, last.name) == (plan.verb, plan.name) and self._holds(last, plan):
            return last
        return attic.Entry(last.number + 1, plan.verb, plan.name)

    def _holds(self, entry: attic.Entry, plan: Plan) -> bool:
        """Whether an entry has all that a plan archives, or was never finished: then nothing else has been touched yet."""
        if not (self.root / entry.place(attic.ABOUT)).is_file():
            return True
        return all(self._bytes(entry.place(c.path)) == c.before for c in plan.archived)

    def attic(self) -> tuple[attic.Entry, ...]:
        """The entries of the attic, by number."""
        top = self.root / attic.FOLDER
        found = []
        for folder in sorted(top.iterdir()) if top.is_dir() else ():
            files = [f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file() or f.is_symlink()]
            note = folder / attic.ABOUT
            text = note.read_bytes().decode(errors="replace") if note.is_file() else ""
            if entry := attic.entry_of(folder.name, files, text):
                found.append(entry)
        return tuple(sorted(found, key=lambda e: (e.number, e.folder)))

    def _steps(self, plan: Plan, settings: str | None) -> Iterator[_Step]:
        """What is written, deleted and moved, in the order in which it has to reach the disk."""
        writes = plan.writes
        before, after = self.listed(), {entry.path: entry for entry in plan.listing}
        final = _list_text(after.values())
        # A file that is made once, is listed and absent counts as deleted by the user: those that are about to be made
        # are listed afterwards only. (No plan ever wants a starter proto again.)
        new = {
            c.path
            for c in writes
            if c.action == "create" and made_once(c.owner, c.rpc) and not c.path.endswith(".proto")
        }
        if writes or settings is not None:
            union = _list_text({**before, **{path: e for path, e in after.items() if path not in new}}.values())
            if union != final:
                yield _Step(LIST, union)
        # A proto has to be there before the settings name it.
        protos = [c for c in writes if c.path.endswith(".proto")]
        yield from (_Step(c.path, c.after) for c in protos)
        if settings is not None:
            yield _Step(SETTINGS, settings.encode())
        guards = _half_written(plan)
        guard = _GUARD.format(command=plan.command)
        for gen in guards:
            path = f"{gen}/__init__.py"
            yield _Step(path, stamp.generated(path, "an interrupted regeneration", guard).encode())
        held = {f"{gen}/{name}" for gen in guards for name in ("__init__.py", "descriptors.py")}
        held |= {c.path for c in protos}
        # What is moved leaves its place before anything is made there.
        yield from (_Step(c.path, source=c.source) for c in plan.moves)
        yield from (_Step(c.path, c.after) for c in writes if c.path not in held and c.action != "move")
        by_path = {c.path: c for c in plan.changes}
        for gen in guards:
            descriptors = by_path.get(f"{gen}/descriptors.py")
            if descriptors is not None and descriptors in writes:
                yield _Step(descriptors.path, descriptors.after)
            init = by_path.get(f"{gen}/__init__.py")
            kept = init is not None and init.action == "keep"
            content = self._bytes(f"{gen}/__init__.py") if kept else init.after if init else None
            yield _Step(f"{gen}/__init__.py", content)
        if not (self.root / LIST).is_file() or _list_text(before.values()) != final or writes:
            yield _Step(LIST, final)


@dataclass(frozen=True)
class _Step:
    """One write: new bytes, or none (it is deleted), or the file ``source`` moves here.

    ``like`` is a file whose mode it takes. A ``durable`` one is on the disk before the first step that is not.
    """

    path: str
    content: bytes | None = None
    source: str = ""
    like: str = ""
    durable: bool = False


class _Writer:
    """Stages every file beside the workspace's state, then moves all of them into place."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stage = root / CACHE / "stage"
        self._ready: set[Path] = set()

    def run(self, steps: Sequence[_Step], changed: Callable[[], Iterable[Diagnostic]]) -> None:
        """Carry the steps out, unless something has ``changed`` when they are staged."""
        made: list[Path] = []
        try:
            staged = [self._prepare(number, step, made) for number, step in enumerate(steps)]
            ScaffoldError.raise_if(changed())
        except ScaffoldError:
            for folder in reversed(made):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            shutil.rmtree(self._stage, ignore_errors=True)
            raise
        durable = {self._root / step.path for step in steps if step.durable}
        for step, file in zip(steps, staged, strict=True):
            try:
                if durable and not step.durable:
                    _sync_folders(durable, self._root)
                    durable = set()
                self._move(step.path, file)
            except OSError as error:
                raise ScaffoldError(_refused(step.path, error, "written", partly=True)) from error
        shutil.rmtree(self._stage, ignore_errors=True)

    def _prepare(self, number: int, step: _Step, made: list[Path]) -> Path | None:
        """Make the folder, see that it can be written to, and stage the content."""
        target = self._root / step.path
        try:
            if step.content is None and not step.source:
                if target.exists():
                    _check_writable(target.parent)
                return None
            self._make(target.parent, made)
            if target.is_dir() and not target.is_symlink():
                raise PermissionError(13, "it is a folder")
            if number == 0:
                shutil.rmtree(self._stage, ignore_errors=True)
            if step.source:
                _check_writable((self._root / step.source).parent)
                return self._root / step.source
            self._stage.mkdir(parents=True, exist_ok=True)
            file = self._stage / str(number)
            self._write(file, step)
        except OSError as error:
            raise ScaffoldError(_refused(step.path, error, "written")) from error
        return file

    def _make(self, parent: Path, made: list[Path]) -> None:
        """Make a folder and those above it, and see that it can be written to: once for all files in it."""
        if parent in self._ready:
            return
        for folder in reversed([parent, *parent.parents]):
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
        _check_writable(parent)
        self._ready.add(parent)

    def _write(self, file: Path, step: _Step) -> None:
        assert step.content is not None
        if step.like and (self._root / step.like).is_symlink():
            file.symlink_to((self._root / step.like).readlink())
            return
        with file.open("wb") as stream:
            stream.write(step.content)
            if step.durable:
                stream.flush()
                os.fsync(stream.fileno())
        if step.like:
            shutil.copymode(self._root / step.like, file)

    def _move(self, path: str, staged: Path | None) -> None:
        target = self._root / path
        if staged is None:
            target.unlink(missing_ok=True)
            self._remove_empty(target.parent)
            return
        made_here = staged.parent == self._stage
        # Python trusts a .pyc whose source has the same size and the same mtime in whole seconds: a replaced file must
        # never keep both, or the old bytecode runs. Nor may it go back to the time of a version before that.
        with contextlib.suppress(FileNotFoundError):
            old = target.stat().st_mtime_ns
            if target.suffix == ".py" and old // 10**9 >= staged.stat().st_mtime_ns // 10**9:
                os.utime(staged, ns=(old + 10**9, old + 10**9))
            if made_here:
                shutil.copymode(target, staged)
        staged.replace(target)
        if not made_here:
            self._remove_empty(staged.parent)

    def _remove_empty(self, folder: Path) -> None:
        """Folders that only held what was deleted go too; bytecode is nobody's."""
        while folder != self._root and folder.is_dir():
            rest = [f for f in folder.iterdir() if f.name != "__pycache__"]
            if rest:
                return
            shutil.rmtree(folder / "__pycache__", ignore_errors=True)
            folder.rmdir()
            folder = folder.parent


@lru_cache(maxsize=2)
def _entries(text: str) -> Mapping[str, Listed]:
    """The lines of a list by path. Several steps of a run read the same one. Raises ScaffoldError."""
    found: dict[str, Listed] = {}
    damaged = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        entry = _listed(line)
        if entry is None:
            damaged.append(_damaged(number, line))
        # Merged by union, a path may be there twice: the owner that allows less has it.
        elif (known := found.get(entry.path)) is None or _allows(entry) < _allows(known):
            found[entry.path] = entry
    ScaffoldError.raise_if(damaged)
    return found


def _listed(line: str) -> Listed | None:
    """A line of the list; None for one that scaffold never wrote: nothing outside the workspace is ever its business."""
    path, owner, rpc, *more = (*line.split("\t"), "", "")
    inside = not {"", ".", ".."}.intersection(path.split("/")) and "\0" not in path
    if not inside or owner not in _OWNERS or any(more) or path.startswith(f"{STATE}/"):
        return None
    return Listed(path, owner, rpc)  # type: ignore[arg-type]  # checked against _OWNERS


def _allows(entry: Listed) -> tuple[int, str]:
    return _OWNERS.index(entry.owner), entry.rpc


def _check_writable(folder: Path) -> None:
    """Raise PermissionError where entries of a folder cannot be made or taken away."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, "permission denied")


def _sync_folders(files: Iterable[Path], root: Path) -> None:
    """See that the names of files are on the disk, like their bytes: those of every folder up to the root."""
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(root)}
    for folder in sorted(folders, reverse=True):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
        content = file.read_bytes()
    except OSError as error:
        raise ScaffoldError(_refused(name, error, "read")) from error
    try:
        return content.decode()  # newlines as they are: the user's text is written back
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ScaffoldError(
            Diagnostic("cannot-be-read", "it is not UTF-8 text", Location(name, line), "save it as UTF-8")
        ) from error


def _damaged(number: int, line: str) -> Diagnostic:
    shown = line if len(line) <= 60 else f"{line[:60]}…"
    return Diagnostic(
        "list-damaged",
        f'"{shown}" is no line of the list: a path inside the workspace, its owner and its RPC, with tabs between',
        Location(LIST, number),
        "take the file as it was committed last (`git checkout -- .scaffold/files`), or delete the line: what is wanted is "
        "listed again",
    )


def _leads_outside(path: str) -> Diagnostic:
    return Diagnostic(
        "leads-outside",
        "this folder is a link out of the workspace, and files of a component belong below it",
        Location(path),
        "put the folder itself there: nothing outside the workspace is read or written",
    )


def _by_case(found: str, wanted: str) -> Diagnostic:
    return Diagnostic(
        "differs-by-case",
        f"{wanted} has to be made, and on many disks that is the same path",
        Location(found),
        "give one of the two another name",
    )


def _changed(path: str) -> Diagnostic:
    return Diagnostic(
        "changed-meanwhile",
        "it was changed while this command ran, and nothing was written",
        Location(path),
        "run the command again: it starts from what is there now",
    )


def _refused(path: str, error: OSError, what: str, *, partly: bool = False) -> Diagnostic:
    reason = error.strerror or str(error)
    remedy = "see that the path is a file in a folder of yours, that you may write there, and that the disk is not full"
    if partly:
        remedy += "; then `scaffold regen` completes what was begun"
    return Diagnostic(f"cannot-be-{what}", reason.lower(), Location(path), remedy)
