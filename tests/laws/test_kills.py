"""Law 4: killed at any write, the next run converges; until then the tree imports as before or says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scaffold.shell import workspace as writer
from tests.laws.library import Library
from tests.support import contents, python, scaffold

SOURCES = ("services/library/src", "services/desk/src")
HANDLER = "services/library/src/library/handlers/get_book.py"


class Killed(BaseException):
    """As SIGKILL: nothing that the writer could catch or clean up after."""


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], list[str]]:
    """Kill the writer at the n-th call of one of its steps; gives the list of the paths that it had come to."""

    def arm(step: str, at: int) -> list[str]:
        real: Callable[..., object] = getattr(writer._Writer, step)
        seen: list[str] = []

        def call(self: object, *arguments: object) -> object:
            seen.append(str(arguments[0] if step == "_move" else arguments[1]))
            if len(seen) == at:
                raise Killed
            return real(self, *arguments)

        monkeypatch.setattr(writer._Writer, step, call)
        return seen

    return arm


def evolve(root: Path) -> None:
    """Something is created, updated and deleted, in both components."""
    api = Library().removed("LendBook").added("CreateBook").grown(1)
    (root / "protos/library.proto").write_text(api.text(), encoding="utf-8")


def disarm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()


def steps_of(
    root: Path, kill: Callable[[str, int], list[str]], monkeypatch: pytest.MonkeyPatch, *command: str
) -> list[str]:
    """The paths that a run writes, in order."""
    seen = kill("_move", 0)
    assert scaffold(root, *command).code == 0
    disarm(monkeypatch)
    return seen


def imports(root: Path) -> str:
    """What importing both components gives: ``fine``, or the ImportError's text."""
    ran = python(
        """
        try:
            import library.gen.main, desk.gen.main
            for main in (library.gen.main, desk.gen.main):
                for service in main.COMPONENT.services:
                    service.load()
            print("fine")
        except ImportError as error:
            print(error)
        """,
        *(root / source for source in SOURCES),
        PYTHONDONTWRITEBYTECODE="1",
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_order_of_the_writes(
    fresh: Callable[[], Path], kill: Callable[[str, int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """List, guards, files, descriptors last but one, the real __init__, list."""
    root = fresh()
    evolve(root)
    steps = steps_of(root, kill, monkeypatch, "regen")
    assert steps[0] == steps[-1] == ".scaffold/files"
    gens = [f"{source}/{Path(source).parent.name}/gen" for source in SOURCES]
    for gen in gens:
        inside = [path for path in steps if path.startswith(f"{gen}/")]
        assert inside[0] == inside[-1] == f"{gen}/__init__.py"
        assert inside[-2] == f"{gen}/descriptors.py"
    last_guard = max(steps.index(f"{gen}/__init__.py") for gen in gens)
    assert not any("/src/" in path and not path.endswith("gen/__init__.py") for path in steps[:last_guard])


def test_killed_at_every_write_of_a_regeneration(
    fresh: Callable[[], Path],
    template: Path,
    tmp_path: Path,
    kill: Callable[[str, int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unbroken = tmp_path / "unbroken"
    shutil.copytree(template, unbroken)
    evolve(unbroken)
    steps = steps_of(unbroken, kill, monkeypatch, "regen")
    assert len(steps) > 10
    expected = contents(unbroken)
    outcomes = []
    for at in range(1, len(steps) + 1):
        root = fresh()
        (root / HANDLER).write_bytes((root / HANDLER).read_bytes() + b"\n# Mine.\n")
        evolve(root)
        kill("_move", at)
        with pytest.raises(Killed):
            scaffold(root, "regen")
        disarm(monkeypatch)
        outcomes.append(imports(root))
        assert outcomes[-1] == "fine" or "run `scaffold regen`" in outcomes[-1], (steps[at - 1], outcomes[-1])
        said = scaffold(root, "regen")
        assert said.code == 0, (steps[at - 1], said.text)
        mine = {HANDLER: expected[HANDLER] + b"\n# Mine.\n"}
        assert contents(root) == {**expected, **mine}, steps[at - 1]
        assert not (root / ".scaffold/cache/stage").exists()
    assert imports(root) == "fine"
    assert {"fine"} < set(outcomes), "no kill left a tree that has to be refused: this has shown nothing"


@pytest.mark.parametrize("at", [1, 2, 7])
def test_killed_while_staging(
    at: int, fresh: Callable[[], Path], kill: Callable[[str, int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fresh()
    evolve(root)
    before = contents(root)
    kill("_prepare", at)
    with pytest.raises(Killed):
        scaffold(root, "regen")
    disarm(monkeypatch)
    assert contents(root) == before, "nothing is in place before everything is staged"
    assert scaffold(root, "regen").code == 0


def test_killed_at_every_write_of_a_new_component(
    template: Path, tmp_path: Path, kill: Callable[[str, int], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The component is not there, or the next `regen` completes it: what is the user's too, app.py for one."""

    def copy(name: str) -> Path:
        root = tmp_path / name / "acme"
        shutil.copytree(template, root)
        return root

    unbroken = copy("unbroken")
    steps = steps_of(unbroken, kill, monkeypatch, "new", "store", "late")
    expected = contents(unbroken)
    settings = steps.index("scaffold.toml") + 1
    interesting = {1, 2, settings, settings + 1, settings + 2, len(steps) - 2, len(steps) - 1, len(steps)}
    interesting |= {steps.index(path) + 1 for path in steps if path.endswith(("late/app.py", "late/pyproject.toml"))}
    interesting |= set(range(settings + 5, len(steps), 11))
    for at in sorted(interesting):
        root = copy(f"killed{at}")
        kill("_move", at)
        with pytest.raises(Killed):
            scaffold(root, "new", "store", "late")
        disarm(monkeypatch)
        if "late" in (root / "scaffold.toml").read_text(encoding="utf-8"):
            said = scaffold(root, "regen")
        else:
            assert scaffold(root, "regen").code == 0, steps[at - 1]
            said = scaffold(root, "new", "store", "late")
        assert said.code == 0, (steps[at - 1], said.text)
        assert contents(root) == expected, steps[at - 1]
        shutil.rmtree(root.parent)


def test_a_disk_that_is_full(fresh: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An error while moving is reported, with what to do; the next run completes what was begun."""
    root = fresh()
    evolve(root)
    real: Callable[..., object] = writer._Writer._move
    count = 0

    def call(self: object, path: str, staged: Path | None) -> object:
        nonlocal count
        count += 1
        if count == 6:
            raise OSError(28, "No space left on device")
        return real(self, path, staged)

    monkeypatch.setattr(writer._Writer, "_move", call)
    said = scaffold(root, "regen")
    assert said.code == 2
    assert "cannot-be-written: no space left on device" in said.err
    assert "then `scaffold regen` completes what was begun" in said.err
    monkeypatch.undo()
    assert scaffold(root, "regen").code == 0
    assert imports(root) == "fine"
