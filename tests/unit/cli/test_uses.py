"""Who uses whom: what a process may call, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

from tests.support import contents, scaffold, write

PROTO = """
    syntax = "proto3";
    package {name};
    service {title}Service {{ rpc Run(RunRequest) returns (RunRequest); }}
    message RunRequest {{}}
"""


def workspace(folder: Path, **uses: list[str]) -> Path:
    tables = [f'[processes.{name}]\nproto = "{name}.proto"\nuses = {list(used)!r}\n' for name, used in uses.items()]
    protos = {f"protos/{name}.proto": PROTO.format(name=name, title=name.title()) for name in uses}
    return write(folder, {"scaffold.toml": "\n".join(tables), **protos})


def test_a_process_over_a_process_is_made_and_worth_a_word(tmp_path: Path) -> None:
    workspace(tmp_path, desk=["checkout"], checkout=[])
    said = scaffold(tmp_path, "regen")
    assert said.code == 0
    assert 'process-uses-process: "desk" calls the process "checkout"' in said.text
    assert (tmp_path / "services/desk/src/desk/gen/clients/checkout.py").exists()
    for check in (("check", "--only", "drift"), ("regen", "--check")):
        checked = scaffold(tmp_path, *check)
        assert ": note: process-uses-process: " in checked.out
        assert checked.code == 0, "what may be kept on purpose does not fail CI for ever"
        assert checked.out.endswith("nothing found\n")


def test_a_circle_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    workspace(tmp_path, desk=["checkout"], checkout=["billing"], billing=["desk"])
    before = contents(tmp_path)
    said = scaffold(tmp_path, "regen")
    assert said.code == 2
    assert "uses-cycle: processes call each other in a circle: billing → desk → checkout → billing" in said.text
    assert contents(tmp_path) == before


def test_a_process_that_uses_itself_or_nobody_is_refused(tmp_path: Path) -> None:
    workspace(tmp_path, desk=["desk", "chekout"], checkout=[])
    said = scaffold(tmp_path, "regen")
    assert said.code == 2
    assert 'uses-itself: "desk" uses itself' in said.text
    assert 'did you mean "checkout"?' in said.text
