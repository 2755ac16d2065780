"""``python -m tests.bench.replay FOLDER``: see the package's docstring for what a folder has to look like."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.replay import revisions
from tests.bench.replay.steps import Config, Step, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = Path(__file__).resolve().parents[2] / "history"


def main(arguments: Sequence[str]) -> int:
    """Replay a history and print what came of it; 1 where something is not as it should be."""
    options = _parser().parse_args(arguments)
    config = Config(not options.decline, options.prune, not options.no_buf, options.imports, options.suites)
    steps: list[Step] = []
    with tempfile.TemporaryDirectory(prefix="scaffold-replay-") as temporary:
        for step in replay(revisions.read(options.folder), options.keep or Path(temporary), config):
            print(_line(step), flush=True)
            steps.append(step)
    print(summary(steps))
    return 0 if all(step.fine for step in steps) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay", description=main.__doc__)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=OURS, help="numbered revisions (default: tests/history)"
    )
    parser.add_argument("--decline", action="store_true", help="say no to every rename that is proposed")
    parser.add_argument("--prune", action="store_true", help="send handlers whose RPC is gone to the attic")
    parser.add_argument("--no-buf", action="store_true", help="leave out what buf finds")
    parser.add_argument("--imports", type=int, default=1, metavar="N", help="import each N-th tree; 0: none")
    parser.add_argument("--suites", type=int, default=10, metavar="N", help="run each N-th tree's suite; 0: none")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="the workspace, to look at it afterwards")
    return parser


def _line(step: Step) -> str:
    """What came of a revision, on a line, and below it what is wrong."""
    parts = [step.revision.name]
    if step.refused:
        parts += ["refused", f"{step.seconds:5.2f} s", "", step.refused]
    else:
        parts += ["       ", f"{step.seconds:5.2f} s", f"{step.written:3} written", step.revision.about]
        parts += [f"renamed: {title}" for title in step.renamed]
        if step.outdated:
            parts.append(f"{len(step.outdated)} of the person's to bring up to date")
        if step.orphans:
            parts.append(f"{step.orphans} orphan{'s' if step.orphans > 1 else ''}")
        if step.suite is not None:
            parts.append(step.suite[1])
    lines = ["  ".join(parts)]
    lines += [f"     LOST {count} bytes of {path}" for path, count in step.lost.items()]
    lines += ["     NOT LEFT AS IT WAS"] * (not step.untouched)
    if step.agreement:
        lines += [f"     only buf: {said}" for said in step.agreement.only_buf]
        lines += [f"     only plan: {said}" for said in step.agreement.only_ours]
    lines += [f"     WRITTEN AGAIN {path}" for path in step.again]
    lines += [f"     DOES NOT IMPORT {step.imports}"] * bool(step.imports)
    return "\n".join(lines)


def summary(steps: Sequence[Step]) -> str:
    """The figures of the whole history."""
    refused = [step for step in steps if step.refused]
    loaded = [step for step in steps if step.imports is not None]
    tested = [step for step in steps if step.suite is not None]
    lost = sum(sum(step.lost.values()) for step in steps)
    seconds = [step.seconds for step in steps]
    found = [step.agreement for step in steps if step.agreement is not None]
    both, theirs, ours = (
        sum(column)
        for column in ([a.both for a in found], [len(a.only_buf) for a in found], [len(a.only_ours) for a in found])
    )
    return "\n".join(
        [
            "",
            f"revisions            {len(steps)}",
            f"bytes lost           {lost}",
            f"refused              {len(refused)}, the tree left as it was by {sum(s.untouched for s in refused)}",
            f"renames proposed     {sum(len(step.renamed) for step in steps)}",
            f"written again        {sum(bool(step.again) for step in steps)}",
            f"imports              {sum(not s.imports for s in loaded)} of {len(loaded)}; "
            f"{sum(bool(s.at_once) for s in loaded)} of them after the person had brought theirs up to date",
            f"suite passes         {sum(bool(s.suite and s.suite[0]) for s in tested)} of {len(tested)}",
            f"findings             {both} that buf (FILE) and the plan have, {theirs} that only buf has, {ours} only the plan"
            if found
            else "findings             not compared with buf's (pip install buf-bin)",
            f"seconds a step       {statistics.median(seconds):.2f} in the middle, {max(seconds):.2f} at most; in process",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
