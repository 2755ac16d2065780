from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from scaffold.shell import data, skeleton
from tests.support import write


def test_files_and_their_names(tmp_path: Path) -> None:
    top = "{{cookiecutter.name}}"
    write(
        tmp_path,
        {
            "cookiecutter.json": json.dumps({"name": "x", "package": "x", "things": {"all": []}}),
            f"{top}/README.md": "# {{ cookiecutter.name }}\n",
            f"{top}/src/{{{{cookiecutter.package}}}}/__init__.py": (
                "{% for item in cookiecutter.things.all %}\n{{ item }}\n{% endfor %}\n"
            ),
            f"{top}/src/{{{{cookiecutter.package}}}}/__pycache__/x.pyc": "",
        },
    )
    made = skeleton.make(tmp_path, {"name": "cart", "package": "shop_cart", "things": {"all": ["a", "b"]}})
    assert made["README.md"] == b"# cart\n"
    assert made["src/shop_cart/__init__.py"] == b"a\nb\n"
    assert skeleton.paths(tmp_path, "shop_cart") == ("README.md", "src/shop_cart/__init__.py")


@pytest.mark.parametrize("kind", ["store", "process"])
def test_the_paths_are_known_without_running_it(kind: str) -> None:
    template = data.folder("templates") / kind
    context = {
        **json.loads((template / "cookiecutter.json").read_text(encoding="utf-8")),
        "package": "shop_x",
        "name": "x",
    }
    assert set(skeleton.make(template, context)) == set(skeleton.paths(template, "shop_x"))


def test_no_hook_runs(tmp_path: Path) -> None:
    """A fork of a template may bring hooks; they are code, and nobody agreed to run that."""
    marker = tmp_path / "ran"
    write(
        tmp_path / "template",
        {
            "cookiecutter.json": '{"name": "x"}',
            "{{cookiecutter.name}}/a.txt": "a\n",
            "hooks/pre_gen_project.py": f"open({str(marker)!r}, 'w')\n",
            "hooks/post_gen_project.py": f"open({str(marker)!r}, 'w')\n",
        },
    )
    assert set(skeleton.make(tmp_path / "template", {"name": "x"})) == {"a.txt"}
    assert not marker.exists()


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    write(tmp_path / "template", {"cookiecutter.json": '{"name": "x"}', "{{cookiecutter.name}}/a.txt": "a\n"})
    skeleton.make(tmp_path / "template", {"name": "x"})
    assert list((tmp_path / "tmp").iterdir()) == []
