"""APIs that we did not write: generated, type-checked, started, contract-tested."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.generated.conftest import scaffold

QDRANT = ("collections_service.proto", "points_service.proto", "snapshots_service.proto", "qdrant.proto")


def check_types(service: Path, package: str) -> None:
    """The service passes the strict type check that its own pyproject asks for."""
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(service / ".mypy_cache"), "-p", package],
        cwd=service,
        env={"MYPYPATH": "src", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_longrunning_operations_as_a_store(workspace: Path) -> None:
    """The file is in an installed package, under another name on disk; its messages are that package's own."""
    said = scaffold(workspace, "new", "store", "operations", "--proto", "google/longrunning/operations.proto")
    assert "google.longrunning.Operations" in said
    tested = scaffold(workspace, "test", "operations")
    summary = next(line for line in tested.splitlines() if line.startswith("operations "))
    assert "0 failed" in summary and " 0 passed" not in summary and " 0 pending" not in summary, summary
    assert "pending: Operations.CancelOperation: write services/operations/" in tested
    service = workspace / "services/operations"
    check_types(service, "operations")
    code = (
        "from google.longrunning import operations_pb2; from operations.gen.api import Operation; "
        "assert Operation is operations_pb2.Operation"
    )
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(service / "src")}, check=True, timeout=60)
    scaffold(workspace, "check")


def test_qdrant_four_services_in_one_package(workspace: Path) -> None:
    """Nothing in it is a standard method in AIP style: every handler is pending by name, and none is passed."""
    found = importlib.util.find_spec("qdrant_client")
    assert found is not None and found.origin is not None
    for file in (Path(found.origin).parent / "proto").glob("*.proto"):
        (workspace / "protos" / file.name).write_bytes(file.read_bytes())
    protos = [word for proto in QDRANT for word in ("--proto", proto)]
    scaffold(workspace, "new", "store", "vectors", *protos)
    tested = scaffold(workspace, "test", "vectors")
    summary = next(line for line in tested.splitlines() if line.startswith("vectors "))
    assert "0 failed" in summary and " 2 passed" in summary, summary
    handlers = list((workspace / "services/vectors/src/vectors/handlers").rglob("*.py"))
    assert sum(f.name != "__init__.py" for f in handlers) >= 50
    for name in ("get.py", "points/get.py", "snapshots/create.py", "qdrant/health_check.py"):
        assert (workspace / "services/vectors/src/vectors/handlers" / name).is_file(), name
    assert scaffold(workspace, "test", "vectors", "--no-pending", "--", "-x", code=1)
    check_types(workspace / "services/vectors", "vectors")
