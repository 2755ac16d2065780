"""The environments that the monoliths run in: ``python -m tests.monoliths.environments`` makes them.

``make test`` does that before its tests; the tests use what is there, and never install anything. Each environment has its
own interpreter and the versions of ``requirements/NAME.txt``; it is made again when that file changes. Without a Python
3.9 (``PYTHON39``, on the path, or pyenv's) those that need one are left out, which CI does not accept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
FOLDER = Path(os.environ.get("SCAFFOLD_MONOLITHS") or REPO / "build" / "monoliths")
IN_CI = bool(os.environ.get("CI"))

DJANGO_SHOP = HERE / "django_shop"
FLASK_SHOP = HERE / "flask_shop"


@dataclass(frozen=True)
class Environment:
    """A virtual environment. ``old``: it runs on Python 3.9; ``large``: made where it is named, and in CI."""

    name: str
    old: bool = True
    large: bool = False

    @property
    def requirements(self) -> Path:
        """The pinned versions."""
        return HERE / "requirements" / f"{self.name}.txt"

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def ready(self) -> bool:
        """Whether it has been made from what the requirements say now."""
        return self._mark.is_file() and self._mark.read_text(encoding="utf-8") == self._digest()

    @property
    def _mark(self) -> Path:
        return self.folder / ".ready"

    def _digest(self) -> str:
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()

    def interpreter(self) -> str | None:
        """The Python to make it with."""
        return python39() if self.old else sys.executable

    def make(self) -> None:
        """Install it. Raises CalledProcessError."""
        interpreter = self.interpreter()
        assert interpreter is not None
        shutil.rmtree(self.folder, ignore_errors=True)
        for command in self._commands(interpreter):
            subprocess.run(command, check=True)
        self._mark.write_text(self._digest(), encoding="utf-8")

    def _commands(self, interpreter: str) -> Iterator[list[str]]:
        if uv := shutil.which("uv"):
            yield [uv, "venv", "--quiet", "--python", interpreter, str(self.folder)]
            yield [uv, "pip", "install", "--quiet", "--python", str(self.python), "-r", str(self.requirements)]
        else:
            yield [interpreter, "-m", "venv", str(self.folder)]
            pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            yield [*pip, "-r", str(self.requirements)]


ENVIRONMENTS = {
    e.name: e
    for e in (
        Environment("django"),
        Environment("flask"),
        Environment("flask20"),
        Environment("oscar", old=False, large=True),
    )
}


def python(name: str) -> Path:
    """The interpreter of an environment, for a test; skips the test where there is none, and fails it in CI."""
    environment = ENVIRONMENTS[name]
    if environment.ready:
        return environment.python
    why = "there is no Python 3.9" if environment.interpreter() is None else "it is not made, or out of date"
    message = f"environment {name}: {why}; PYTHON39 names one, `python -m tests.monoliths.environments {name}` makes it"
    if IN_CI:
        pytest.fail(message)
    pytest.skip(message)


@cache
def python39() -> str | None:
    """A Python 3.9, asked whether it is one: pyenv has programs of that name which are none."""
    named = os.environ.get("PYTHON39")
    candidates = [named] if named else [shutil.which("python3.9"), *_pyenv()]
    return next((found for found in candidates if found and _is_39(found)), None)


def _pyenv() -> Iterator[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from (str(path) for path in sorted(root.glob("versions/3.9.*/bin/python3.9"), reverse=True))


def _is_39(program: str) -> bool:
    code = "import sys, venv; print(sys.version_info[:2])"
    try:
        ran = subprocess.run([program, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return False
    return ran.stdout.strip() == "(3, 9)"


def main(names: Sequence[str]) -> int:
    """Make the named environments, or all that are usual here; 1 where one could not be, in CI."""
    wanted = [ENVIRONMENTS[name] for name in names] or [e for e in ENVIRONMENTS.values() if IN_CI or not e.large]
    missing = False
    for environment in wanted:
        if environment.ready:
            continue
        if environment.interpreter() is None:
            print(f"environment {environment.name}: no Python 3.9 (PYTHON39=PATH names one); its tests are skipped")
            missing = True
            continue
        print(f"environment {environment.name}: being made in {environment.folder}", flush=True)
        environment.make()
    return 1 if missing and IN_CI else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
