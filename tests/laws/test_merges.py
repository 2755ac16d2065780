"""Two branches that both regenerated, merged by git itself: nobody's bytes are lost, and one command puts things right."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core import naming
from tests.laws.library import RPCS, Library
from tests.laws.test_kills import imports
from tests.support import Said, contents, scaffold, tree

PROTO = "protos/library.proto"
HANDLERS = "services/library/src/library/handlers"
LEND = b"""\
def lend_book(request, context):
    return None


def due_after(days):
    return days * 24 * 60 * 60


def is_overdue(book, today):
    return book.lent + due_after(21) < today
"""
MARKER = b"<<<<<<< "
# A machine's or a person's settings have no say here.
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_{who}_{what}": "ada@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(root: Path, *arguments: str, code: int | None = 0) -> Said:
    """Run git; ``code`` is how it has to end, None where either way will do."""
    ran = subprocess.run(
        ["git", *arguments], cwd=root, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False
    )
    said = Said(ran.returncode, ran.stdout, ran.stderr)
    assert code is None or said.code == code, said.text
    return said


@pytest.fixture(scope="module")
def repository(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace in a repository, with what `init` writes; copy it."""
    made = tmp_path_factory.mktemp("merges")
    assert scaffold(made, "init", "empty").code == 0
    root = made / "library"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("__pycache__", "cache"))
    for name in (".gitattributes", ".gitignore"):
        shutil.copy(made / "empty" / name, root / name)
    git(root, "init", "-q", "-b", "main")
    commit(root, "Where it begins")
    return root


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Callable[[], Path]:
    """A function that gives a copy of the repository, a new one each time."""
    count = 0

    def copy() -> Path:
        nonlocal count
        count += 1
        return Path(shutil.copytree(repository, tmp_path / f"clone{count}"))

    return copy


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)


def branch(root: Path, name: str, api: Library, edits: dict[str, bytes], *options: str) -> None:
    """What one person does: change the API, regenerate, write, commit."""
    git(root, "switch", "-q", "-c", name, "main")
    (root / PROTO).write_text(api.text(), encoding="utf-8")
    said = scaffold(root, "regen", *options)
    assert said.code in (0, 1), said.text
    for path, lines in edits.items():
        old = (root / path).read_bytes() if (root / path).exists() else b""
        (root / path).write_bytes(old + lines)
    commit(root, name)


def unmerged(root: Path) -> list[str]:
    return git(root, "diff", "--name-only", "--diff-filter=U").out.splitlines()


def test_both_added_an_rpc(clone: Callable[[], Path]) -> None:
    """The usual case. git reports gen/ and writes no marker into it; `regen` and `git add` put it right."""
    root = clone()
    ours, theirs = b"\n# Of one.\n", b"\n# Of the other.\n"
    branch(root, "one", Library().added("CreateBook"), {f"{HANDLERS}/create_book.py": ours})
    branch(root, "other", Library().grown(1).added("DeleteBook"), {f"{HANDLERS}/get_book.py": theirs})
    git(root, "switch", "-q", "one")
    said = git(root, "merge", "other", code=1)
    assert "CONFLICT (content): Merge conflict in services/library/src/library/gen/service.py" in said.out
    conflicts = unmerged(root)
    assert conflicts and all("/gen/" in path or path == PROTO for path in conflicts)
    marked = [path for path, content in contents(root).items() if MARKER in content]
    assert set(marked) <= {PROTO}, "only what people write may have markers"
    (root / PROTO).write_text(Library().grown(1).added("CreateBook").added("DeleteBook").text(), encoding="utf-8")
    said = scaffold(root, "regen")
    assert said.code == 0, said.text
    commit(root, "merged")
    assert git(root, "status", "--porcelain").out == ""
    assert (root / f"{HANDLERS}/create_book.py").read_bytes().endswith(ours)
    assert (root / f"{HANDLERS}/get_book.py").read_bytes().endswith(theirs)
    assert imports(root) == "fine"
    assert scaffold(root, "check", "--only", "drift").code == 0


def test_the_list_merges_by_union(clone: Callable[[], Path]) -> None:
    """Lines of both sides are kept, without a conflict; the next run sorts them, and drops what is there twice."""
    root = clone()
    branch(root, "one", Library().added("CreateBook").removed("LendBook"), {})
    branch(root, "other", Library().added("BurnBook").removed("LendBook"), {})
    git(root, "switch", "-q", "one")
    git(root, "merge", "other", code=1)
    assert ".scaffold/files" not in unmerged(root)
    merged = (root / ".scaffold/files").read_text(encoding="utf-8")
    assert "create_book.py" in merged and "burn_book.py" in merged
    (root / PROTO).write_text(
        Library().added("CreateBook").added("BurnBook").removed("LendBook").text(), encoding="utf-8"
    )
    assert scaffold(root, "regen").code == 0
    lines = (root / ".scaffold/files").read_text(encoding="utf-8").splitlines()[1:]
    assert lines == sorted(set(lines))
    assert not (root / f"{HANDLERS}/lend_book.py").exists()
    before = tree(root)
    assert scaffold(root, "regen").code == 0
    assert tree(root) == before


def test_one_wrote_what_the_other_removed(clone: Callable[[], Path]) -> None:
    """git asks about the handler, and keeps it; so does `regen`, and calls it an orphan."""
    root = clone()
    branch(root, "one", Library(), {f"{HANDLERS}/lend_book.py": b"\n# Mine.\n"})
    branch(root, "other", Library().removed("LendBook"), {})
    git(root, "switch", "-q", "one")
    said = git(root, "merge", "other", code=1)
    assert f"CONFLICT (modify/delete): {HANDLERS}/lend_book.py" in said.out
    said = scaffold(root, "regen")
    assert said.code == 1
    assert f"{HANDLERS}/lend_book.py: orphan: " in said.out
    assert (root / f"{HANDLERS}/lend_book.py").read_bytes().endswith(b"\n# Mine.\n")
    assert scaffold(root, "regen", "--prune").code == 0
    archived = root / f".scaffold/attic/1-prune-workspace/{HANDLERS}/lend_book.py"
    assert archived.read_bytes().endswith(b"\n# Mine.\n")


def test_one_renamed_and_the_other_wrote(clone: Callable[[], Path]) -> None:
    """git follows the handler to its new place, and merges what both wrote in it."""
    root = clone()
    git(root, "switch", "-q", "main")
    (root / f"{HANDLERS}/lend_book.py").write_bytes(LEND)
    commit(root, "written")
    rename = ("--rename", "LendBook=BurnBook")
    branch(root, "one", Library().renamed("LendBook", "BurnBook"), {f"{HANDLERS}/burn_book.py": b"# One.\n"}, *rename)
    text = (root / f"{HANDLERS}/burn_book.py").read_bytes().replace(b"lend_book", b"burn_book")
    (root / f"{HANDLERS}/burn_book.py").write_bytes(text)
    commit(root, "followed")
    branch(root, "other", Library().grown(1), {})
    path = root / f"{HANDLERS}/lend_book.py"
    path.write_bytes(path.read_bytes().replace(b"60 * 60", b"60 * 60  # Other."))
    commit(root, "wrote")
    git(root, "switch", "-q", "one")
    git(root, "merge", "other", code=1)
    assert [path for path in unmerged(root) if path.startswith(HANDLERS)] == []
    (root / PROTO).write_text(Library().renamed("LendBook", "BurnBook").grown(1).text(), encoding="utf-8")
    said = scaffold(root, "regen")
    assert said.code == 0, said.text
    merged = (root / f"{HANDLERS}/burn_book.py").read_bytes()
    assert b"def burn_book" in merged and b"# One.\n" in merged and b"# Other." in merged
    assert not (root / f"{HANDLERS}/lend_book.py").exists()
    assert imports(root) == "fine"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (PROTO, f"{PROTO}:"),
        ("scaffold.toml", "scaffold.toml:"),
        (f"{HANDLERS}/get_book.py", f"{HANDLERS}/get_book.py:"),
    ],
)
def test_markers_that_were_left(path: str, place: str, clone: Callable[[], Path]) -> None:
    """A diagnostic at their line, and nothing is written."""
    root = clone()
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    lines[3:4] = ["<<<<<<< HEAD", lines[3], "=======", lines[3], ">>>>>>> other"]
    (root / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if path != PROTO:
        (root / PROTO).write_text(Library().grown(1).text(), encoding="utf-8")
    before = tree(root)
    said = scaffold(root, "regen")
    assert said.code == 2, said.text
    assert f"{place}4" in said.err
    assert "merge-marker: " in said.err
    assert tree(root) == before


RPC = st.sampled_from(sorted(RPCS))
CHANGES: st.SearchStrategy[Callable[[Library], Library]] = st.one_of(
    RPC.map(lambda rpc: lambda api: api.added(rpc)),
    RPC.map(lambda rpc: lambda api: api.removed(rpc)),
    st.just(Library.turned),
    RPC.map(lambda rpc: lambda api: api.asked(rpc)),
    st.integers(0, 2).map(lambda number: lambda api: api.grown(number)),
)
# What a person does on a branch: changes of the API, and handlers that they write in.
SIDE = st.tuples(st.lists(CHANGES, min_size=1, max_size=3), st.lists(RPC, max_size=3, unique=True))


@settings(max_examples=10)
@given(one=SIDE, other=SIDE, resolved=st.sampled_from(["one", "other", "both"]))
def test_whatever_two_branches_do(
    clone: Callable[[], Path],
    one: tuple[list[Callable[[Library], Library]], list[str]],
    other: tuple[list[Callable[[Library], Library]], list[str]],
    resolved: str,
) -> None:
    """However the protos are resolved: what both wrote is there, and generated files are those of a fresh run."""
    root = clone()
    apis = {}
    lines = {"one": b"\n# Written on one.\n", "other": b"\n# Written on the other.\n"}
    for name, (changes, written) in (("one", one), ("other", other)):
        api = Library()
        for change in changes:
            api = change(api)
        apis[name] = api
        edits = {f"{HANDLERS}/{naming.snake(rpc)}.py": lines[name] for rpc in written if rpc in api.rpcs}
        branch(root, name, api, edits)
    git(root, "switch", "-q", "one")
    before = {name: written_in(root, name, lines[name]) for name in apis}
    git(root, "merge", "other", code=None)
    api = apis["one"] if resolved != "other" else apis["other"]
    for rpc in apis["other"].rpcs if resolved == "both" else ():
        api = api.added(rpc)
    (root / PROTO).write_text(api.text(), encoding="utf-8")
    for path in unmerged(root):
        if path.startswith(HANDLERS):  # both wrote there, or one wrote what the other removed: they keep both
            text = (root / path).read_bytes()
            kept = [
                li for li in text.splitlines(keepends=True) if not li.startswith((b"<<<<<<<", b"=======", b">>>>>>>"))
            ]
            (root / path).write_bytes(b"".join(kept))
    assert not [path for path, content in contents(root).items() if MARKER in content]
    said = scaffold(root, "regen")
    assert said.code in (0, 1) and "edited-generated-file" not in said.out, said.text
    for name, paths in before.items():
        for path in paths:
            assert lines[name] in (root / path).read_bytes(), f"{path} of {name}"
    after = tree(root)
    assert scaffold(root, "regen").code == said.code
    assert tree(root) == after
    assert generated(root) == generated_afresh(root)


def written_in(root: Path, name: str, line: bytes) -> list[str]:
    """The handlers in which somebody wrote on a branch."""
    found = git(root, "grep", "-l", "--fixed-strings", line.decode().strip(), name, "--", HANDLERS, code=None)
    return [path.partition(":")[2] for path in found.out.splitlines()]


def generated(root: Path) -> dict[str, bytes]:
    return {path: content for path, content in contents(root).items() if "/gen/" in path or "/contract/" in path}


def generated_afresh(root: Path) -> dict[str, bytes]:
    """What the merged protos give where nothing was before."""
    fresh = root.parent / f"{root.name}-fresh"
    shutil.copytree(root / "protos", fresh / "protos")
    shutil.copy(root / "scaffold.toml", fresh)
    assert scaffold(fresh, "regen").code == 0
    return generated(fresh)
