"""Laws 2 to 5: regenerating twice changes nothing, a person's bytes survive anything, nothing is orphaned.

Whatever becomes of the API, whatever a person writes and decides, and wherever the run is killed.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core import naming, stamp
from scaffold.core.settings import load
from scaffold.shell import workspace as writer
from scaffold.shell.workspace import Workspace
from scaffold.verbs.generate import wanted
from scaffold.verbs.regen import Typed, plan
from tests.laws.library import Library
from tests.laws.test_kills import Killed
from tests.support import contents, python, scaffold, tree

HANDLERS = "services/library/src/library/handlers"
YOURS = ["services/library/src/library/app.py", "services/desk/README.md", "services/desk/src/desk/handlers/lend.py"]

N = st.integers(0, 20)
# What is there is changed, and what comes is new: a name drawn from all would be neither, mostly.
EVOLUTIONS: st.SearchStrategy[Callable[[Library], Library]] = st.one_of(
    st.tuples(N, N).map(lambda n: lambda api: api.along(*n)),
    st.tuples(N, N).map(lambda n: lambda api: api.renamed(api.one(n[0]), api.other(n[1]))),
    N.map(lambda n: lambda api: api.removed(api.one(n))),
    N.map(lambda n: lambda api: api.added(api.other(n))),
    N.map(lambda n: lambda api: api.asked(api.one(n))),
    st.just(Library.turned),
    st.sampled_from(["Keeps books.", "Lends them.", 'Says """hi""".']).map(
        lambda text: lambda api: api.commented(text)
    ),
    st.integers(0, 2).map(lambda number: lambda api: api.grown(number)),
    st.tuples(st.integers(0, 2), st.sampled_from(["lost", "retyped", "renamed", "in a oneof"])).map(
        lambda what: lambda api: api.grown(what[0]).changed(*what)
    ),
    st.just(Library.moved),
)
# The handler of an RPC that there is, or another file of the person's; and what they do to it.
EDITS = st.tuples(
    st.one_of(N, st.sampled_from(YOURS)),
    st.sampled_from(["append", "prepend", "rewrite", "cut the stamp", "to CRLF", "delete"]),
    st.integers(0, 99),
)
STEPS = st.lists(
    st.one_of(EVOLUTIONS.map(lambda e: ("proto", e)), EDITS.map(lambda e: ("edit", e))), min_size=1, max_size=4
)


@dataclass(frozen=True)
class Round:
    """What happens between two regenerations, how the second one is decided, and at which of its writes it is killed."""

    steps: list[tuple[str, object]]
    accept: bool
    prune: bool
    killed_at: int


# In the order of what is the simplest: nothing is accepted, pruned or killed.
ROUNDS = st.builds(Round, STEPS, st.booleans(), st.booleans(), st.sampled_from([0, 0, *range(1, 25)]))


def edit(path: Path, how: str, number: int) -> bytes | None:
    """What a person does to a file; the bytes that are theirs from now on, None where it is gone or still ours."""
    if how == "delete":
        path.unlink(missing_ok=True)
        return None
    before = path.read_bytes() if path.exists() else b""
    after = {
        "append": before + f"\n\nMINE = {number}\n".encode(),
        "prepend": f'"""Mine, {number}."""\n'.encode() + before,
        "rewrite": f"# Mine, and no stamp: {number}.\n".encode(),
        "cut the stamp": before.rpartition(b"# scaffold:stub")[0] or b"# cut\n",
        "to CRLF": before.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"),
    }[how]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(after)
    if stamp.read(after.decode()) is stamp.Mark.INTACT:
        return None  # as good as untouched
    return after


@settings(max_examples=20)
@given(rounds=st.lists(ROUNDS, min_size=1, max_size=4))
def test_whatever_happens(fresh: Callable[[], Path], rounds: list[Round]) -> None:
    root, api = fresh(), Library(("GetBook", "LendBook", "MoveBook"))
    api.put(root)
    assert scaffold(root, "regen").code == 0
    theirs: dict[str, bytes] = {}
    for path in [*map(handler, api.rpcs), *YOURS]:
        theirs[path] = edit(root / path, "append", len(theirs)) or b""
    for one in rounds:
        for kind, what in one.steps:
            if kind == "proto":
                assert callable(what)
                api = what(api)
                api.put(root)
            else:
                assert isinstance(what, tuple)
                where, how, number = what
                path = where if isinstance(where, str) else handler(api.one(where))
                mine = edit(root / path, how, number)
                theirs.pop(path, None)
                if mine is not None:
                    theirs[path] = mine
        options = decisions(root, one)
        theirs = to_be(root, options, theirs)
        if one.killed_at:
            _killed_and_completed(root, one.killed_at, options, theirs)
        said = scaffold(root, "regen", *_typed(options)) if not one.killed_at else scaffold(root, "regen")
        assert said.code in (0, 1), said.text
        assert (said.code == 1) == (": orphan: " in said.out), said.text
        for path, mine in theirs.items():
            assert mine in _at(root, path), f"{path} was a person's"
        _nothing_is_orphaned(root, theirs, said.out)
        _twice_is_once(root, said.code)


def handler(rpc: str) -> str:
    """The file that answers an RPC of the library."""
    return f"{HANDLERS}/{naming.snake(rpc)}.py"


def decisions(root: Path, one: Round) -> Typed:
    """What the person types: every rename that is proposed is accepted, or every one declined."""
    found = plan(root).plan.evolution
    items = [item for section in (found.sections if found else ()) for item in section.items if item.proposed]
    words = tuple(item.commands[0 if one.accept else 1].split()[-1] for item in items)
    return Typed(renames=words, prune=one.prune) if one.accept else Typed(no_renames=words, prune=one.prune)


def _typed(options: Typed) -> list[str]:
    words = [f"--rename={pair}" for pair in options.renames] + [f"--no-rename={name}" for name in options.no_renames]
    return [*words, *["--prune"] * options.prune]


def to_be(root: Path, options: Typed, theirs: dict[str, bytes]) -> dict[str, bytes]:
    """Where the plan says that a person's files will be; ``attic/`` and the path stands for an entry of the attic."""
    planned = plan(root, options).plan
    assert not planned.blocked, planned.open
    places = {change.source: change.path for change in planned.changes if change.action == "move"}
    places |= {change.path: f"attic/{change.path}" for change in planned.archived}
    return {places.get(path, path): mine for path, mine in theirs.items()}


def _at(root: Path, path: str) -> list[bytes]:
    """The bytes at a path; of one in the attic, those of all entries."""
    if path.startswith("attic/"):
        return [file.read_bytes() for file in root.glob(f".scaffold/attic/*/{path.removeprefix('attic/')}")]
    return [(root / path).read_bytes()]


def _killed_and_completed(root: Path, at: int, options: Typed, theirs: dict[str, bytes]) -> None:
    """Kill the run at a write; nothing of the person's is lost, and the next run ends where an unbroken one does."""
    other = root.with_name(f"{root.name}-unbroken")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(root, other)
    unbroken = scaffold(other, "regen", *_typed(options))
    with pytest.MonkeyPatch.context() as patch:
        real, count = writer._Writer._move, 0

        def move(self: writer._Writer, path: str, staged: Path | None) -> None:
            nonlocal count
            count += 1
            if count == at:
                raise Killed
            real(self, path, staged)

        patch.setattr(writer._Writer, "_move", move)
        with contextlib.suppress(Killed):
            scaffold(root, "regen", *_typed(options))
    everything = {path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert set(theirs.values()) <= everything
    if count == at:
        _usable(root)
    again = scaffold(root, "regen", *_typed(options))
    if again.code == 2 and "unknown-rename" in again.err:  # this part had been done
        again = scaffold(root, "regen", *["--prune"] * options.prune)
    assert again.code == unbroken.code, again.text
    assert contents(root) == contents(other)


def _usable(root: Path) -> None:
    """What is generated imports, or says what to run."""
    for package in ("library", "desk"):
        ran = python(f"import {package}.gen.messages", root / f"services/{package}/src")
        assert ran.returncode == 0 or "run `scaffold regen" in ran.stderr, ran.stderr


def _twice_is_once(root: Path, code: int) -> None:
    before = tree(root)
    again = scaffold(root, "regen")
    assert again.code == code
    assert tree(root) == before
    plan = scaffold(root, "plan")
    assert not {line[0] for line in plan.out.splitlines()} & set("+~-!"), plan.out


def _nothing_is_orphaned(root: Path, theirs: dict[str, bytes], said: str) -> None:
    """Every file of ours on disk is listed and wanted; whatever is listed as ours and unwanted was reported."""
    workspace = Workspace.find(root)
    listed = {path: entry.owner for path, entry in workspace.listed().items()}
    artifacts = {a.path: a.owner for a in wanted(workspace, load(workspace.text, "0")).artifacts}
    for path, (content, _) in tree(root).items():
        if path.startswith("services/") and stamp.read(content.decode()) is not stamp.Mark.NONE:
            assert listed.get(path) == artifacts.get(path) or path in theirs, path
            assert path in artifacts or f"{path}: orphan" in said
    for path, owner in listed.items():
        if owner == "generated":
            assert path in artifacts
            assert (root / path).is_file()
        elif owner == "stub" and path not in artifacts:
            assert f"{path}: orphan" in said
    assert set(artifacts) <= set(listed)


def test_what_comes_out_imports(fresh: Callable[[], Path]) -> None:
    """The six evolutions of an API, one after the other: each leaves two services that import."""
    root, api = fresh(), Library()
    steps: list[Callable[[Library], Library]] = [
        lambda api: api.added("CreateBook"),
        lambda api: api.removed("LendBook"),
        lambda api: api.renamed("GetBook", "FetchBook"),
        Library.turned,
        lambda api: api.asked("FetchBook"),
        lambda api: api.grown(1),
    ]
    for step in steps:
        api = step(api)
        (root / "protos/library.proto").write_text(api.text(), encoding="utf-8")
        assert scaffold(root, "regen").code == 0
    code = """
        import importlib
        for name in ("library", "desk"):
            main = importlib.import_module(f"{name}.gen.main")
            for service in main.COMPONENT.services:
                handlers = service.load()
                print(name, *sorted(rpc.name for rpc in service.rpcs))
    """
    ran = python(code, root / "services/library/src", root / "services/desk/src")
    assert (ran.returncode, ran.stdout) == (0, "library CreateBook FetchBook ListBooks\ndesk Lend\n"), ran.stderr
