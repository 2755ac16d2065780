"""Law 4 with real processes and a real disk: killed, out of space, refused, and two at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scaffold.shell import workspace as writer
from tests.laws.library import Library
from tests.laws.test_kills import imports
from tests.support import REPO, Said, contents, scaffold, scaffold_process, tree

HANDLERS = "services/library/src/library/handlers"
MINE = b"\n# Mine, and not to be lost.\n"
# It fits before the rename and after it.
RENAMED = b"def lend_book(request, context):\n    return None\n\n\nburn_book = lend_book\n"


def edited(root: Path) -> Path:
    """A workspace with a person's code, whose API changes: an RPC comes, one goes, one is renamed, a message grows."""
    for name in ("get_book", "lend_book", "list_books"):
        path = root / HANDLERS / f"{name}.py"
        path.write_bytes((RENAMED if name == "lend_book" else path.read_bytes()) + MINE)
    api = Library().renamed("LendBook", "BurnBook").removed("ListBooks").added("CreateBook").grown(1)
    (root / "protos/library.proto").write_text(api.text(), encoding="utf-8")
    return root


COMMAND = ("regen", "--rename", "Library.LendBook=BurnBook", "--prune")


@pytest.fixture
def unbroken(template: Path, tmp_path: Path) -> dict[str, bytes]:
    """What an uninterrupted run makes of it."""
    root = Path(shutil.copytree(template, tmp_path / "unbroken"))
    said = scaffold(edited(root), *COMMAND)
    assert said.code == 0, said.text
    found = contents(root)
    shutil.rmtree(root)
    assert sum(content.endswith(MINE) for content in found.values()) == 3
    return found


@pytest.fixture
def writes(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many writes it takes."""
    root = edited(Path(shutil.copytree(template, tmp_path / "counted")))
    seen: list[str] = []
    real = writer._Writer._move

    def move(self: writer._Writer, path: str, staged: Path | None) -> None:
        seen.append(path)
        real(self, path, staged)

    monkeypatch.setattr(writer._Writer, "_move", move)
    assert scaffold(root, *COMMAND).code == 0
    monkeypatch.undo()
    return len(seen)


def in_trouble(root: Path, kind: str, at: int, *command: str, powerless: bool = False) -> Said:
    """Run a command that gets into trouble."""
    program = ("-m", "tests.laws.trouble", kind, str(at), *command)
    return scaffold_process(root, powerless=powerless, program=program)


def usable(root: Path) -> str:
    """What importing gives: fine, or an error that says what to run."""
    outcome = imports(root)
    assert outcome == "fine" or "run `scaffold regen`" in outcome, outcome
    return outcome


def converges(root: Path, unbroken: dict[str, bytes]) -> None:
    """A next run completes what was begun; typed as before, or without the options that are carried out already."""
    said = scaffold(root, *COMMAND)
    if said.code == 2 and "renamed already" in said.err:
        said = scaffold(root, "regen", "--prune")
    assert said.code == 0, said.text
    assert contents(root) == unbroken
    assert imports(root) == "fine"
    again = tree(root)
    assert scaffold(root, "regen").code == 0
    assert tree(root) == again


def survives(root: Path) -> None:
    """Every byte of the person's is somewhere: at its place, at its new place, or in the attic."""
    mine = [path.name for path in root.rglob("*.py") if path.read_bytes().endswith(MINE)]
    assert {"get_book.py", "list_books.py"} <= set(mine)
    assert {"lend_book.py", "burn_book.py"} & set(mine)


def test_killed_by_the_system(fresh: Callable[[], Path], unbroken: dict[str, bytes], writes: int) -> None:
    """With a rename and an archive under way; at a write of each kind, and at the last one."""
    outcomes = []
    for at in (1, 2, 3, 4, 5, 6, 7, writes // 2, writes - 4, writes - 1, writes):
        root = edited(fresh())
        said = in_trouble(root, "killed", at, *COMMAND)
        assert said.code == -signal.SIGKILL, f"write {at}: {said.text}"
        survives(root)
        outcomes.append(usable(root))
        converges(root, unbroken)
    assert {"fine"} < set(outcomes), "no kill left a tree that has to be refused: this has shown nothing"


@pytest.mark.parametrize("at", [1, 5, 9, 16])
def test_a_write_that_is_refused_in_the_middle(at: int, fresh: Callable[[], Path], unbroken: dict[str, bytes]) -> None:
    """Everything was looked at before; then a folder becomes read-only."""
    root = edited(fresh())
    if os.geteuid() == 0 and scaffold_process(root, "--version", powerless=True).code != 0:
        pytest.skip("root cannot give up its power here")
    said = in_trouble(root, "refused", at, *COMMAND, powerless=os.geteuid() == 0)
    assert said.code == 2, said.text
    assert ": cannot-be-written: permission denied\n" in said.err
    assert "then `scaffold regen" in said.err and "completes what was begun" in said.err
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    survives(root)
    usable(root)
    converges(root, unbroken)


@pytest.mark.parametrize("limit", [100, 4000, 6000])
def test_a_disk_that_is_full_by_a_limit(limit: int, fresh: Callable[[], Path], unbroken: dict[str, bytes]) -> None:
    """RLIMIT_FSIZE: staging fails, before anything is in place. No power over mounts is needed for it."""
    root = edited(fresh())
    before = tree(root)
    said = in_trouble(root, "limited", limit, *COMMAND)
    assert said.code == 2, said.text
    assert ": cannot-be-written: file too large\n" in said.err
    assert tree(root) == before
    assert not (root / ".scaffold/cache/stage").exists()
    converges(root, unbroken)


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A tmpfs of so many bytes at a folder; skips the test where nothing can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("free", [0, 1, 5, 12])
def test_a_disk_that_is_full(free: int, template: Path, tmp_path: Path, unbroken: dict[str, bytes]) -> None:
    """A tmpfs of the workspace's size and a few pages more: it says so, keeps everything, and completes it later."""
    with small_disk(tmp_path / "disk", 64 * 2**20):
        root = Path(shutil.copytree(template, tmp_path / "disk/library", ignore=shutil.ignore_patterns("__pycache__")))
        edited(root)
        (root / ".scaffold/cache").mkdir(exist_ok=True)
        before = tree(root)
        page = os.sysconf("SC_PAGE_SIZE")
        fill(tmp_path / "disk", free * page)
        said = scaffold_process(root, *COMMAND, environment={"PYTHONDONTWRITEBYTECODE": "1"})
        assert said.code == 2, said.text
        assert ": cannot-be-written: no space left on device\n" in said.err
        assert tree(root) == before
        survives(root)
        (tmp_path / "disk/filler").unlink()
        converges(root, unbroken)


def fill(disk: Path, free: int) -> None:
    """Leave only so many bytes of a disk."""
    status = os.statvfs(disk)
    left = status.f_bavail * status.f_frsize
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, left - free)


def test_several_at_once(fresh: Callable[[], Path], unbroken: dict[str, bytes]) -> None:
    """One does it. The others come later and find it done, or are told to."""
    root = edited(fresh())
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "scaffold", *COMMAND],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    said = [(p.communicate(timeout=60), p.returncode) for p in processes]
    assert [code for _, code in said].count(0) >= 1
    for (_, err), code in said:
        assert code == 0 or (code == 2 and ("workspace-busy" in err or "renamed already" in err)), err
    assert contents(root) == unbroken
    assert imports(root) == "fine"


def test_a_second_one_while_the_first_writes(fresh: Callable[[], Path], unbroken: dict[str, bytes]) -> None:
    """The first one stands still amidst its writes: every writing command is refused, and reading ones work."""
    root = edited(fresh())
    code = """
        import sys, time
        from pathlib import Path
        from scaffold.cli.main import run
        from scaffold.shell import workspace as writer
        real, seen = writer._Writer._move, []
        def move(self, path, staged):
            real(self, path, staged)
            seen.append(path)
            if len(seen) == 9:
                print("waiting", flush=True)
                sys.stdin.readline()
        writer._Writer._move = move
        run(sys.argv[1:])
    """
    program = "\n".join(line[8:] for line in code.splitlines())
    first = subprocess.Popen(
        [sys.executable, "-c", program, *COMMAND],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "waiting\n"
        half = contents(root)
        for command in (("regen",), COMMAND, ("new", "store", "late")):
            said = scaffold_process(root, *command)
            assert said.code == 2, said.text
            assert "workspace-busy: another scaffold is writing here\n  help: wait until it has finished" in said.err
        assert contents(root) == half
        usable(root)
        first.communicate("\n", timeout=60)
        assert first.returncode == 0
    finally:
        first.kill()
        first.wait()
    assert contents(root) == unbroken
