from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from scaffold.core import stamp
from scaffold.core.diagnostics import Location, ScaffoldError
from scaffold.core.plan import Action, Change, Listed, Plan
from scaffold.core.view import Owner
from scaffold.shell import workspace as room
from scaffold.shell.workspace import Workspace
from tests.support import contents, write

LIST_HEADER = "# Every path that scaffold has written: path, owner, RPC. Kept by scaffold; merges by union.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path, {"scaffold.toml": "# mine\n"})


def change(path: str, action: Action, after: str | None = "new\n", owner: Owner = "generated") -> Change:
    return Change(path, action, owner, None, None if after is None else after.encode())


def apply(root: Path, *changes: Change, settings: str | None = None) -> None:
    """Carry changes out, each from what is there now."""
    there = tuple(replace(c, before=_bytes(root / c.path)) for c in changes)
    listing = tuple(Listed(c.path, c.owner) for c in changes if c.action != "delete")
    Workspace.find(root).apply(Plan(there, listing), settings)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


# Reading.


def test_it_is_found_from_below(root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    assert Workspace.find(root / "a/b") == Workspace(root, "# mine\n")
    with pytest.raises(ScaffoldError) as caught:
        Workspace.find(root.parent)
    assert caught.value.diagnostics[0].slug == "no-workspace"


def test_its_text_is_as_it_stands(root: Path) -> None:
    (root / "scaffold.toml").write_bytes("# ü\r\n".encode())
    assert Workspace.find(root).text == "# ü\r\n"


def test_the_list(root: Path) -> None:
    workspace = Workspace.find(root)
    assert workspace.listed() == {}
    lines = ["a.py\tgenerated", "b.py\tstub\tp.S.R", "c.py\tyours", "a.py\tgenerated", "", "# x\tyours"]
    write(root, {".scaffold/files": LIST_HEADER})
    (root / ".scaffold/files").write_text(LIST_HEADER + "\r\n".join(lines), encoding="utf-8")
    assert workspace.listed() == {
        "a.py": Listed("a.py", "generated"),
        "b.py": Listed("b.py", "stub", "p.S.R"),
        "c.py": Listed("c.py", "yours"),
    }


def test_a_path_that_a_merge_lists_twice_belongs_to_whoever_allows_less(root: Path) -> None:
    write(root, {".scaffold/files": "a.py\tgenerated\na.py\tyours\nb.py\tstub\tp.S.B\nb.py\tstub\tp.S.A\n"})
    listed = Workspace.find(root).listed()
    assert listed == {"a.py": Listed("a.py", "yours"), "b.py": Listed("b.py", "stub", "p.S.A")}


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "a.py\tnobody", "a.py", "a.py\tgenerated\tp.S.R\tmore", "../a.py\tgenerated", "/etc/hosts\tgenerated",
        "a/../../b.py\tstub", "a/./b.py\tyours", ".\tgenerated", "\tgenerated", ".scaffold/attic/x.py\tgenerated",
        "a//b.py\tgenerated", "<<<<<<< HEAD",
    ],
)  # fmt: skip
def test_a_list_that_was_damaged(line: str, root: Path) -> None:
    """A line that scaffold never wrote: nothing is read, deleted or guessed."""
    write(root.parent, {"a.py": stamp.generated("a.py", "o", "x\n")})
    write(root, {".scaffold/files": f"b.py\tyours\n{line}\n"})
    for use in (Workspace.find(root).listed, lambda: Workspace.find(root).snapshot([])):
        with pytest.raises(ScaffoldError) as caught:
            use()
        (found,) = caught.value.diagnostics
        assert (found.slug, found.where) == ("list-damaged", Location(".scaffold/files", 2))
        assert found.remedy


def test_a_folder_that_leads_out_of_the_workspace(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = write(tmp_path_factory.mktemp("outside"), {"gen/a.py": "theirs\n"})
    write(root, {"services/b.py": "b\n", ".scaffold/files": "services/cart/gen/old.py\tgenerated\n"})
    (root / "services/cart").symlink_to(outside)
    with pytest.raises(ScaffoldError) as caught:
        Workspace.find(root).snapshot(["services/cart/gen/a.py", "services/cart/x.py", "services/b.py"])
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("leads-outside", Location("services/cart"))
    with pytest.raises(ScaffoldError, match="leads-outside"):
        apply(root, change("services/cart/new.py", "create"))
    assert contents(outside) == {"gen/a.py": b"theirs\n"}


def test_a_folder_that_leads_elsewhere_in_the_workspace(root: Path) -> None:
    write(root, {"apps/cart/a.py": "a\n"})
    (root / "services").symlink_to(root / "apps")
    assert Workspace.find(root).snapshot(["services/cart/a.py"]).files == {"services/cart/a.py": b"a\n"}


def test_a_file_that_leads_out_of_the_workspace_is_not_read(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = write(tmp_path_factory.mktemp("outside"), {"secret": "secret\n"}) / "secret"
    (root / "a.py").symlink_to(outside)
    assert Workspace.find(root).snapshot(["a.py"]).files == {"a.py": os.fsencode(outside)}


@pytest.mark.parametrize(
    ("there", "wanted", "place"),
    [
        ("services/cart/Handlers/x.txt", "services/cart/handlers/get.py", "services/cart/Handlers"),
        ("services/cart/Get.py", "services/cart/get.py", "services/cart/Get.py"),
        ("Services/x", "services/cart/get.py", "Services"),
    ],
)
def test_a_path_that_differs_by_case_only(there: str, wanted: str, place: str, root: Path) -> None:
    write(root, {there: "mine\n"})
    with pytest.raises(ScaffoldError) as caught:
        Workspace.find(root).snapshot([wanted])
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("differs-by-case", Location(place))


def test_strangers(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is below a folder and not listed; what tools leave there is nobody's, and links are not followed."""
    outside = write(tmp_path_factory.mktemp("outside"), {"x": "x"})
    files = ["a/listed.py", "a/mine.py", "a/b/cart.db", "a/__pycache__/x.pyc", "a/.venv/x", "b/other.py"]
    write(root, {**dict.fromkeys(files, "x"), ".scaffold/files": "a/listed.py\tyours\n"})
    (root / "a/link").symlink_to(outside)
    assert Workspace.find(root).strangers("a") == ("a/b/cart.db", "a/link", "a/mine.py")


def test_a_snapshot_reads_what_is_wanted_and_what_is_listed(root: Path) -> None:
    write(
        root,
        {
            ".scaffold/files": "old.py\tstub\ngone.py\tstub\n",
            "old.py": "old\n",
            "wanted.py": "here\n",
            "other.py": "x\n",
        },
    )
    snapshot = Workspace.find(root).snapshot(["wanted.py", "new.py", "old.py/below"])
    assert snapshot.files == {
        "gone.py": None, "new.py": None, "old.py": b"old\n", "old.py/below": None, "wanted.py": b"here\n",
    }  # fmt: skip


def test_what_cannot_be_read(root: Path) -> None:
    (root / "folder.py").mkdir()
    with pytest.raises(ScaffoldError) as caught:
        Workspace.find(root).snapshot(["folder.py"])
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("cannot-be-read", Location("folder.py"))


def test_exists(root: Path) -> None:
    (root / "link").symlink_to("nowhere")
    workspace = Workspace.find(root)
    assert workspace.exists("scaffold.toml")
    assert workspace.exists("link"), "a link to nothing is in the way, too"
    assert not workspace.exists("nothing")


def test_roots(root: Path) -> None:
    assert Workspace.find(root).roots(["protos", "a/", "."]) == (
        ("protos", root / "protos"),
        ("a", root / "a"),
        (".", root / "."),
    )


# Writing.


def test_create_update_delete(root: Path) -> None:
    write(root, {"u.py": "old\n", "x/y/d.py": "old\n", "x/y/__pycache__/d.pyc": "", "x/keep.txt": "mine"})
    apply(
        root,
        change("n/e/w.py", "create"),
        change("u.py", "update"),
        change("x/y/d.py", "delete", None),
        change("k.py", "keep"),
    )
    assert contents(root) == {
        ".scaffold/files": f"{LIST_HEADER}k.py\tgenerated\nn/e/w.py\tgenerated\nu.py\tgenerated\n".encode(),
        "n/e/w.py": b"new\n",
        "scaffold.toml": b"# mine\n",
        "u.py": b"new\n",
        "x/keep.txt": b"mine",
    }
    assert not (root / "x/y").exists(), "a folder that only held what is gone goes too, with its bytecode"
    assert not (root / ".scaffold/cache/stage").exists()


def test_a_folder_with_something_of_somebody_in_it_stays(root: Path) -> None:
    write(root, {"x/d.py": "old\n", "x/notes.txt": "mine"})
    apply(root, change("x/d.py", "delete", None))
    assert (root / "x/notes.txt").is_file()


def test_nothing_to_do_touches_nothing(root: Path) -> None:
    apply(root, change("a.py", "create"))
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    apply(root, change("a.py", "keep"))
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == before


def test_the_mode_of_a_file_stays(root: Path) -> None:
    write(root, {"run.sh": "old\n"})
    (root / "run.sh").chmod(0o755)
    apply(root, change("run.sh", "update"))
    assert (root / "run.sh").stat().st_mode & 0o777 == 0o755


def test_the_settings_are_written_too(root: Path) -> None:
    apply(root, change("a.py", "create"), settings="# mine\n\n[stores.a]\n")
    assert (root / "scaffold.toml").read_text(encoding="utf-8") == "# mine\n\n[stores.a]\n"


@pytest.mark.parametrize("ahead", [-5, 0, 1, 30])
def test_a_replaced_module_gets_a_second_that_it_never_had(ahead: int, root: Path) -> None:
    """Bytecode is trusted by size and whole second: not the second it has, nor one that a version before it may have had."""
    write(root, {"a.py": "1\n"})
    stamp_ns = (root / "a.py").stat().st_mtime_ns + ahead * 10**9
    os.utime(root / "a.py", ns=(stamp_ns, stamp_ns))
    apply(root, change("a.py", "update", "2\n"))
    assert (root / "a.py").stat().st_mtime_ns // 10**9 > stamp_ns // 10**9


def test_other_files_keep_the_time_of_their_writing(root: Path) -> None:
    """A time in the future would make an input look as if it had changed since."""
    apply(root, settings="# new\n")
    apply(root, settings="# newer\n")
    import time

    assert (root / "scaffold.toml").stat().st_mtime <= time.time()


def test_a_half_written_gen_is_guarded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gen = "services/a/src/a/gen"
    real = room._Writer._move
    seen: list[tuple[str, str]] = []

    def move(self: room._Writer, path: str, staged: Path | None) -> None:
        guard = root / gen / "__init__.py"
        seen.append((path, guard.read_text(encoding="utf-8") if guard.exists() else ""))
        real(self, path, staged)

    monkeypatch.setattr(room._Writer, "_move", move)
    names = ("__init__.py", "api.py", "descriptors.py")
    apply(
        root, *(change(f"{gen}/{name}", "create") for name in names), change("services/a/x.md", "create", owner="yours")
    )
    assert [path for path, _ in seen] == [
        ".scaffold/files",
        f"{gen}/__init__.py",
        f"{gen}/api.py",
        "services/a/x.md",
        f"{gen}/descriptors.py",
        f"{gen}/__init__.py",
        ".scaffold/files",
    ]
    for path, guard in seen[2:-1]:
        assert guard.count("raise ImportError(") == 1, path
        assert "run `scaffold regen`" in guard
        assert stamp.read(guard) is stamp.Mark.INTACT, "the next run has to know it as ours"
    assert (root / gen / "__init__.py").read_bytes() == b"new\n"


def test_a_component_called_gen_is_guarded_where_its_gen_is(root: Path) -> None:
    package = "services/gen/src/gen"
    write(root, {"services/gen/__init__.py": "mine\n"})
    paths = (
        f"{package}/gen/__init__.py",
        f"{package}/gen/descriptors.py",
        f"{package}/app.py",
        "services/gen/README.md",
    )
    apply(root, *(change(path, "create") for path in paths))
    assert (root / "services/gen/__init__.py").read_text(encoding="utf-8") == "mine\n"
    assert not (root / package / "__init__.py").exists()


@pytest.mark.parametrize("obstacle", ["a file where a folder has to be", "a folder where the file has to be"])
def test_an_obstacle_means_that_nothing_is_written(obstacle: str, root: Path) -> None:
    if obstacle == "a file where a folder has to be":
        write(root, {"z": "mine"})
    else:
        (root / "z/last.py").mkdir(parents=True)
    before = {p: p.is_dir() for p in root.rglob("*")}
    with pytest.raises(ScaffoldError) as caught:
        apply(
            root, change("a/b/c/first.py", "create"), change("scaffold.lock", "create"), change("z/last.py", "create")
        )
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("cannot-be-written", Location("z/last.py"))
    after = {p: p.is_dir() for p in root.rglob("*") if ".scaffold" not in p.parts}
    assert after == before


def test_what_was_staged_by_a_run_that_was_killed_is_no_part_of_this_one(root: Path) -> None:
    write(root, {".scaffold/cache/stage/0": "stale", ".scaffold/cache/stage/99": "stale"})
    apply(root, change("a.py", "create"))
    assert (root / "a.py").read_bytes() == b"new\n"
    assert not (root / ".scaffold/cache/stage").exists()


# The lock.


def test_one_writer_at_a_time(root: Path) -> None:
    workspace = Workspace.find(root)
    with workspace.locked():
        with pytest.raises(ScaffoldError) as caught, workspace.locked():
            pass
        assert caught.value.diagnostics[0].slug == "workspace-busy"
    with workspace.locked():
        pass


def test_what_the_list_has_lost_is_known_by_its_stamp(root: Path) -> None:
    """As after a merge in which one branch dropped a file, and its line, that the other one had edited."""
    gone, living = stamp.stub("a.proto#Svc.Gone", "x = 1\n"), stamp.stub("a.proto#Svc.Living", "x = 1\n")
    made = stamp.generated("a.py", "a.proto", "x = 1\n")
    write(
        root,
        {
            "s/src/p/gen/listed.py": made,
            "s/src/p/gen/old.py": made,
            "s/src/p/gen/edited.py": f"{made}y = 2\n",
            "s/src/p/gen/mine.txt": "mine\n",
            "s/src/p/handlers/gone.py": f"{gone}\n# Mine, below the stamp.\n",
            "s/src/p/handlers/sub/untouched.py": gone,
            "s/src/p/handlers/copy.py": f"{living}\n# A copy of mine.\n",
            "s/src/p/handlers/helpers.py": "mine\n",
            "s/src/p/other.py": gone,
        },
    )
    (root / "s/src/p/handlers/link.py").symlink_to(root / "s/src/p/other.py")
    known = {"s/src/p/gen/descriptors.py", "s/src/p/gen/listed.py"}
    assert Workspace.find(root).strays(known, {"Svc.Living"}) == {
        "s/src/p/gen/old.py": Listed("s/src/p/gen/old.py", "generated"),
        "s/src/p/handlers/gone.py": Listed("s/src/p/handlers/gone.py", "stub", "Svc.Gone"),
        "s/src/p/handlers/sub/untouched.py": Listed("s/src/p/handlers/sub/untouched.py", "stub", "Svc.Gone"),
    }


# The attic, and moves.


def archive(root: Path, *changes: Change, verb: str = "burn") -> None:
    there = tuple(replace(c, before=_bytes(root / c.path)) for c in changes)
    Workspace.find(root).apply(Plan(there, (), verb=verb, name="cart"))


def test_an_archived_file_is_in_the_attic(root: Path) -> None:
    write(root, {"a/x.py": "mine\n", "a/y.py": "mine, too\n"})
    archive(root, Change("a/x.py", "update", "yours", after=b"new\n", attic=True), Change("a/y.py", "attic", "yours"))
    found = contents(root)
    assert found["a/x.py"] == b"new\n"
    assert "a/y.py" not in found
    assert found[".scaffold/attic/1-burn-cart/a/x.py"] == b"mine\n"
    assert found[".scaffold/attic/1-burn-cart/a/y.py"] == b"mine, too\n"
    (entry,) = Workspace.find(root).attic()
    assert (entry.number, entry.verb, entry.name) == (1, "burn", "cart")
    assert [(f.path, bool(f.replaced_by)) for f in entry.files] == [("a/x.py", True), ("a/y.py", False)]


def test_entries_are_numbered(root: Path) -> None:
    for verb in ("burn", "prune", "burn"):
        write(root, {"x.py": f"{verb} {len(Workspace.find(root).attic())}\n"})
        archive(root, Change("x.py", "attic", "yours"), verb=verb)
    (root / ".scaffold/attic/notes").mkdir()
    found = [(e.number, e.verb) for e in Workspace.find(root).attic()]
    assert found == [(1, "burn"), (2, "prune"), (3, "burn")]


def test_copies_are_on_the_disk_before_an_original_is_touched(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files, and the folders that name them: a computer that loses its power loses neither both."""
    events: list[str] = []
    sync, move = os.fsync, room._Writer._move

    def fsync(descriptor: int) -> None:
        events.append(f"sync {str(Path(f'/proc/self/fd/{descriptor}').readlink()).removeprefix(f'{root}/')}")
        sync(descriptor)

    def recorded(self: room._Writer, path: str, staged: Path | None) -> None:
        events.append(f"move {path}")
        move(self, path, staged)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(room._Writer, "_move", recorded)
    write(root, {"a/x.py": "mine\n"})
    archive(root, Change("a/x.py", "attic", "yours"))
    copy = ".scaffold/attic/1-burn-cart/a/x.py"
    original = events.index("move a/x.py")
    assert events.index(f"move {copy}") < original
    assert events.index("sync .scaffold/cache/stage/0") < events.index(f"move {copy}")
    for folder in (Path(copy).parent, Path(copy).parent.parent, Path(".scaffold/attic")):
        assert events.index(f"move {copy}") < events.index(f"sync {folder}") < original


def test_a_move_keeps_bytes_mode_and_time(root: Path) -> None:
    write(root, {"a/x.db": "rows\n"})
    (root / "a/x.db").chmod(0o640)
    os.utime(root / "a/x.db", ns=(10**18, 10**18))
    Workspace.find(root).apply(Plan((Change("b/c/x.db", "move", "yours", source="a/x.db"),)))
    status = (root / "b/c/x.db").stat()
    assert (status.st_mode & 0o777, status.st_mtime_ns) == (0o640, 10**18)
    assert not (root / "a").exists()


def test_a_module_that_moves_to_where_one_was_gets_another_second(root: Path) -> None:
    """Else the bytecode of the one that was there would run."""
    write(root, {"x.py": "x = 1\n", "y.py": "y = 2\n"})
    for name in ("x.py", "y.py"):
        os.utime(root / name, ns=(10**18, 10**18))
    Workspace.find(root).apply(Plan((Change("y.py", "move", "yours", b"y = 2\n", b"x = 1\n", source="x.py"),)))
    assert (root / "y.py").read_bytes() == b"x = 1\n"
    assert (root / "y.py").stat().st_mtime_ns // 10**9 > 10**9


@pytest.mark.parametrize(
    "planned",
    [
        Change("x.py", "update", "generated", b"old\n", b"new\n"),
        Change("x.py", "create", "generated", None, b"new\n"),
        Change("x.py", "delete", "generated", b"old\n", None),
        Change("x.py", "attic", "yours", b"old\n", None),
        Change("y.py", "move", "yours", None, b"old\n", source="x.py"),
        Change("x.py", "move", "yours", None, None, source="scaffold.toml"),
    ],
)
def test_what_was_changed_since_it_was_read_is_not_touched(planned: Change, root: Path) -> None:
    write(root, {"x.py": "saved a moment ago\n"})
    before = contents(root)
    with pytest.raises(ScaffoldError) as caught:
        Workspace.find(root).apply(Plan((planned, Change("z/z.py", "create", "generated", None, b"z\n"))))
    (found,) = caught.value.diagnostics
    assert (found.slug, found.where) == ("changed-meanwhile", Location("x.py"))
    assert contents(root) == before
    assert not (root / "z").exists()
    assert not (root / ".scaffold/cache/stage").exists()
