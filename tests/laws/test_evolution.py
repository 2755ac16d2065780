"""Laws 2, 3 and 5: regenerating twice changes nothing, a person's bytes survive anything, nothing is orphaned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core import stamp
from scaffold.core.settings import load
from scaffold.shell.workspace import Workspace
from scaffold.verbs.generate import wanted
from tests.laws.library import RPCS, Library
from tests.support import python, scaffold, tree

HANDLERS = "services/library/src/library/handlers"
MINE = [f"{HANDLERS}/{n}.py" for n in ("get_book", "list_books", "create_book", "lend_book", "burn_book")]
YOURS = ["services/library/src/library/app.py", "services/desk/README.md", "services/desk/src/desk/handlers/lend.py"]

RPC = st.sampled_from(sorted(RPCS))
EVOLUTIONS: st.SearchStrategy[Callable[[Library], Library]] = st.one_of(
    RPC.map(lambda rpc: lambda api: api.added(rpc)),
    RPC.map(lambda rpc: lambda api: api.removed(rpc)),
    st.tuples(RPC, RPC).map(lambda pair: lambda api: api.renamed(*pair)),
    st.just(Library.turned),
    st.sampled_from(["Keeps books.", "Lends them.", 'Says """hi""".']).map(
        lambda text: lambda api: api.commented(text)
    ),
    RPC.map(lambda rpc: lambda api: api.asked(rpc)),
    st.integers(0, 2).map(lambda number: lambda api: api.grown(number)),
)
EDITS = st.tuples(
    st.sampled_from(MINE + YOURS),
    st.sampled_from(["append", "prepend", "rewrite", "cut the stamp", "to CRLF", "delete"]),
    st.integers(0, 99),
)
STEPS = st.lists(
    st.one_of(EVOLUTIONS.map(lambda e: ("proto", e)), EDITS.map(lambda e: ("edit", e))), min_size=1, max_size=4
)


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


@settings(max_examples=14)
@given(rounds=st.lists(STEPS, min_size=1, max_size=4))
def test_whatever_happens(fresh: Callable[[], Path], rounds: list[list[tuple[str, object]]]) -> None:
    root, api = fresh(), Library()
    theirs: dict[str, bytes] = {}
    for steps in rounds:
        for kind, what in steps:
            if kind == "proto":
                assert callable(what)
                api = what(api)
                (root / "protos/library.proto").write_text(api.text(), encoding="utf-8")
            else:
                assert isinstance(what, tuple)
                path, how, number = what
                mine = edit(root / path, how, number)
                theirs.pop(path, None)
                if mine is not None:
                    theirs[path] = mine
        said = scaffold(root, "regen")
        assert said.code in (0, 1), said.text
        assert (said.code == 1) == (": orphan: " in said.out), said.text
        for path, mine in theirs.items():
            assert (root / path).read_bytes() == mine, f"{path} was a person's"
        _nothing_is_orphaned(root, theirs, said.out)
        _twice_is_once(root, said.code)


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
