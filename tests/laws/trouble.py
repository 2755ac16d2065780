"""A scaffold that gets into trouble at one of its writes, as a program: ``python -m tests.laws.trouble KIND AT COMMAND…``.

``killed``: SIGKILL before the AT-th write, and nothing can clean up. ``refused``: the folder of the AT-th write has become
read-only since it was looked at. ``limited``: no file can grow beyond AT bytes (RLIMIT_FSIZE), as on a disk that is full.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from scaffold.cli.main import run
from scaffold.shell import workspace as writer


def main(kind: str, at: int, command: list[str]) -> None:
    """Run a command and get into trouble."""
    if kind == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, resource.RLIM_INFINITY))
        run(command)
    real, count = writer._Writer._move, 0

    def move(self: writer._Writer, path: str, staged: Path | None) -> None:
        nonlocal count
        count += 1
        if count == at and kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == at and kind == "refused":
            (self._root / path).parent.chmod(0o555)
        real(self, path, staged)

    setattr(writer._Writer, "_move", move)  # noqa: B010 - a type checker would not have it
    run(command)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
