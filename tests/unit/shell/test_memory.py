from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scaffold.core.render import Artifact
from scaffold.shell.memory import Made, Memory
from tests.support import write

NOTE = ".scaffold/cache/components.json"
ARTIFACTS = (
    Artifact("a/gen.py", b"ours\n", "generated", "a.proto"),
    Artifact("a/stub.py", b"stub\n", "stub", "a.proto#S.R", "p.S.R"),
    Artifact("a/app.py", b"", "yours", "templates/store"),
)
BARE = tuple(Artifact(a.path, None, a.owner, a.origin, a.rpc) for a in ARTIFACTS)
LISTED = {a.path for a in ARTIFACTS}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A component as it was left."""
    write(tmp_path, {"a/gen.py": "ours\n", "a/stub.py": "edited\n", "generator.py": "1", ".scaffold/files": ""})
    memory(tmp_path).keep({"a": Made("digest", ARTIFACTS)})
    return tmp_path


def memory(root: Path, version: str = "1") -> Memory:
    return Memory(root, version, [root / "generator.py", root / "absent.py"])


def standing(root: Path, version: str = "1", inputs: str = "digest") -> tuple[Artifact, ...]:
    return memory(root, version).standing("a", inputs, LISTED)


def test_a_component_that_stands_as_it_was_left(root: Path) -> None:
    assert standing(root) == BARE
    (root / "a/app.py").write_text("the user's", encoding="utf-8")
    assert standing(root) == BARE


def test_a_component_of_which_something_has_changed(root: Path) -> None:
    assert standing(root, inputs="another") == ()
    assert standing(root, version="2") == ()
    assert memory(root).standing("b", "digest", LISTED) == ()
    assert memory(root).standing("a", "digest", LISTED - {"a/app.py"}) == ()
    for path in ("a/gen.py", "a/stub.py"):
        times = (root / path).stat()
        os.utime(root / path, ns=(0, times.st_mtime_ns + 1))
        assert standing(root) == ()
        os.utime(root / path, ns=(0, times.st_mtime_ns))
        assert standing(root) == BARE
    (root / "absent.py").touch()
    assert standing(root) == (), "the generator is another one"
    (root / "absent.py").unlink()
    (root / "a/gen.py").unlink()
    assert standing(root) == ()


def test_what_stood_is_known_afterwards_too(root: Path) -> None:
    later = memory(root)
    later.keep({"a": Made("digest", later.standing("a", "digest", LISTED)), "b": Made("other", ARTIFACTS[2:])})
    assert standing(root) == BARE
    memory(root).keep({})
    assert standing(root) == ()


def test_what_is_not_as_it_was_made_is_not_noted(root: Path) -> None:
    write(root, {"a/gen.py": "somebody was quicker\n"})
    memory(root).keep({"a": Made("digest", ARTIFACTS)})
    assert standing(root) == ()
    (root / "a/gen.py").unlink()
    memory(root).keep({"a": Made("digest", ARTIFACTS)})
    assert standing(root) == ()


def test_a_broken_note_is_none(root: Path) -> None:
    note = (root / NOTE).read_text(encoding="utf-8")
    data = json.loads(note)
    parts = [
        {"a": broken} for broken in ([], ["digest"], ["digest", [[]]], ["digest", [["p", "generated", "o", "", 3]]], 7)
    ]
    broken = ["", "[]", "{}", "null", "\x00", *(json.dumps({**data, "components": part}) for part in ([], 3, *parts))]
    for text in broken:
        (root / NOTE).write_text(text, encoding="utf-8")
        assert standing(root) == (), text
    (root / NOTE).write_text(note, encoding="utf-8")
    assert standing(root) == BARE


def test_remember_and_forget(root: Path) -> None:
    later = (root / "generator.py").stat().st_mtime_ns + 10**9
    memory(root).remember([root / "generator.py", root / "absent.proto"], ["a/gen.py"], later)
    cache = root / ".scaffold/cache/stat.json"
    note = json.loads(cache.read_text(encoding="utf-8"))
    assert set(note["files"]) == {
        str(root / name) for name in ("generator.py", "absent.proto", "a/gen.py", ".scaffold/files")
    }
    assert note["files"][str(root / "absent.proto")] is None, "a file that comes to exist is a change"
    assert (note["count"], note["version"], note["root"]) == (1, "1", str(root))
    memory(root).forget()
    assert not cache.exists()
    memory(root).forget()


def test_an_input_that_has_changed_since_is_not_noted(root: Path) -> None:
    memory(root).remember([root / "generator.py"], [], (root / "generator.py").stat().st_mtime_ns - 1)
    assert not (root / ".scaffold/cache/stat.json").exists()


def test_a_note_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    write(tmp_path, {".scaffold/cache": "a file", "generator.py": "1"})
    memory(tmp_path).remember([], [], 2**63)
    memory(tmp_path).keep({"a": Made("digest", ARTIFACTS[2:])})
    assert (tmp_path / ".scaffold/cache").read_text(encoding="utf-8") == "a file"
