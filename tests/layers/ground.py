"""Workspaces with a layer over one of the monoliths: made with the commands that a user has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scaffold.shell.services import Launch, ServiceProcess, free_port
from tests.support import PROTOS, REPO, Said, scaffold

HERE = Path(__file__).resolve().parent
PACKAGE = "acl/cart/src/cart_acl"
CART = REPO / "templates/shop/services/cart/src/cart"


@dataclass(frozen=True)
class Ground:
    """A workspace with the sample's cart and a layer over a monolith's, and the monolith's interpreter and environment."""

    root: Path
    written: Path
    python: Path
    environment: dict[str, str]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run something of the monolith's."""
        command = [str(self.python), *arguments]
        variables = {**self.environment, **environment}
        return subprocess.run(
            command, cwd=self.root, env=variables, capture_output=True, text=True, timeout=240, check=False
        )

    @contextmanager
    def served(self, *arguments: str, **environment: str) -> Iterator[str]:
        """The address of the monolith, which serves the API by that command."""
        port = free_port()
        command = (str(self.python), *arguments, "--port", str(port))
        process = ServiceProcess(Launch("cart", command, self.root, {**self.environment, **environment}, port))
        try:
            process.wait_healthy(60)
            yield process.address
        finally:
            process.stop()

    def scaffold(self, *arguments: str) -> Said:
        return scaffold(self.root, *arguments)

    def write(self, *serve: str) -> None:
        """Do what a person does: write the mappings and the port, and say how the monolith serves."""
        for file in (self.written / "package").glob("*.py"):
            shutil.copyfile(file, self.root / PACKAGE / file.name)
        variables = [f"{name}={value}" for name, value in self.environment.items() if name != "PATH"]
        command = ", ".join(f'"{word}"' for word in ("env", *variables, str(self.python), *serve))
        settings = self.root / "scaffold.toml"
        settings.write_text(f"{settings.read_text(encoding='utf-8')}serve = [{command}]\n", encoding="utf-8")


def make(
    root: Path,
    monolith: Path,
    written: Path,
    python: Path,
    introspect: tuple[str, ...],
    new: tuple[str, ...],
    **more: str,
) -> Ground:
    """A workspace with the store, the snapshot, and the layer as `new acl` makes it; ``more`` are variables."""
    assert scaffold(root.parent, "init", root.name).code == 0
    shutil.copytree(PROTOS / "shop", root / "protos/shop")
    assert scaffold(root, "new", "store", "cart", "--proto", "shop/cart/v1/cart.proto").code == 0
    for file in (*(CART / "handlers").glob("*.py"), CART / "lines.py"):
        shutil.copyfile(file, root / "services/cart/src/cart" / file.relative_to(CART))
    looked = scaffold(root, "acl", "introspect", str(monolith), *introspect, "--python", str(python))
    assert looked.code == 0, looked.text
    made = scaffold(root, "new", "acl", "cart", *new)
    assert made.code == 0, made.text
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, (monolith, written, root / "acl/cart/src"))),
        **more,
    }
    return Ground(root, written, python, environment)
