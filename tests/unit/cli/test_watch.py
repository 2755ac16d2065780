"""`regen --watch`, as a process of its own: what a person and an editor do to files, and what it says."""

from __future__ import annotations

import fcntl
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaffold.verbs.watch import _finished_first
from tests.support import REPO, contents, scaffold

CART_PROTO = "protos/shop/cart/v1/cart.proto"
HANDLERS = "services/cart/src/cart/handlers"
RPC = "  rpc FillCart(EmptyCartRequest) returns (Cart);\n}\n\nmessage Cart {"
SECONDS = 60


class Watching:
    """The process, and what it has said so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.process = subprocess.Popen(
            [sys.executable, "-m", "scaffold", "regen", "--watch"],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def says(self, *parts: str) -> str:
        """Wait for a line that has all of these in it; what was said until then."""
        said = ""
        while True:
            try:
                line = self._lines.get(timeout=SECONDS)
            except queue.Empty:
                raise AssertionError(f"{parts} was not said: {said}") from None
            said += line
            if all(part in line for part in parts):
                return said

    def rest(self) -> str:
        """What has been said since, when it has ended."""
        self._reader.join(SECONDS)
        return "".join(self._lines.queue)

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(SECONDS)


@pytest.fixture
def watching(shop: Path) -> Iterator[Watching]:
    started = Watching(shop)
    try:
        started.says("watching: ", " unchanged (")
        yield started
    finally:
        started.process.kill()
        started.process.wait(SECONDS)
        assert started.process.stdout is not None
        started.process.stdout.close()


def text_of(root: Path) -> str:
    return (root / CART_PROTO).read_text(encoding="utf-8")


def grown(text: str) -> str:
    assert "}\n\nmessage Cart {" in text
    return text.replace("}\n\nmessage Cart {", RPC, 1)


def test_a_save_is_regenerated_and_ctrl_c_ends_it(watching: Watching) -> None:
    root = watching.root
    (root / CART_PROTO).write_text(grown(text_of(root)), encoding="utf-8")
    watching.says(f"{CART_PROTO}: 1 created, ", " updated, ", " unchanged (")
    watching.says(f"+ {HANDLERS}/fill_cart.py   (yours once edited)")
    assert watching.end() == 0
    assert watching.rest() == ""
    after = contents(root)
    assert scaffold(root, "regen", "--check").code == 0
    assert contents(root) == after


def test_a_save_by_rename(watching: Watching) -> None:
    """As vim and many others do: another file takes the place; for a moment there may be none."""
    root = watching.root
    new = root / "protos/shop/cart/v1/.cart.proto.swp"
    new.write_text(grown(text_of(root)), encoding="utf-8")
    (root / CART_PROTO).rename(root / "protos/shop/cart/v1/cart.proto~")
    new.rename(root / CART_PROTO)
    watching.says(f"{CART_PROTO}: 1 created, ")
    assert watching.end() == 0


def test_what_is_wrong_is_said_and_waited_out(watching: Watching) -> None:
    root, text = watching.root, text_of(watching.root)
    before = contents(root)
    (root / CART_PROTO).write_text(text[: len(text) // 2], encoding="utf-8")
    said = watching.says("  help: ")
    assert f"{CART_PROTO}: nothing was written (" in said
    assert "proto-invalid" in said
    (root / CART_PROTO).unlink()
    watching.says("proto-not-found")
    (root / CART_PROTO).write_text(text, encoding="utf-8")
    watching.says(f"{CART_PROTO}: ", " unchanged (")
    assert contents(root) == before
    assert watching.end() == 0


def test_the_settings_are_watched_and_the_roots_they_name(watching: Watching) -> None:
    root = watching.root
    settings = (root / "scaffold.toml").read_text(encoding="utf-8")
    (root / "scaffold.toml").write_text(settings.replace('roots = ["protos"]', 'roots = ["api", "protos"]'))
    watching.says("scaffold.toml: ", " unchanged (")
    target = root / "api/shop/cart/v1/cart.proto"
    target.parent.mkdir(parents=True)
    target.write_text(grown(text_of(root)), encoding="utf-8")
    watching.says("api/shop/cart/v1/cart.proto: 1 created, ")
    shutil.rmtree(root / "api")
    watching.says("api/shop/cart/v1/cart.proto: ", "1 deleted, ")
    (root / "scaffold.toml").unlink()
    watching.says("no-workspace: scaffold.toml is gone")
    (root / "scaffold.toml").write_text("[stors]\n", encoding="utf-8")
    watching.says("unknown-key")
    (root / "scaffold.toml").write_text(settings, encoding="utf-8")
    watching.says("scaffold.toml: ", " unchanged (")
    assert watching.end() == 0


def test_another_writer_is_waited_for(watching: Watching) -> None:
    root = watching.root
    with (root / ".scaffold/cache/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (root / CART_PROTO).write_text(grown(text_of(root)), encoding="utf-8")
        watching.says("workspace-busy")
    said = watching.says(f"{CART_PROTO}: 1 created, ")
    assert "workspace-busy" not in said, "it is said once"
    assert watching.end() == 0


def test_an_edited_generated_file_is_said_each_time(watching: Watching) -> None:
    root = watching.root
    with (root / "services/cart/src/cart/gen/api.py").open("a") as file:
        file.write("# Mine.\n")
    (root / CART_PROTO).write_text(grown(text_of(root)), encoding="utf-8")
    said = watching.says("services/cart/src/cart/gen/api.py: edited-generated-file")
    assert f"{CART_PROTO}: nothing was written (" in said
    (root / "services/cart/src/cart/gen/api.py").unlink()
    os.utime(root / CART_PROTO)
    watching.says(f"{CART_PROTO}: 2 created, ")
    assert watching.end() == 0


def test_where_there_is_nothing_to_watch(tmp_path: Path) -> None:
    said = scaffold(tmp_path, "regen", "--watch")
    assert said.code == 2
    assert "no-workspace" in said.err


@pytest.mark.parametrize("option", [("--check",), ("--prune",), ("--rename", "A.B=C"), ("--force", "x")])
def test_watching_does_what_the_protos_say_and_nothing_else(option: tuple[str, ...], tmp_path: Path) -> None:
    said = scaffold(tmp_path, "regen", "--watch", *option)
    assert said.code == 2
    assert "leave the other options out" in said.err


def test_ctrl_c_during_a_run_that_fails_ends_the_watching() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), _finished_first():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("what a run found")
    assert signal.getsignal(signal.SIGINT) is before
