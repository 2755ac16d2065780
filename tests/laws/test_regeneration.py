"""The laws of regeneration, whatever the proto, the person and the moment (docs/explanation/ownership.md)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from scaffold.core import stamp
from scaffold.shell import workspace as workspace_room
from tests.support import contents, python, scaffold, tree, write

TOML = """
    [stores.notes]
    proto = "notes/v1/notes.proto"

    [processes.digest]
    proto = "digest/v1/digest.proto"
    uses = ["notes"]
"""
DIGEST = """
    syntax = "proto3";
    package digest.v1;
    service DigestService { rpc MakeDigest(MakeDigestRequest) returns (MakeDigestResponse); }
    message MakeDigestRequest { string request_id = 1; }
    message MakeDigestResponse { string text = 1; }
"""


@dataclass(frozen=True)
class Proto:
    """An API that evolves: RPCs in order, fields of the resource, a comment, a value of an enum."""

    rpcs: tuple[str, ...] = ("GetNote", "Archive")
    fields: tuple[str, ...] = ("title",)
    comment: str = "Keeps notes."
    number: int = 1

    def text(self) -> str:
        methods = "".join(f"  rpc {name}(GetNoteRequest) returns (Note);\n" for name in self.rpcs)
        fields = "".join(f"  string {name} = {number};\n" for number, name in enumerate(self.fields, start=10))
        comment = "".join(f"// {line}\n" for line in self.comment.splitlines())
        return (
            'syntax = "proto3";\npackage notes.v1;\n'
            f"{comment}service NoteService {{\n{methods}}}\n"
            f"message Note {{\n  string name = 1;\n{fields}}}\n"
            f"message GetNoteRequest {{ string name = 1; }}\nenum Mark {{ NO_MARK = 0; RED = {self.number}; }}\n"
        )


def make(root: Path, proto: Proto = Proto()) -> Path:
    write(root, {"scaffold.toml": TOML, "protos/digest/v1/digest.proto": DIGEST})
    save(root, proto)
    assert scaffold(root, "regen").code == 0
    return root


def save(root: Path, proto: Proto) -> None:
    path = root / "protos/notes/v1/notes.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(proto.text(), encoding="utf-8")


def listed(root: Path) -> dict[str, str]:
    lines = (root / ".scaffold/files").read_text().splitlines()
    return dict(line.split("\t")[:2] for line in lines if not line.startswith("#"))


def nothing_is_orphaned(root: Path) -> None:
    """Every file that carries a stamp is on the list; no file is staged or half-written."""
    known = listed(root)
    for path, content in contents(root).items():
        if path != ".scaffold/files" and stamp.read(content.decode(errors="replace")) is not stamp.Mark.NONE:
            assert path in known, path
            assert "half written" not in content.decode()


# Same input, same bytes.


def test_the_output_depends_on_nothing_but_the_input(tmp_path: Path) -> None:
    ways = {
        "plain": {},
        "seed": {"PYTHONHASHSEED": "1"},
        "other-seed": {"PYTHONHASHSEED": "4242"},
        "turkish": {"LC_ALL": "tr_TR.UTF-8", "TZ": "Pacific/Kiritimati"},
        "posix": {"LC_ALL": "C", "TZ": "America/Los_Angeles", "PYTHONUTF8": "0"},
    }
    trees = {}
    for name, environment in ways.items():
        root = tmp_path / name / "shop"
        tables = TOML.strip("\n").split("\n\n")
        write(
            root,
            {
                "scaffold.toml": "\n\n".join(tables if name == "plain" else reversed(tables)),
                "protos/digest/v1/digest.proto": DIGEST,
            },
        )
        save(root, Proto(comment='Wörter, """Zitate""" und \\ Striche'))
        here = root / "protos" if name == "seed" else root
        ran = subprocess.run(
            [sys.executable, "-m", "scaffold", "regen"],
            cwd=here,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        trees[name] = {path: content for path, content in contents(root).items() if path != "scaffold.toml"}
    assert len(trees["plain"]) > 70
    for name, found in trees.items():
        assert found == trees["plain"], name


# Regenerate twice.


def test_the_second_regeneration_changes_nothing(tmp_path: Path) -> None:
    root = make(tmp_path)
    before = tree(root)
    shutil.rmtree(root / ".scaffold/cache")
    said = scaffold(root, "regen")
    assert said.code == 0 and "created" not in said.out and "updated" not in said.out
    assert tree(root) == before
    assert scaffold(root, "regen", "--check").code == 0


# A person's bytes survive; nothing is orphaned.


class Evolution(RuleBasedStateMachine):
    """A proto that somebody changes, handlers that somebody writes, and regenerations in between."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="scaffold-law-")
        self.root = make(Path(self.folder.name))
        self.proto = Proto()
        self.mine: dict[Path, bytes] = {}
        self.handlers = self.root / "services/notes/src/notes/handlers"

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(name=st.sampled_from(["GetNote", "Archive", "Share", "ShareNote", "import", "GetURL", "GetUrl"]))
    def add_or_remove_an_rpc(self, name: str) -> None:
        rest = tuple(rpc for rpc in self.proto.rpcs if rpc != name)
        self.proto = replace(self.proto, rpcs=rest if name in self.proto.rpcs else (*rest, name))

    @rule()
    def reorder(self) -> None:
        self.proto = replace(self.proto, rpcs=self.proto.rpcs[::-1])

    @rule(name=st.sampled_from(["title", "body", "from", "class"]))
    def add_or_remove_a_field(self, name: str) -> None:
        rest = tuple(f for f in self.proto.fields if f != name)
        self.proto = replace(self.proto, fields=rest if name in self.proto.fields else (*rest, name))

    @rule(comment=st.sampled_from(["Keeps notes.", '"""', 'a"', "\\", "{{ 7 * 7 }}", "{% raw %}", "x" * 200]))
    def change_a_comment(self, comment: str) -> None:
        self.proto = replace(self.proto, comment=comment)

    @rule(data=st.data(), code=st.sampled_from([b"# mine\n", b"def \xff broken", b"", b"x = 1\r\n"]))
    def write_a_handler(self, data: st.DataObject, code: bytes) -> None:
        there = sorted(p for p in self.handlers.glob("*.py") if p.name != "__init__.py")
        if there:
            path = data.draw(st.sampled_from(there))
            content = path.read_bytes() + code + b"# edited\n"
            path.write_bytes(content)
            self.mine[path] = content

    @rule()
    def edit_the_app(self) -> None:
        path = self.root / "services/notes/src/notes/app.py"
        path.write_bytes(path.read_bytes() + b"# mine\n")
        self.mine[path] = path.read_bytes()

    @precondition(lambda self: self.proto.rpcs)
    @rule()
    def regenerate(self) -> None:
        save(self.root, self.proto)
        said = scaffold(self.root, "regen")
        assert said.code in (0, 1), said.text
        assert (said.code == 1) == ("orphan" in said.text), said.text
        nothing_is_orphaned(self.root)
        modules = {f.stem for f in self.handlers.glob("*.py")} - {"__init__"}
        assert len(modules) >= len(self.proto.rpcs)
        again = tree(self.root)
        scaffold(self.root, "regen")
        assert tree(self.root) == again

    @invariant()
    def what_is_mine_is_as_i_left_it(self) -> None:
        for path, content in getattr(self, "mine", {}).items():
            assert path.read_bytes() == content, path


def test_what_a_person_wrote_survives_any_evolution() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Evolution, settings=settings(max_examples=12, stateful_step_count=14, deadline=None, derandomize=True)
    )


# Killed at any write.


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@dataclass
class Killer:
    """Lets a number of writes pass, then ends the run."""

    passes: int
    count: int = 0
    moves: list[str] = field(default_factory=list)


def kill_after(monkeypatch: pytest.MonkeyPatch, passes: int) -> Killer:
    killer = Killer(passes)
    original = workspace_room._Writer._move

    def move(self: workspace_room._Writer, path: str, staged: Path | None) -> None:
        if killer.count >= killer.passes:
            raise Killed
        killer.count += 1
        killer.moves.append(path)
        original(self, path, staged)

    monkeypatch.setattr(workspace_room._Writer, "_move", move)
    return killer


IMPORT = """
try:
    import notes.gen.main
except ImportError as error:
    assert "scaffold regen" in str(error), error
    print("refused")
else:
    from notes.gen import descriptors, service
    print("imported", len(service.SERVICES[0].rpcs), len(descriptors.FILES))
"""


def test_killed_at_any_write_the_next_run_completes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = make(tmp_path / "start")
    goal = shutil.copytree(start, tmp_path / "goal")
    changed = Proto(rpcs=("Share", "GetNote"), fields=("title", "body"), comment="Other.")
    save(goal, changed)
    assert scaffold(goal, "regen").code == 0
    wanted = contents(goal)
    verdicts = set()
    passes = 0
    while True:
        root = shutil.copytree(start, tmp_path / f"killed-{passes}")
        save(root, changed)
        with monkeypatch.context() as patch:
            killer = kill_after(patch, passes)
            try:
                scaffold(root, "regen")
                finished = True
            except Killed:
                finished = False
        if not finished:
            ran = python(IMPORT, root / "services/notes/src")
            assert ran.returncode == 0, (killer.moves, ran.stderr)
            verdicts.add(ran.stdout.split()[0])
        assert scaffold(root, "regen").code == 0
        assert contents(root) == wanted, killer.moves
        shutil.rmtree(root)
        if finished:
            break
        passes += 1
    assert passes > 10
    assert verdicts == {"imported", "refused"}


def test_killed_while_it_was_made_a_component_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goal = make(tmp_path / "goal")
    wanted = contents(goal)
    for passes in (0, 1, 2, 5, 20, 40, 60):
        root = tmp_path / f"killed-{passes}"
        write(root, {"scaffold.toml": TOML, "protos/digest/v1/digest.proto": DIGEST})
        save(root, Proto())
        with monkeypatch.context() as patch:
            kill_after(patch, passes)
            with pytest.raises(Killed):
                scaffold(root, "regen")
        assert scaffold(root, "regen").code == 0
        assert contents(root) == wanted, passes


# Bytecode.


def test_a_file_that_is_replaced_within_a_second_runs_as_it_is_now(tmp_path: Path) -> None:
    """Python takes bytecode for current where size and whole-second mtime of the source are the same."""
    root = make(tmp_path)
    code = "from notes.gen.messages.notes_v1 import RED; print(RED)"
    for number in (2, 3, 4, 5, 6, 7):
        save(root, Proto(number=number))
        assert scaffold(root, "regen").code == 0
        ran = python(code, root / "services/notes/src", PYTHONDONTWRITEBYTECODE="")
        assert ran.stdout.strip() == str(number), ran.stderr


# Strings from a proto are data.

HOSTILE = (
    '"""',
    "'''",
    "\\",
    '"',
    "'",
    "\n",
    "{{",
    "}}",
    "{%",
    "%}",
    "#}",
    "\u202e",
    "\x0c",
    "é",
    " ",
    "import os",
    "*/",
    "`",
)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(HOSTILE), max_size=12).map("".join))
def test_a_comment_never_becomes_code(comment: str) -> None:
    with tempfile.TemporaryDirectory(prefix="scaffold-law-") as folder:
        comment = f"begin {comment} end"
        root = Path(folder)
        write(root, {"scaffold.toml": TOML, "protos/digest/v1/digest.proto": DIGEST})
        save(root, Proto(comment=comment.replace("\n", " ")))
        assert scaffold(root, "regen").code == 0
        plain = make(Path(folder, "plain"), Proto(comment="plain"))
        for path in contents(root):
            if path.endswith(".py") and path.startswith("services/") and (plain / path).is_file():
                assert skeleton_of(root / path) == skeleton_of(plain / path), path


def skeleton_of(path: Path) -> str:
    """A module without its docstrings and comments."""
    import ast

    parsed = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(parsed):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    return ast.unparse(parsed)
