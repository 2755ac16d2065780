from __future__ import annotations

import sys
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from scaffold.core.render import Renderer
from scaffold.shell.templates import Compiled
from tests.support import write


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where Python keeps bytecode."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)


def rendered(root: Path, compiled: Compiled | None = None) -> str:
    return Renderer(FileSystemLoader(root), compiled or Compiled()).text("a.py.j2", "x")


def test_what_was_compiled_is_kept_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.py.j2": "one {{ v }}"})
    assert rendered(tmp_path) == "one x"
    (file,) = (tmp_path / "__pycache__").iterdir()
    assert file.name.startswith(f"a.py.{sys.implementation.cache_tag}.")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr("jinja2.environment.Environment._parse", never)
    assert rendered(tmp_path) == "one x"
    write(tmp_path, {"a.py.j2": "two {{ v }}"})
    with pytest.raises(AssertionError, match="compiled again"):
        rendered(tmp_path)


def test_another_source_is_compiled_anew(tmp_path: Path) -> None:
    write(tmp_path, {"a.py.j2": "one {{ v }}"})
    assert rendered(tmp_path) == "one x"
    write(tmp_path, {"a.py.j2": "two {{ v }}"})
    assert rendered(tmp_path) == "two x"


def test_what_is_broken_is_compiled_anew(tmp_path: Path) -> None:
    write(tmp_path, {"a.py.j2": "one {{ v }}"})
    assert rendered(tmp_path) == "one x"
    (file,) = (tmp_path / "__pycache__").iterdir()
    whole = file.read_bytes()
    for broken in (b"nonsense", *(whole[:length] for length in range(0, len(whole), 31)), whole[:-1]):
        file.write_bytes(broken)
        assert rendered(tmp_path) == "one x"
        assert file.read_bytes() == whole


def test_where_nothing_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a.py.j2": "one {{ v }}", "__pycache__": "a file is in the way"})
    assert rendered(tmp_path) == "one x"
    (tmp_path / "__pycache__").unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(tmp_path) == "one x"
    assert [p.name for p in tmp_path.iterdir()] == ["a.py.j2"]
