"""The house itself: who imports whom, what is documented, what the runtime may use, what start-up loads."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scaffold.cli.main import COMMANDS, scaffold
from tests.support import REPO, python, tool
from tests.support import scaffold as run

PACKAGE, TEMPLATES, DOCS = REPO / "scaffold", REPO / "templates", REPO / "docs"
SOURCES = sorted(PACKAGE.rglob("*.py"))
RUNTIME = sorted((TEMPLATES / "runtime").rglob("*.py*"))
RUNTIME = [f for f in RUNTIME if f.suffix in (".py", ".pyi")]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The modules that a file imports absolutely, with their lines, those in functions and for type checkers too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.lineno, node.module or ""


# Imports.


def test_the_import_contracts_hold() -> None:
    checked = tool("lint-imports", "--no-cache", cwd=REPO)
    assert checked.returncode == 0, checked.stdout
    assert "0 broken" in checked.stdout
    assert int(re.findall(r"(\d+) kept", checked.stdout)[0]) >= 5


def test_every_room_has_its_place() -> None:
    """A module without a room in the contracts fails the build; here: the contracts are exhaustive."""
    text = (REPO / "pyproject.toml").read_text(encoding="utf-8")
    for name in ("house", "core"):
        contract = text.partition(f'id = "{name}"')[2].partition("[[tool.importlinter")[0]
        assert "exhaustive = true" in contract, name
    core = text.partition('id = "core"')[2].partition("[[tool.importlinter")[0]
    rooms = {room for line in re.findall(r'"([a-z_ |]+)"', core) for room in line.split(" | ")}
    assert {p.stem for p in (PACKAGE / "core").glob("*.py")} - {"__init__"} <= rooms
    jinja = text.partition('id = "jinja"')[2].partition("forbidden_modules")[0]
    modules = {path.stem for path in (REPO / "scaffold/core").glob("*.py")} - {"__init__", "render"}
    assert set(re.findall(r'"scaffold\.core\.(\w+)"', jinja)) == modules


@pytest.mark.parametrize("path", RUNTIME, ids=lambda p: p.relative_to(TEMPLATES).as_posix())
def test_the_runtime_stands_alone(path: Path) -> None:
    """It is copied into services: it imports neither the tool nor its own parts by an absolute name."""
    names = {name.split(".")[0] for _, name in imported(path)}
    assert not names & {"scaffold", "runtime", "templates", "tests"}
    if path.parent.name in ("acl", "common"):
        assert not names & {"pydantic", "pydantic_settings", "sqlalchemy", "httpx"}
    if path.parent.name in ("common", "service", "process"):
        assert "sqlalchemy" not in names, "a process has no database"


def test_nothing_that_is_generated_names_the_tool_as_something_to_import() -> None:
    for path in TEMPLATES.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"^\s*(import|from) scaffold\b", text, re.MULTILINE), path
            assert not re.search(r'^\s*"apifirst-scaffold', text, re.MULTILINE), path


@pytest.mark.parametrize(
    "path",
    [f for f in RUNTIME if f.parent.name in ("acl", "common")],
    ids=lambda p: p.relative_to(TEMPLATES).as_posix(),
)
def test_what_lives_in_monoliths_is_written_for_python_3_9(path: Path) -> None:
    """It also lives in old monoliths."""
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    if path.suffix == ".py":
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8") or not _annotated(path)


def _annotated(path: Path) -> bool:
    return any(isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.AnnAssign) for n in ast.walk(tree(path)))


# Types.


def signatures(path: Path) -> Iterator[tuple[int, str, list[ast.expr], int]]:
    """Public functions and methods: line, name, annotations, and the last line of the signature."""

    def look(body: list[ast.stmt], scope: str) -> Iterator[tuple[int, str, list[ast.expr], int]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                if not node.name.startswith("_"):
                    yield from look(node.body, f"{scope}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if node.name.startswith("_") and not node.name.startswith("__"):
                    continue
                arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                arguments += [a for a in (node.args.vararg, node.args.kwarg) if a is not None]
                types = [a.annotation for a in arguments if a.annotation] + ([node.returns] if node.returns else [])
                yield node.lineno, f"{scope}{node.name}", types, node.body[0].lineno
            elif isinstance(node, ast.If):
                yield from look(node.body, scope)
                yield from look(node.orelse, scope)

    yield from look(tree(path).body, "")


def loose(path: Path) -> list[str]:
    """Public signatures of a file that say Any, or that a type checker is told to overlook."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = []
    for line, name, types, end in signatures(path):
        text = " ".join(map(ast.unparse, types))
        if re.search(r"(?<![\w.])Any\b|typing\.Any\b", text):
            found.append(f"{path.name}:{line} {name}: {text}")
        if any("type: ignore" in written for written in lines[line - 1 : max(end - 1, line)]):
            found.append(f"{path.name}:{line} {name}: type: ignore")
    return found


def test_the_runtime_has_no_loose_signatures() -> None:
    assert [problem for path in RUNTIME for problem in loose(path)] == []


def test_generated_files_have_no_loose_signatures(tmp_path: Path) -> None:
    for folder in sorted((REPO / "tests/golden").glob("*/commands.txt")):
        if folder.parent.name in ("hostile", "process_uses", "multi_package", "store_standard", "streams"):
            root = tmp_path / folder.parent.name
            subprocess.run(["cp", "-r", str(folder.parent), str(root)], check=True)
            assert run(root, "regen").code == 0
    files = [f for f in tmp_path.rglob("*.py*") if f.suffix in (".py", ".pyi") and "runtime" not in f.parts]
    assert len(files) > 100
    assert [problem for path in files for problem in loose(path)] == []
    for path in files:
        with path.open("rb") as file:
            comments = [t.string for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
        assert not [c for c in comments if "type: ignore" in c or "noqa" in c], path


# Docs.


def test_every_command_is_documented() -> None:
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    sections = dict(
        re.findall(r"^#+ .*?scaffold ([a-z]+(?: [a-z]+)?)\b[^\n]*\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    )
    context = click.Context(scaffold)
    for name in (name for commands in COMMANDS.values() for name in commands):
        command = scaffold.get_command(context, name)
        assert command is not None
        parts = (
            {f"{name} {sub}": c for sub, c in command.commands.items()}
            if isinstance(command, click.Group)
            else {name: command}
        )
        for full_name, part in parts.items():
            assert full_name in sections, f"scaffold {full_name} has no section"
            for parameter in part.params:
                for option in parameter.opts if isinstance(parameter, click.Option) else ():
                    if option.startswith("--"):
                        assert option in sections[full_name], f"scaffold {full_name} {option} is not documented"


def diagnostics() -> Iterator[tuple[Path, ast.Call]]:
    """Every place in the source that makes a Diagnostic."""
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Diagnostic":
                yield path, node


def slugs() -> set[str]:
    found: set[str] = set()
    for path, call in diagnostics():
        slug = call.args[0] if call.args else next(k.value for k in call.keywords if k.arg == "slug")
        if isinstance(slug, ast.Constant):
            found.add(str(slug.value))
        elif ast.unparse(slug) == "code":  # what the runtime of a layer found: it has the codes
            found |= set(
                re.findall(r"ACL\d{3}", (TEMPLATES / "runtime/acl/completeness.py").read_text(encoding="utf-8"))
            )
        else:
            assert ast.unparse(slug) == "f'cannot-be-{what}'", f"{path}:{call.lineno}: a slug has to be a literal"
            found |= {"cannot-be-read", "cannot-be-written"}
    return found


def test_every_slug_is_documented() -> None:
    text = (DOCS / "reference/errors.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^### `?([a-z-]+|ACL\d{3})`?\s*$", text, re.MULTILINE))
    assert len(slugs()) > 25
    assert slugs() - documented == set(), "not in docs/reference/errors.md"
    assert documented - slugs() == set(), "in docs/reference/errors.md, and nowhere said"


def test_every_diagnostic_has_a_remedy() -> None:
    """One without a remedy is unfinished."""
    for path, call in diagnostics():
        remedy = (
            call.args[3] if len(call.args) > 3 else next((k.value for k in call.keywords if k.arg == "remedy"), None)
        )
        assert remedy is not None and not (isinstance(remedy, ast.Constant) and not remedy.value), (
            f"{path}:{call.lineno}"
        )


# Start-up.

HEAVY = (
    "grpc_tools",
    "grpc",
    "jinja2",
    "pydantic",
    "cookiecutter",
    "hypothesis",
    "google.protobuf",
    "pytest",
    "sqlalchemy",
)


def loaded(folder: Path, *arguments: str) -> tuple[set[str], str]:
    """The modules that a command has loaded when it exits, and what it said."""
    ran = python(
        f"""
        import atexit, json, os, sys
        os.chdir({str(folder)!r})
        sys.argv = ["scaffold", *{arguments!r}]
        atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))
        from scaffold.__main__ import main
        main()
        """,
        REPO,
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stderr.splitlines()[-1])), ran.stdout


def heavy(modules: set[str]) -> list[str]:
    return [name for name in HEAVY if name in modules]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("regen", "--help"), ("new", "store", "--help"), ("test", "--help")]
)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...], tmp_path: Path) -> None:
    modules, said = loaded(tmp_path, *arguments)
    assert said
    assert heavy(modules) == []


def test_an_unchanged_regen_loads_nothing_heavy(tmp_path: Path) -> None:
    assert run(tmp_path, "init", "shop").code == 0
    root = tmp_path / "shop"
    assert run(root, "new", "store", "cart").code == 0
    first, _ = loaded(root, "regen")
    assert {"grpc_tools", "jinja2", "pydantic"} <= first, (
        "this has shown nothing: the first run does not load them either"
    )
    modules, said = loaded(root, "regen")
    assert re.fullmatch(r"files: \d+ unchanged\n", said)
    assert heavy(modules) == []
    assert "click" not in modules
    assert "pathlib" not in modules
    assert {m for m in modules if m.startswith("scaffold")} == {"scaffold", "scaffold.__main__"}


def test_importing_the_package_loads_nothing() -> None:
    ran = python("import sys, scaffold; print(sorted(m for m in sys.modules if m.startswith('scaffold')))", REPO)
    assert ran.stdout == "['scaffold']\n"
    assert sys.version_info >= (3, 11)
