"""A generated service is a project of its own: it installs and runs where there is no scaffold."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.generated.conftest import scaffold


def python_without_scaffold(folder: Path) -> Path:
    """A fresh virtual environment that sees every package of this one except scaffold."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "scaffold" not in entry.name and entry.suffix != ".pth" and not entry.name.startswith("__"):
            (packages / entry.name).symlink_to(entry)
    site = next((folder / "lib").glob("python*/site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    return folder / "bin" / "python"


def test_a_service_installs_and_starts_without_scaffold(workspace: Path, tmp_path: Path) -> None:
    scaffold(workspace, "new", "store", "cart")
    python = python_without_scaffold(tmp_path / "venv")
    run = {"capture_output": True, "text": True, "timeout": 120, "cwd": tmp_path}
    gone = subprocess.run([python, "-c", "import scaffold"], **run)  # type: ignore[call-overload]
    assert "No module named 'scaffold'" in gone.stderr
    service = workspace / "services/cart"
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=service, timeout=60, check=True
    )
    wheel = tmp_path / built.stdout.split()[-1]
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    unpacked = subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, site], **run)  # type: ignore[call-overload]
    assert unpacked.returncode == 0, unpacked.stderr
    checked = subprocess.run([python, "-m", "cart", "--check"], **run)  # type: ignore[call-overload]
    assert (checked.returncode, checked.stdout) == (0, "cart: 4 handlers, none is missing\n"), checked.stderr
    refused = subprocess.run([python, "-m", "cart"], **run)  # type: ignore[call-overload]
    assert refused.returncode == 2
    assert "DATABASE_URL is not set" in refused.stderr
    (site / "cart/handlers/get_cart.py").unlink()
    missing = subprocess.run([python, "-m", "cart", "--check"], **run)  # type: ignore[call-overload]
    assert missing.returncode == 1
    assert "cart/handlers/get_cart.py" in missing.stderr


def test_no_generated_file_names_scaffold_as_a_dependency(workspace: Path) -> None:
    scaffold(workspace, "new", "store", "cart")
    scaffold(workspace, "new", "process", "checkout", "--uses", "cart")
    for file in (workspace / "services").rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "import scaffold" not in text and "from scaffold" not in text, file
    for name in ("cart", "checkout"):
        assert "scaffold" not in (workspace / f"services/{name}/pyproject.toml").read_text()
