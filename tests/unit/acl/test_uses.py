"""Who still needs a layer, or the models behind it; and when one may go."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from scaffold.acl.uses import uses
from scaffold.core.facts import ModelFacts
from tests.support import REPO, scaffold

GOLDEN = REPO / "tests/golden/acl_layer"
MODELS = (ModelFacts("basket.Line", "shop.basket.models", "Line", ()),)


def found(tmp_path: Path, text: str, path: str = "shop/orders/views.py") -> list[tuple[int, str]]:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return [(use.where.line, use.what) for use in uses(tmp_path, "cart_acl", MODELS)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import cart_acl", "cart_acl"),
        ("import cart_acl.app as app", "cart_acl"),
        ("from cart_acl.gen import port", "cart_acl"),
        ("from shop.basket.models import Basket, Line", "basket.Line"),
        ("from shop.basket.models import *", "basket.Line"),
        ("from shop.basket import models", "basket.Line"),
        ("import shop.basket.models", "basket.Line"),
        ("from ..basket.models import Line", "basket.Line"),
        ("from ..basket import models as m", "basket.Line"),
        ("def f():\n    from shop.basket.models import Line", "basket.Line"),
        ('order = ForeignKey("basket.Line")', "basket.Line"),
    ],
)
def test_what_needs_it_is_found(tmp_path: Path, text: str, what: str) -> None:
    assert [name for _, name in found(tmp_path, f"\n{text}\n")] == [what]


@pytest.mark.parametrize(
    "text",
    ["import cart", "import cart_acl2", "from shop.basket.models import Basket", "from shop.basket import views",
     "# import cart_acl", 'x = "basket.Lines"', "def (", "\x00"],
)  # fmt: skip
def test_what_does_not_is_not(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


def test_other_peoples_folders_and_the_layer_itself_are_left_out(tmp_path: Path) -> None:
    for path in (".venv/x.py", "node_modules/x.py", "lib/site-packages/x.py", "notes.txt"):
        assert found(tmp_path, "import cart_acl", path) == []
    assert found(tmp_path, "import cart_acl", "acl/cart/local.py") == [(1, "cart_acl")]
    assert uses(tmp_path, "cart_acl", MODELS, (tmp_path / "acl/cart",)) == ()


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    root = tmp_path / "lab"
    shutil.copytree(GOLDEN, root, ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    command = ("new", "acl", "lab", "--orm", "django", "--proto", "lab/v1/lab.proto", "--models", "basket.Line")
    assert scaffold(root, *command).code == 0
    old = tmp_path / "old"
    old.mkdir()
    (old / "views.py").write_text("from lab_acl import app\nfrom shop.basket.models import Line\n")
    return root


def test_the_way_out_from_the_first_line_to_the_last(lab: Path) -> None:
    old, seam = lab.parent / "old", lab / "acl/lab/src/lab_acl/seam.toml"
    said = scaffold(lab, "status", "--monolith", str(old))
    assert "lab: 0 of 8 methods at the service" in said.out
    assert "1 imports of the layer: views.py:1 (lab_acl)" in said.out
    assert "1 uses of the models past it: views.py:2 (basket.Line)" in said.out
    assert "in the monolith, behind no API: 1 models: basket.Basket" in said.out
    refused = scaffold(lab, "acl", "retire", "lab", "--monolith", str(old))
    assert refused.code == 1
    assert refused.out.count("calls-go-to-the-monolith") == 8
    assert refused.out.count("still-imported") == 2
    seam.write_text('mode = "service"\n[methods.Watch]\nmode = "percent"\npercent = 99.5\n')
    refused = scaffold(lab, "acl", "retire", "lab", "--monolith", str(old))
    assert "calls-go-to-the-monolith: Watch is at percent:99.5" in refused.out
    assert refused.out.count("calls-go-to-the-monolith") == 1
    seam.write_text('mode = "service"\n')
    (old / "views.py").write_text("from lab.client import Client\n")
    assert scaffold(lab, "acl", "retire", "lab", "--monolith", str(old)).code == 0
    said = scaffold(lab, "status", "--monolith", str(old), "--format", "json")
    assert json.loads(said.out)["done"] == ["lab"]


def test_the_seam_of_production_is_the_one_that_counts(lab: Path) -> None:
    production = lab.parent / "production.toml"
    production.write_text('mode = "service"\n')
    said = scaffold(lab, "status", "--seam", str(production))
    assert "lab: 8 of 8 methods at the service" in said.out  # and not done: nobody has looked at the monolith
    production.write_text("mode = ")
    said = scaffold(lab, "status", "--seam", str(production))
    assert (said.code, "production.toml: seam-invalid" in said.text) == (2, True)
    said = scaffold(lab, "status", "--seam", str(lab / "none.toml"))
    assert (said.code, "seam-invalid" in said.text) == (2, True)
