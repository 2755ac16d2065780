"""What is not rendered again is the same as if it were: with what the last run left behind and without it, the plan is one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core.plan import Plan
from scaffold.verbs.generate import memory_of, open_workspace, wanted
from scaffold.verbs.regen import plan
from tests.laws.library import DESK, SETTINGS, Library
from tests.laws.test_evolution import EVOLUTIONS, HANDLERS, YOURS, edit
from tests.support import scaffold

# A component that nothing else knows of, and one that is there for a while only.
SHED = 'syntax = "proto3";\npackage shed;\nservice Shed {\n  // %s\n  rpc Open(OpenRequest) returns (OpenRequest);\n}\n'
SHED += "message OpenRequest {\n  string key = 1;\n}\n"
GENERATED = [
    "services/shed/src/shed/gen/main.py",
    "services/library/src/library/gen/api.py",
    "services/desk/.importlinter",
]
TABLES = {
    "shed": '[stores.shed]\nproto = "shed.proto"\n',
    "metadata": '[metadata]\nforward = ["x-tenant-id"]\n',
    "vendor": '[vendors.pay]\ntimeout = "3s"\n',
    "python": '[python]\nrequires = ">=3.12"\n',
}


@dataclass(frozen=True)
class World:
    """All that a run reads."""

    library: Library = field(default_factory=Library)
    shed: str = "Opens."
    desk: str = "book"
    tables: frozenset[str] = frozenset({"shed"})
    pays: bool = False
    uses: bool = True
    edits: tuple[tuple[str, str, int], ...] = ()

    def write(self, root: Path) -> None:
        """Bring the inputs on disk to it, and do the edits."""
        text = SETTINGS if self.uses else SETTINGS.replace('uses = ["library"]\n', "")
        if self.pays and "vendor" in self.tables:
            text += 'vendors = ["pay"]\n'
        text += "".join(TABLES[name] for name in sorted(self.tables))
        files = {
            "scaffold.toml": text,
            "protos/desk.proto": DESK.replace("book = 1", f"{self.desk} = 1"),
            "protos/shed.proto": SHED % self.shed,
        }
        for name, content in files.items():
            (root / name).write_text(content, encoding="utf-8")
        self.library.put(root)
        for path, how, number in self.edits:
            edit(root / path, how, number)


EDITS = st.one_of(
    st.tuples(
        st.sampled_from([*(f"{HANDLERS}/{name}.py" for name in ("get_book", "list_books", "lend_book")), *YOURS]),
        st.sampled_from(["append", "prepend", "rewrite", "cut the stamp", "to CRLF", "delete"]),
        st.integers(0, 99),
    ),
    st.tuples(st.sampled_from(GENERATED), st.sampled_from(["append", "delete"]), st.integers(0, 9)),
)
WORD = st.sampled_from(["Opens.", "Closes.", "Opens it again."])
STEPS: st.SearchStrategy[Callable[[World], World]] = st.one_of(
    EVOLUTIONS.map(lambda change: lambda world: replace(world, library=change(world.library))),
    WORD.map(lambda word: lambda world: replace(world, shed=word)),
    st.sampled_from(["book", "title"]).map(lambda name: lambda world: replace(world, desk=name)),
    st.sampled_from(sorted(TABLES)).map(lambda name: lambda world: replace(world, tables=world.tables ^ {name})),
    st.just(lambda world: replace(world, pays=not world.pays)),
    st.just(lambda world: replace(world, uses=not world.uses)),
    EDITS.map(lambda made: lambda world: replace(world, edits=(*world.edits, made))),
)


@settings(max_examples=25)
@given(rounds=st.lists(st.lists(STEPS, min_size=1, max_size=3), min_size=1, max_size=5), lost=st.integers(0, 12))
def test_incremental_is_full(
    fresh: Callable[[], Path], rounds: list[list[Callable[[World], World]]], lost: int
) -> None:
    root, world = fresh(), World()
    for number, steps in enumerate(rounds):
        for step in steps:
            world = step(world)
        world.write(root)
        world = replace(world, edits=())
        if number == lost:
            (root / ".scaffold/files").unlink()
        afresh, incremental = plan(root, afresh=True).plan, plan(root).plan
        assert incremental == afresh
        assert (incremental.notes, incremental.evolution) == (afresh.notes, afresh.evolution)
        code = scaffold(root, "regen").code
        if code == 0:
            assert plan(root).plan == plan(root, afresh=True).plan == _kept(afresh)
        elif afresh.conflicts:
            for conflict in afresh.conflicts:
                assert conflict.where is not None
                (root / conflict.where.path).unlink()


def _kept(planned: Plan) -> Plan:
    """The plan after it has been carried out: everything is kept."""
    changes = (replace(c, action="keep", before=None, after=None) for c in planned.changes if c.action != "delete")
    return replace(planned, changes=tuple(changes))


def shed_too(root: Path) -> Path:
    """The workspace with its third component, generated."""
    World().write(root)
    assert scaffold(root, "regen").code == 0
    return root


def rendered(root: Path) -> set[str]:
    """The components that a run would render."""
    workspace, configuration = open_workspace(root)
    components = wanted(workspace, configuration, memory=memory_of(workspace)).components
    return {name for name, made in components.items() if any(a.content is not None for a in made.artifacts)}


HANDLER = "services/library/src/library/handlers/get_book.py"


def recorded_otherwise(root: Path) -> None:
    """A handler and its line in the list get another name, which an RPC keeps from then on."""
    other = HANDLER.replace("get_book", "book_got")
    (root / HANDLER).rename(root / other)
    listed = root / ".scaffold/files"
    listed.write_text(listed.read_text(encoding="utf-8").replace(HANDLER, other), encoding="utf-8")


DEPENDENT: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "nothing": (lambda root: None, set()),
    "times alone": (lambda root: os.utime(root / "protos/library.proto", (1, 1)), set()),
    "a comment": (lambda root: replace(World(), shed="Closes.").write(root), {"shed"}),
    "what is used": (lambda root: replace(World(), library=Library().grown(1)).write(root), {"library", "desk"}),
    "what uses": (lambda root: replace(World(), desk="title").write(root), {"desk"}),
    "a name less": (lambda root: replace(World(), tables=frozenset()).write(root), {"library", "desk"}),
    "metadata": (
        lambda root: replace(World(), tables=frozenset({"shed", "metadata"})).write(root),
        {"library", "desk", "shed"},
    ),
    "a vendor of nobody": (lambda root: replace(World(), tables=frozenset({"shed", "vendor"})).write(root), set()),
    "a vendor of one": (
        lambda root: replace(World(), tables=frozenset({"shed", "vendor"}), pays=True).write(root),
        {"desk"},
    ),
    "a handler": (lambda root: edit(root / HANDLER, "append", 1), {"library"}),
    "a deleted file": (lambda root: (root / GENERATED[0]).unlink(), {"shed"}),
    "an edited file": (lambda root: edit(root / GENERATED[2], "append", 1), {"desk"}),
    "yours": (lambda root: edit(root / "services/desk/README.md", "rewrite", 1), set()),
    "yours, deleted": (lambda root: (root / "services/desk/README.md").unlink(), set()),
    "the list": (lambda root: (root / ".scaffold/files").unlink(), {"library", "desk", "shed"}),
    "what a handler was called": (recorded_otherwise, {"library", "desk"}),
    "no memory": (lambda root: (root / ".scaffold/cache/components.json").unlink(), {"library", "desk", "shed"}),
}


@pytest.mark.parametrize("change", DEPENDENT)
def test_only_what_depends_on_it_is_rendered(change: str, fresh: Callable[[], Path]) -> None:
    root = shed_too(fresh())
    act, names = DEPENDENT[change]
    act(root)
    assert rendered(root) == names
    assert plan(root).plan == plan(root, afresh=True).plan


def test_yours_that_is_neither_listed_nor_there_is_made(fresh: Callable[[], Path]) -> None:
    """Without the list nobody knows that it was deleted on purpose."""
    root = shed_too(fresh())
    (root / "services/desk/README.md").unlink()
    (root / ".scaffold/files").unlink()
    assert plan(root).plan == plan(root, afresh=True).plan
    assert scaffold(root, "regen").code == 0
    assert (root / "services/desk/README.md").exists()


def test_a_copy_is_rendered_where_it_differs(fresh: Callable[[], Path], tmp_path: Path) -> None:
    root = shed_too(fresh())
    shutil.copytree(root, tmp_path / "copy")
    assert rendered(tmp_path / "copy") == set(), "same bytes, sizes and times"
    shutil.copytree(root, tmp_path / "checkout", copy_function=shutil.copyfile)
    assert rendered(tmp_path / "checkout") == {"library", "desk", "shed"}


def test_a_checkout_with_crlf_is_rendered_each_time(fresh: Callable[[], Path]) -> None:
    """Its files are not what was made, byte for byte: nothing is noted about them."""
    root = shed_too(fresh())
    for path in (root / "services/shed").rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    for _ in range(2):
        assert scaffold(root, "regen").code == 0
        assert rendered(root) == {"shed"}


def test_a_clash_with_what_is_not_rendered_is_found(fresh: Callable[[], Path]) -> None:
    """All protos are compiled together: two components that declare one name are wrong, whichever of them changed."""
    root = shed_too(fresh())
    replace(World(), shed="Opens.").write(root)
    shed = root / "protos/shed.proto"
    shed.write_text(shed.read_text(encoding="utf-8").replace("package shed", "package library"), encoding="utf-8")
    clash = shed.read_text(encoding="utf-8").replace("OpenRequest", "OtherRequest")
    shed.write_text(clash, encoding="utf-8")
    said = scaffold(root, "regen")
    assert said.code == 2
    assert "OtherRequest" in said.err
