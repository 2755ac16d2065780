"""Nothing that somebody wrote is lost by burning, restoring, removing and renaming, wherever these are interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core import stamp
from scaffold.shell import workspace as writer
from tests.laws.library import Library
from tests.support import contents, scaffold, tree

ROOT = "services/library"
PACKAGE = f"{ROOT}/src/library"
OURS = (
    f"{PACKAGE}/app.py", f"{PACKAGE}/handlers/get_book.py", f"{PACKAGE}/handlers/lend_book.py", f"{ROOT}/README.md",
    f"{ROOT}/tests/test_handlers.py", f"{PACKAGE}/gen/api.py", f"{PACKAGE}/handlers/__init__.py",
)  # fmt: skip
STRANGERS = (
    f"{PACKAGE}/rules.py", f"{PACKAGE}/handlers/helpers.py", f"{ROOT}/notes/a.txt", f"{PACKAGE}/gen/mine.py",
    f"{ROOT}/library.db", ".data/library.db", "elsewhere/x.py",
)  # fmt: skip
BYTES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"", b"# mine\n", b"# mine\r\n", b"x = 1\n# scaffold:stub from x sha256=" + b"0" * 64 + b"\n"]),
)
EDITS = st.dictionaries(st.sampled_from(OURS), st.one_of(st.none(), BYTES), max_size=4)
ADDED = st.dictionaries(st.sampled_from(STRANGERS), BYTES, max_size=4)


def edit(root: Path, edits: dict[str, bytes | None], added: dict[str, bytes]) -> dict[str, bytes]:
    """Do what a person does; what is theirs from then on, by path."""
    theirs = dict(added)
    for path, content in edits.items():
        if content is None:
            (root / path).unlink()
        elif path.endswith(".py"):
            theirs[path] = b"# " + content.replace(b"\n", b" ").replace(b"\r", b" ").hex().encode() + b"\n"
        else:
            theirs[path] = content
    for path, content in theirs.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return theirs


def somewhere(root: Path, content: bytes) -> bool:
    """Whether bytes are anywhere in a workspace: at a place of somebody's, or in the attic."""
    return content in contents(root).values()


def without_state(found: dict[str, bytes]) -> dict[str, bytes]:
    return {path: content for path, content in found.items() if not path.startswith(".scaffold/")}


@settings(max_examples=8)
@given(edits=EDITS, added=ADDED, handlers=st.booleans())
def test_burning(
    fresh: Callable[[], Path], edits: dict[str, bytes | None], added: dict[str, bytes], handlers: bool
) -> None:
    """What is burnt is as it was first made, byte for byte; a regeneration then has nothing to do; all of it comes back."""
    root = fresh()
    made = without_state(contents(root))
    theirs = edit(root, edits, added)
    before = contents(root)
    option = ["--keep-handlers"] * handlers
    said = scaffold(root, "burn", "library", "--yes", *option)
    assert said.code == 0, said.text
    after = contents(root)
    kept = {p for p in theirs if handlers and ("/handlers/" in p or "/tests/" in p) and not p.endswith("__init__.py")}
    expected = made | added | {p: before[p] for p in kept if p in before}
    assert without_state(after) == expected, "afresh, and strangers where they were"
    assert all(somewhere(root, content) for content in theirs.values())
    _twice_is_once(root)
    if entries := sorted((root / ".scaffold").glob("attic/*")):
        assert scaffold(root, "restore", entries[-1].name.partition("-")[0]).code == 0
        deleted = {path: made[path] for path, content in edits.items() if content is None}
        assert without_state(contents(root)) == without_state(before) | deleted, "the attic gives everything back"
        assert not (root / ".scaffold/attic").exists()


def _twice_is_once(root: Path) -> None:
    before = tree(root)
    said = scaffold(root, "regen")
    assert said.code == 0, said.text
    assert tree(root) == before


@settings(max_examples=6)
@given(edits=EDITS, added=ADDED)
def test_removing(fresh: Callable[[], Path], edits: dict[str, bytes | None], added: dict[str, bytes]) -> None:
    """Of the component only what nobody here wrote stays; with what comes back from the attic it is as it was."""
    root = fresh()
    assert scaffold(root, "remove", "desk", "--yes").code == 0
    others = {p for p in contents(root) if not p.startswith((f"{ROOT}/", ".scaffold/"))} - {"scaffold.toml"}
    theirs = edit(root, edits, added)
    before = contents(root)
    said = scaffold(root, "remove", "library", "--yes")
    assert said.code == 0, said.text
    after = contents(root)
    assert {p for p in after if p.startswith(f"{ROOT}/")} == {p for p in added if p.startswith(f"{ROOT}/")}
    assert {p: after[p] for p in {*added, *others}} == {p: before[p] for p in {*added, *others}}
    assert all(somewhere(root, content) for content in theirs.values())
    assert scaffold(root, "restore", "2").code == 0
    back = contents(root)
    assert {p: back[p] for p in theirs} == theirs
    if f"{PACKAGE}/gen/api.py" in theirs:
        return  # it is back, too, and so is the conflict
    said = scaffold(root, "regen")
    assert said.code == 0, said.text
    # What somebody had deleted is made again: with the component its place in the list went.
    again = {p for p, content in edits.items() if content is None}
    assert {p: c for p, c in without_state(contents(root)).items() if p not in again} == without_state(before)


@settings(max_examples=6)
@given(edits=EDITS, added=ADDED)
def test_renaming(fresh: Callable[[], Path], edits: dict[str, bytes | None], added: dict[str, bytes]) -> None:
    """A file of somebody's is where the new name has it, byte for byte; nothing is left under the old one."""
    root = fresh()
    edits.pop(f"{PACKAGE}/gen/api.py", None)  # an edited generated file is a conflict, whatever else is asked
    theirs = edit(root, edits, added)
    said = scaffold(root, "regen", "--rename", "stores.library=archive")
    assert said.code == 0, said.text
    after = contents(root)
    assert not [p for p in after if p.startswith("services/library/")]
    for path, content in theirs.items():
        new = path.replace("services/library/src/library/", "services/archive/src/archive/")
        assert after[new.replace("services/library/", "services/archive/")] == content, path
    _twice_is_once(root)


# Killed at any write.


class Killed(BaseException):
    """As SIGKILL: nothing that the writer could catch or clean up after."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[str]]:
    """Kill the writer at its n-th step; gives the list of the paths that it had come to."""

    def arm(at: int) -> list[str]:
        real: Callable[..., object] = writer._Writer._move
        seen: list[str] = []

        def call(self: object, path: str, staged: Path | None) -> object:
            seen.append(path)
            if len(seen) == at:
                raise Killed
            return real(self, path, staged)

        monkeypatch.setattr(writer._Writer, "_move", call)
        return seen

    return arm


THEIRS = {
    f"{PACKAGE}/app.py": b"# app: mine\n",
    f"{PACKAGE}/handlers/get_book.py": b"# get: mine\n",
    f"{PACKAGE}/rules.py": b"# rules: mine\n",
    f"{ROOT}/README.md": b"mine\n",
    ".data/library.db": b"rows",
}


def commands() -> Iterator[tuple[str, ...]]:
    yield ("burn", "library", "--yes")
    yield ("remove", "library", "--yes")
    yield ("regen", "--rename", "stores.library=archive")
    yield ("regen", "--prune")
    yield ("restore", "1")


@pytest.mark.parametrize("command", list(commands()), ids=lambda c: c[0] + c[-1].strip("-"))
def test_killed_at_any_write(
    command: tuple[str, ...],
    fresh: Callable[[], Path],
    tmp_path: Path,
    kill: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same command, run again, comes to where an unbroken run comes; no byte of anybody's is gone in between."""
    ready = tmp_path / "ready"
    shutil.copytree(fresh(), ready)
    _prepare(ready, command)
    unbroken = tmp_path / "unbroken"
    shutil.copytree(ready, unbroken)
    steps = kill(0)
    assert scaffold(unbroken, *command).code == 0
    monkeypatch.undo()
    expected = contents(unbroken)
    for at in _interesting(steps):
        root = tmp_path / "killed"
        shutil.copytree(ready, root)
        kill(at)
        with pytest.raises(Killed):
            scaffold(root, *command)
        monkeypatch.undo()
        assert all(somewhere(root, content) for content in THEIRS.values()), (at, steps[at - 1])
        said = scaffold(root, *command)
        done = said.code == 2 and command[0] in ("remove", "restore") and steps[at - 1] == ".scaffold/files"
        assert said.code == 0 or done, (steps[at - 1], said.text)
        if done:
            scaffold(root, "regen")
        assert contents(root) == expected, (at, steps[at - 1])
        shutil.rmtree(root)


def _prepare(root: Path, command: tuple[str, ...]) -> None:
    edit(root, {}, THEIRS)
    if command[0] == "remove":
        assert scaffold(root, "remove", "desk", "--yes").code == 0
    if command[-1] == "--prune":
        text = Library().removed("GetBook").text()
        (root / "protos/library.proto").write_text(text, encoding="utf-8")
        assert scaffold(root, "regen").code == 1
    if command[0] == "restore":
        assert scaffold(root, "burn", "library", "--yes").code == 0


def _interesting(steps: list[str]) -> list[int]:
    """All that concern the attic, the state, the settings and what is somebody's; of the generated files some."""
    somebodys = (".scaffold/", "scaffold.toml", "app.py", "README.md", "rules.py", "get_book.py", "gen/__init__.py")
    chosen = {n for n, path in enumerate(steps, start=1) if path.startswith(somebodys) or path.endswith(somebodys)}
    return sorted(chosen | set(range(1, len(steps) + 1, 17)))


def test_the_attic_comes_first(
    fresh: Callable[[], Path], kill: Callable[[int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies are in place, with the note about them, before anything else is touched."""
    root = fresh()
    edit(root, {}, THEIRS)
    steps = kill(0)
    assert scaffold(root, "burn", "library", "--yes").code == 0
    attic = [path for path in steps if path.startswith(".scaffold/attic/")]
    assert steps[: len(attic)] == attic
    assert attic[-1] == ".scaffold/attic/1-burn-library/about.json"
    assert len(attic) == 4


def test_an_untouched_file_is_known_by_its_stamp(fresh: Callable[[], Path]) -> None:
    """The test of these tests: what ``edit`` writes is never taken for ours."""
    root = fresh()
    theirs = edit(root, dict.fromkeys(OURS, b"x"), {})
    assert all(stamp.of(content) is not stamp.Mark.INTACT for content in theirs.values())
