from __future__ import annotations

import os
from pathlib import Path

import pytest

from scaffold.shell import watcher as room
from scaffold.shell.watcher import Watcher, changed
from tests.support import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "scaffold.toml": "",
            "protos/a/a.proto": "a",
            "protos/b.proto": "b",
            "protos/notes.txt": "no proto",
            "protos/.hidden/c.proto": "hidden",
            "protos/node_modules/d.proto": "somebody's",
            "elsewhere/e.proto": "e",
        },
    )


def test_settings_and_protos_are_seen(root: Path) -> None:
    assert set(Watcher(root).look()) == {"scaffold.toml", "protos/a/a.proto", "protos/b.proto"}


def test_every_way_to_change(root: Path) -> None:
    watcher = Watcher(root)
    seen = watcher.look()
    assert changed(seen, watcher.look()) == ()
    (root / "protos/b.proto").write_text("longer", encoding="utf-8")
    (root / "protos/new.proto").write_text("new", encoding="utf-8")
    assert changed(seen, now := watcher.look()) == ("protos/b.proto", "protos/new.proto")
    (root / "protos/a/a.proto").unlink()
    (root / "protos/notes.txt").write_text("still none", encoding="utf-8")
    assert changed(now, now2 := watcher.look()) == ("protos/a/a.proto",)
    # Same size, same time, another file.
    times = (root / "protos/b.proto").stat()
    (root / "other").write_text("LONGER", encoding="utf-8")
    os.utime(root / "other", ns=(times.st_atime_ns, times.st_mtime_ns))
    (root / "other").replace(root / "protos/b.proto")
    assert changed(now2, watcher.look()) == ("protos/b.proto",)


def test_the_roots_are_those_of_the_settings(root: Path) -> None:
    watcher = Watcher(root)
    watcher.look()
    write(root, {"scaffold.toml": '[protos]\nroots = ["elsewhere", "protos/a"]\n'})
    both = {"scaffold.toml", "elsewhere/e.proto", "protos/a/a.proto"}
    assert set(watcher.look()) == both
    for broken in ("[protos", "[protos]\nroots = 3\n", "protos = 3\n"):
        write(root, {"scaffold.toml": broken})
        assert set(watcher.look()) == both, "those of before while it cannot be told"
    (root / "scaffold.toml").unlink()
    assert set(watcher.look()) == both - {"scaffold.toml"}
    write(root, {"scaffold.toml": '[protos]\nroots = ["."]\n'})
    assert set(watcher.look()) == {*both, "protos/b.proto"}


def test_links_are_followed_though_not_in_circles(root: Path) -> None:
    (root / "protos/linked").symlink_to(root / "elsewhere")
    (root / "protos/circle").symlink_to(root / "protos")
    (root / "protos/nowhere.proto").symlink_to(root / "nothing")
    assert set(Watcher(root).look()) == {
        "scaffold.toml",
        "protos/a/a.proto",
        "protos/b.proto",
        "protos/linked/e.proto",
    }


def test_a_long_look_is_a_rare_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher(root)
    clock = iter([0.0, 0.001, 10.0, 10.5])
    monkeypatch.setattr(room.time, "perf_counter", lambda: next(clock))
    watcher.look()
    assert watcher.pause == pytest.approx(0.2)
    watcher.look()
    assert watcher.pause == pytest.approx(10.0), "a twentieth of the time, not more"
