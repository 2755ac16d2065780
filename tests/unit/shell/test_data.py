from __future__ import annotations

import pytest

from scaffold.shell import data


def test_a_checkout_has_them() -> None:
    assert (data.folder("templates") / "generated").is_dir()
    assert list(data.folder("protos").rglob("*.proto"))


def test_a_wheel_has_them_inside(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    package = Path(str(tmp_path)) / "scaffold"
    (package / "_data/templates").mkdir(parents=True)
    (package.parent / "templates").mkdir()
    monkeypatch.setattr(data, "_PACKAGE", package)
    assert data.folder("templates") == package / "_data/templates"


def test_an_installation_without_them_says_so() -> None:
    with pytest.raises(FileNotFoundError, match="install apifirst-scaffold again"):
        data.folder("nothing-of-that-name")
