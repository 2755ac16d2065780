from __future__ import annotations

from pathlib import Path

import click
import pytest

from scaffold import __version__
from scaffold.cli.main import COMMANDS
from scaffold.cli.main import scaffold as group
from tests.support import scaffold, scaffold_process

HELP = """\
scaffold: protobuf definitions in, running services out; and again after every change.

Start
  demo      a shop in an empty folder: start it, place an order, show the trace
  init      make a workspace
  new       add a store or a process; without --proto, a commented starter proto too

Change
  plan      what regen would change
  regen     do it
  burn      start a prototype again from its protos; your code goes to the attic
  restore   bring a file back from the attic; without a name, list them

Run
  up        start every service on loopback, traced
  call      call an RPC: scaffold call cart GetCart name=carts/1
  trace     the last trace as a tree, or one by its id

Judge
  check     all that CI asks: drift, boundaries, types
  test      contract tests: in process, or --against HOST:PORT

Move
  acl       beside a monolith: introspect it, smell what was copied from it

Keep
  remove    take a component out of the workspace; your files go to the attic

`scaffold COMMAND --help` says more.
exit codes: 0 fine, 1 found something, 2 bad input and nothing written
"""


def test_the_look_of_help(tmp_path: Path) -> None:
    for arguments in (("--help",), ("-h",)):
        said = scaffold(tmp_path, *arguments)
        assert (said.code, said.out, said.err) == (0, HELP, "")


def test_without_a_command_it_shows_what_there_is(tmp_path: Path) -> None:
    said = scaffold(tmp_path)
    assert said.code == 2
    assert "scaffold COMMAND --help" in said.text


def test_the_version(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "--version").out == f"{__version__}\n"


@pytest.mark.parametrize("name", [name for commands in COMMANDS.values() for name in commands])
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    for option in ("--help", "-h"):
        said = scaffold(tmp_path, name, option)
        assert said.code == 0
        assert said.out.startswith(f"Usage: scaffold {name} ")
    command = group.get_command(click.Context(group), name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]} says nothing about itself"


def test_no_command_is_left_out() -> None:
    modules = {p.stem for p in Path(group.callback.__code__.co_filename).parent.glob("*.py")} - {"__init__", "main"}  # type: ignore[union-attr]  # it has one
    assert modules == {name for commands in COMMANDS.values() for name in commands}


@pytest.mark.parametrize(
    ("wrong", "right"), [("regn", "regen"), ("nwe", "new"), ("chek", "check"), ("tets", "test"), ("inti", "init")]
)
def test_a_slip_of_the_finger(wrong: str, right: str, tmp_path: Path) -> None:
    said = scaffold(tmp_path, wrong)
    assert said.code == 2
    assert f'Did you mean "{right}"?' in said.err


def test_what_nobody_knows(tmp_path: Path) -> None:
    said = scaffold(tmp_path, "frobnicate")
    assert said.code == 2
    assert "No such command 'frobnicate'" in said.err


def test_a_defect_of_ours_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("scaffold.verbs.init.init", broken)
    said = scaffold(tmp_path, "init", "x")
    assert said.code == 70
    assert "RuntimeError: boom" in said.err
    assert "this is a defect of scaffold, not of yours. Please report it" in said.err


def test_the_program_itself(tmp_path: Path) -> None:
    said = scaffold_process(tmp_path, "--help")
    assert (said.code, said.out) == (0, HELP)
