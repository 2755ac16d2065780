"""Small workspaces: what is generated from them, compared both ways with what is checked in.

Each folder here is a case: `scaffold.toml`, protos, and `commands.txt`, one command a line. `expected.txt` holds what they
said where they failed, and the generated files worth reading, each under a line `-- path --`. After a change that is
meant: `pytest tests/golden --update-golden`, and read the diff.

In a case that goes on, a line `+ FOLDER` puts the files of that folder of the case over the workspace: what somebody wrote
meanwhile. From there on everything that is said is shown.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import python, scaffold, shared, tool

HERE = Path(__file__).parent
CASES = sorted(path.parent.name for path in HERE.glob("*/commands.txt"))
NOT_CASES = ("expected.txt", "commands.txt")

# What a reader wants to see; the runtime, the descriptors and what only repeats the proto are left out.
_SHOWN = re.compile(
    r".*/src/\w+/(app\.py|handlers/.*\.py|gen/(service|names|vendors)\.py|gen/clients/\w+\.py|gen/messages/\w+\.pyi)"
    r"|.*/tests/test_handlers\.py|.*_acl/(translate|local)\.py|.*_acl/gen/(port|wire|facts|remote|seam)\.py"
)
_DIGEST = re.compile(r"sha256=[0-9a-f]{64}")
# How many files there are is a matter of the templates.
_COUNT = re.compile(r"\d+ (unchanged|updated|generated files?)")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every case, after its commands; made once, also where several workers run."""
    return shared(tmp_path_factory, "golden", _make)


def _make(root: Path) -> None:
    for case in CASES:
        lines = (HERE / case / "commands.txt").read_text(encoding="utf-8").splitlines()
        steps = [line.removeprefix("+ ") for line in lines if line.startswith("+ ")]
        shutil.copytree(HERE / case, root / case, ignore=shutil.ignore_patterns(*NOT_CASES, *steps))
        said, shown = [], False
        for line in lines:
            if line.startswith("+ "):
                shutil.copytree(HERE / case / line.removeprefix("+ "), root / case, dirs_exist_ok=True)
                said.append(f"{line}\n")
                shown = True
                continue
            result = scaffold(root / case, *shlex.split(line))
            text = _COUNT.sub(r"… \1", result.text) if shown or result.code else ""
            said.append(f"$ scaffold {line}\n{text}" + (f"exit code {result.code}\n" if result.code else ""))
        (root / f"{case}.said").write_text("\n".join(said), encoding="utf-8")


def _actual(root: Path, case: str) -> str:
    parts = [(root / f"{case}.said").read_text(encoding="utf-8")]
    for path in sorted((root / case).rglob("*")):
        name = path.relative_to(root / case).as_posix()
        if path.is_file() and _SHOWN.fullmatch(name):
            text = _DIGEST.sub("sha256=…", path.read_text(encoding="utf-8"))
            parts.append(f"-- {name} --\n{text}")
    return "\n".join(parts)


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, made: Path, request: pytest.FixtureRequest) -> None:
    actual = _actual(made, case)
    expected = HERE / case / "expected.txt"
    if request.config.getoption("--update-golden"):
        expected.write_text(actual, encoding="utf-8")
    assert _files(actual).keys() == _files(expected.read_text(encoding="utf-8")).keys()
    for name, text in _files(expected.read_text(encoding="utf-8")).items():
        assert _files(actual)[name] == text, name


def _files(text: str) -> dict[str, str]:
    """The parts of an expected.txt by path; what was said first, under no path."""
    pieces = re.split(r"^-- (.+) --\n", text, flags=re.MULTILINE)
    return {"": pieces[0], **dict(zip(pieces[1::2], pieces[2::2], strict=True))}


# What holds for every case.


def _sources(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*/*/*/src") if path.is_dir())


def _layers(root: Path) -> list[Path]:
    """The folders `src` of anti-corruption layers."""
    return [path for path in _sources(root) if path.parents[1].name == "acl"]


def _packages(root: Path) -> list[str]:
    names = [path.name for source in _sources(root) if source not in _layers(root) for path in source.iterdir()]
    assert len(names) == len(set(names)), "components of two cases have the same import name"
    return sorted(names)


def _modules(root: Path) -> Iterator[Path]:
    return (path for source in _sources(root) for path in sorted(source.parent.rglob("*.py")))


def test_every_case_generates_something(made: Path) -> None:
    assert {source.relative_to(made).parts[0] for source in _sources(made)} == set(CASES) - {"refused"}


def test_every_module_compiles(made: Path) -> None:
    modules = list(_modules(made))
    assert len(modules) > 300
    for path in modules:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)


def test_linters_find_nothing(made: Path) -> None:
    """The runtime is checked where it stands, by the rules of the oldest Python that it has to run on."""
    _linted(made, "py311", "E,F,I,UP,B", "runtime,acl", ".")
    # A layer lives in a monolith, and `X | None` cannot be evaluated by Python 3.9.
    _linted(made, "py39", "E,F,I,UP,B", "runtime", *(str(path.parent) for path in _layers(made)), ignored="UP007,UP045")


def _linted(made: Path, version: str, rules: str, excluded: str, *paths: str, ignored: str = "D") -> None:
    source = ", ".join(f'"{path}"' for path in _sources(made))
    checked = tool(
        "ruff", "check", "--isolated", "--no-cache", "--config", "line-length = 120", "--target-version", version,
        "--select", rules, "--ignore", ignored, "--config", f"src = [{source}]",
        "--config", 'lint.task-tags = ["scaffold"]', "--config", "lint.pycodestyle.ignore-overlong-task-comments = true",
        # Code is as wide as the formatter lets it be (below); the rest are strings and prose.
        "--config", "lint.pycodestyle.max-line-length = 140",
        "--exclude", excluded, *paths,
        cwd=made,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_formatters_find_nothing_to_do(made: Path) -> None:
    formatted = tool("ruff", "format", "--isolated", "--no-cache", "--line-length", "120", "--diff", ".", cwd=made)
    assert formatted.returncode == 0, formatted.stdout[:8000]


def test_type_checkers_find_nothing(made: Path, tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    path = ":".join(map(str, (made, *_sources(made))))
    config.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {path}\ncache_dir = {tmp_path / 'cache'}\nexplicit_package_bases = true\n"
        "[mypy-google.api.*,google.longrunning.*,google.rpc.*,google.type.*]\n"
        "follow_imports = skip\nignore_missing_imports = true\n"
        # What only a monolith has installed.
        "[mypy-asgiref.*,django.*,tomli]\nignore_missing_imports = true\n"
        "[mypy-*.management.commands.*]\ndisallow_subclassing_any = false\n",
        encoding="utf-8",
    )
    files = [str(f) for f in made.glob("*/*/*/tests/**/*.py")]
    files += [str(f) for source in _sources(made) for f in source.rglob("*.py*") if f.suffix in (".py", ".pyi")]
    # A stub stands for its module, and the copies of the runtime are all alike: one of each kind is enough.
    files = [f for f in files if not Path(f).with_suffix(".pyi").exists() or f.endswith(".pyi")]
    files = [f for f in files if "/gen/runtime/" not in f or "/caller/" in f or "/hostile/src/" in f]
    checked = tool("mypy", "--config-file", str(config), *files, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_everything_imports_and_every_handler_is_found(made: Path) -> None:
    """In one process, the hostile case too: nothing of a comment ran, no name hid another."""
    code = f"""
        import importlib
        for name in {_packages(made)!r}:
            main = importlib.import_module(f"{{name}}.gen.main")
            importlib.import_module(f"{{name}}.gen.api")
            importlib.import_module(f"{{name}}.gen.names")
            for service in main.COMPONENT.services:
                handlers = service.load()
                for rpc in service.rpcs:
                    assert callable(getattr(handlers, rpc.attribute)), rpc
        print("done")
    """
    ran = python(code, *_sources(made))
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_every_layer_imports_with_nothing_of_a_monolith(made: Path) -> None:
    code = """
        import sys
        from lab_acl.gen import facts, port, remote, seam, servicer, translation, wire
        from lab_acl.gen.runtime.acl.translate import collecting
        with collecting() as collected:
            from lab_acl import app, errors, local, translate
        assert [f.code for f in collected[0].findings()].count("ACL001") > 10
        assert not {"django", "sqlalchemy", "pydantic"} & set(sys.modules)
        print("done")
    """
    ran = python(code, *_sources(made))
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr


def test_the_first_tests_pass(made: Path, tmp_path: Path) -> None:
    """What a component brings as an example of a test is one that passes."""
    files = [str(f) for f in sorted(made.glob("*/*/*/tests/test_handlers.py"))]
    code = f"""
        import pytest
        raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--rootdir={tmp_path}",
                                      "-c", "/dev/null", *{files!r}]))
    """
    ran = python(code, *_sources(made))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(rf"\b{len(files)} passed", ran.stdout), ran.stdout


def test_regenerating_a_case_changes_nothing(made: Path) -> None:
    for case in set(CASES) - {"refused"}:
        said = scaffold(made / case, "plan")
        assert said.code == 0, said.text
        assert re.fullmatch(r"files: \d+ unchanged\n", said.out.splitlines(keepends=True)[-1]), said.out
