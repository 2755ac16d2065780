from __future__ import annotations

import re
from pathlib import Path

import pytest

from scaffold.core import starter
from scaffold.core.shapes import Kind, shape
from scaffold.verbs import generate
from tests.support import scaffold

# Names as people choose them: the folder that becomes the package's first part, the component.
NAMES = [
    ("shop", "cart"),
    ("shop", "categories"),
    ("shop", "line_items"),
    ("shop", "address"),
    ("my shop!", "cart"),
    ("class", "cart"),
    ("2024-apis", "v2"),
    ("Größe", "x"),
    ("shop", "service"),
    ("shop", "news"),
]


@pytest.mark.parametrize(("workspace", "name"), NAMES)
@pytest.mark.parametrize("kind", ["store", "process"])
def test_the_starter_compiles_and_keeps_to_the_style_guide(
    kind: str, workspace: str, name: str, tmp_path: Path
) -> None:
    root = tmp_path / workspace
    assert scaffold(tmp_path, "init", workspace).code == 0
    said = scaffold(root, "new", kind, name)
    assert said.code == 0, said.text
    (file,) = (root / "protos").rglob("*.proto")
    text = file.read_text(encoding="utf-8")
    api, _ = generate.compile_api((("protos", root / "protos"),), [file.relative_to(root / "protos").as_posix()])
    # What linters of protos ask for (buf's STANDARD, AIP's names).
    package = api.packages[file.relative_to(root / "protos").as_posix()]
    assert package.endswith(f".{name}.v1")
    assert file.parent == root / "protos" / Path(*package.split("."))
    assert re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.v1", package)
    (service,) = api.services
    assert service.name.endswith("Service")
    inputs = [m.input for m in service.methods]
    assert len(set(inputs)) == len(inputs)
    assert all(i == f"{package}.{m.name}Request" for i, m in zip(inputs, service.methods, strict=True))
    assert all(m.doc for m in service.methods)
    for message in api.messages:
        if message.file == file.relative_to(root / "protos").as_posix():
            assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", message.name)
            assert all(re.fullmatch(r"[a-z][a-z0-9_]*", f.name) for f in message.fields)
    assert all(len(line) <= 130 and line == line.rstrip() for line in text.splitlines())
    if kind == "store":
        assert {shape(api, m).kind for m in service.methods} == {Kind.GET, Kind.LIST, Kind.CREATE, Kind.DELETE}


def test_a_starter_store_has_nothing_left_to_write(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "init", "shop").code == 0
    said = scaffold(tmp_path / "shop", "new", "store", "cart")
    assert "Still to be written" not in said.out
    assert "protos/shop/cart/v1/cart.proto   yours" in said.out


def test_a_starter_process_names_what_is_to_be_written(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "init", "shop").code == 0
    said = scaffold(tmp_path / "shop", "new", "process", "checkout")
    assert "Still to be written" in said.out
    assert "services/checkout/src/checkout/handlers/run_checkout.py" in said.out


def test_words() -> None:
    view = starter.starter("line_items", "Acme Shop")
    assert (view.package, view.service) == ("acme_shop.line_items.v1", "LineItemService")
    assert (view.resource, view.resources, view.variable, view.field) == (
        "LineItem",
        "LineItems",
        "line_item",
        "line_items",
    )
    assert (view.noun, view.nouns, view.collection) == ("line item", "line items", "line-items")
    assert view.domain == "acme-shop.example.com"
    assert starter.path("line_items", "Acme Shop") == "acme_shop/line_items/v1/line_items.proto"


@pytest.mark.parametrize(
    ("folder", "package"),
    [
        ("shop", "shop"),
        ("2024-apis", "api_2024_apis"),
        ("Größe", "gr_e"),
        ("商店", "unnamed"),
        ("class", "class"),
        ("a.b", "a_b"),
    ],
)
def test_any_folder_makes_a_package(folder: str, package: str) -> None:
    assert starter.starter("cart", folder).package == f"{package}.cart.v1"
    assert starter.path("cart", folder) == f"{package}/cart/v1/cart.proto"
