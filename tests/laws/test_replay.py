"""A history of an API, replayed with a person's code in the tree: `python -m tests.bench.replay` prints all of it."""

from __future__ import annotations

from pathlib import Path

from tests.bench.replay import revisions
from tests.bench.replay.__main__ import OURS
from tests.bench.replay.steps import Config, Step, replay

# Broken on purpose: number and what has to be said.
BROKEN = {
    "005": "proto-invalid",
    "013": "unknown-type",
    "017": "merge-marker",
    "028": "unknown-service",
    "035": "proto-invalid",
    "038": "missing-import",
}


RENAMED = ("008", "041", "042")


def test_a_history_of_ours(tmp_path: Path) -> None:
    """Proposed renames are accepted, handlers whose RPC is gone are kept."""
    steps = played(tmp_path, Config(imports=9, suites=0))
    assert sum(step.imports is not None for step in steps) >= 4
    agreed = [step.agreement for step in steps if step.agreement is not None]
    assert len(agreed) == len(steps) - len(BROKEN) - 1
    assert [said for agreement in agreed for said in (*agreement.only_buf, *agreement.only_ours)] == []
    assert sum(agreement.both for agreement in agreed) > 40
    assert [path for path in tmp_path.rglob("*") if path.name == "attic"] == []


def test_a_history_of_ours_by_somebody_who_prunes(tmp_path: Path) -> None:
    """Proposed renames are declined, handlers whose RPC is gone are sent to the attic, where their bytes are."""
    steps = played(tmp_path, Config(accept=False, prune=True, buf=False, imports=0, suites=0))
    assert not any(step.orphans for step in steps)
    assert len(list((tmp_path / ".scaffold/attic").glob("*/services/**/*.py"))) > 5


def played(root: Path, config: Config) -> list[Step]:
    """Replay it, and see that nothing is lost, that what is broken is refused, and that all else works."""
    history = revisions.read(OURS)
    assert len(history) >= 30
    steps = list(replay(history, root, config))
    assert {step.revision.name: step.lost for step in steps if step.lost} == {}
    assert {step.revision.name: step.again for step in steps if step.again} == {}
    assert {step.revision.name for step in steps if step.refused} == set(BROKEN)
    assert tuple(step.revision.name for step in steps if step.renamed) == RENAMED
    for step in steps:
        assert BROKEN.get(step.revision.name, "") in step.refused
        assert step.untouched, f"{step.revision.name} was refused, and left another tree"
        assert not step.imports, f"{step.revision.name}: {step.imports}"
    written = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert written.count(b": a line of mine in ") > 80
    return steps
