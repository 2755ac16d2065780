"""How figures are taken: two things in turn, whole processes, the median of the pairs' ratios."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCAFFOLD = [sys.executable, "-m", "scaffold"]
RUNS = 15

# As an installed program runs: Python keeps its bytecode.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def compare(
    title: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    aim: float,
    before: Callable[[], None] | None = None,
    runs: int = RUNS,
) -> None:
    """Run both in turn and print the medians and the median of the pairs' ratios."""
    pairs = []
    for _ in range(runs + 1):
        if before:
            before()
        pairs.append((ours(), peer()))
    pairs = pairs[1:]  # the first warms the caches of bytecode and disk
    ratio = statistics.median(a / b for a, b in pairs)
    mine, other = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    verdict = "within" if ratio <= aim else "MISSES"
    print(f"{title}\n  {mine:7.1f} ms / {other:6.1f} ms = {ratio:4.2f}   {verdict} the aim of {aim}\n", flush=True)


def run(command: list[str], folder: Path) -> float:
    """Seconds that a process took. Raises CalledProcessError where it failed."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_ENVIRONMENT)
    return time.perf_counter() - begun
