"""Showing a trace or finding out what is up costs no import of gRPC, protobuf or OpenTelemetry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from scaffold import run
from scaffold.core.diagnostics import ScaffoldError
from scaffold.verbs import test as suites
from scaffold.verbs.demo import demo

REPOSITORY = Path(__file__).parents[3]


def test_heavy_packages_are_imported_late() -> None:
    script = (
        "import sys, scaffold.run, scaffold.run.call, scaffold.run.receiver, scaffold.run.request\n"
        "import scaffold.run.spans, scaffold.run.trace, scaffold.run.up, scaffold.shell.services\n"
        "print(sorted({'grpc', 'google.protobuf', 'opentelemetry', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    run.require_extra()
    monkeypatch.setattr(run, "_NEEDED", ("grpc", "no_such_package", "no_such_package.inside"))
    with pytest.raises(ScaffoldError, match=r"no_such_package, no_such_package.inside") as caught:
        run.require_extra()
    assert caught.value.diagnostics[0].remedy == "pip install 'apifirst-scaffold[run]'"


@pytest.mark.parametrize(("of", "extra"), [(run, "run"), (suites, "test")])
def test_a_demo_that_cannot_end_is_not_begun(
    of: ModuleType, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of, "_NEEDED", ("no_such_package",))
    with pytest.raises(ScaffoldError, match="no_such_package") as caught:
        demo(tmp_path / "shop", print, lambda done: None)
    assert caught.value.diagnostics[0].remedy == f"pip install 'apifirst-scaffold[{extra}]'"
    assert not (tmp_path / "shop").exists()
