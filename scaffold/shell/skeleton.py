"""The skeletons: cookiecutter templates whose files become the user's, made once."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# The folder at the top of each skeleton, and the one part of a path inside that varies.
_TOP = "{{cookiecutter.name}}"
_PACKAGE = "{{cookiecutter.package}}"


def paths(template: Path, package: str) -> tuple[str, ...]:
    """The files that a skeleton makes, without running it: POSIX, relative to the component's folder."""
    top = template / _TOP
    files = (f for f in top.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return tuple(sorted(f.relative_to(top).as_posix().replace(_PACKAGE, package) for f in files))


def make(template: Path, context: Mapping[str, object]) -> dict[str, bytes]:
    """Run a cookiecutter template; its files by path below its top folder.

    Hooks are not run, and nothing is asked: the context holds every value that the template's cookiecutter.json names.
    """
    from cookiecutter.generate import generate_files  # 0.1 s, and only needed for a component that is new

    logging.getLogger("cookiecutter").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        made = Path(
            generate_files(
                repo_dir=str(template),
                context={"cookiecutter": {**context, "_jinja2_env_vars": {"lstrip_blocks": True, "trim_blocks": True}}},
                output_dir=temporary,
                accept_hooks=False,
            )
        )
        files = sorted(f for f in made.rglob("*") if f.is_file())
        return {f.relative_to(made).as_posix(): f.read_bytes() for f in files}
