"""A history of an API, replayed with a person's code in the tree: `python -m tests.bench.replay` prints all of it."""

from __future__ import annotations

from pathlib import Path

from tests.bench.replay import revisions
from tests.bench.replay.__main__ import OURS
from tests.bench.replay.steps import Config, replay

# Broken on purpose: number and what has to be said.
BROKEN = {
    "005": "proto-invalid",
    "013": "unknown-type",
    "017": "proto-invalid",
    "028": "unknown-service",
    "035": "proto-invalid",
    "038": "missing-import",
}


def test_a_history_of_ours(tmp_path: Path) -> None:
    history = revisions.read(OURS)
    assert len(history) >= 30
    steps = list(replay(history, tmp_path, Config(imports=9, suites=0)))
    assert {step.revision.name: step.lost for step in steps if step.lost} == {}
    assert {step.revision.name: step.again for step in steps if step.again} == {}
    assert {step.revision.name for step in steps if step.refused} == set(BROKEN)
    for step in steps:
        assert BROKEN.get(step.revision.name, "") in step.refused
        assert step.untouched, f"{step.revision.name} was refused, and left another tree"
        assert not step.imports, f"{step.revision.name}: {step.imports}"
    assert sum(step.imports is not None for step in steps) >= 4
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written.count(b": a line of mine in ") > 100
