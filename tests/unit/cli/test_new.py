from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from scaffold import __version__
from tests.support import contents, scaffold, tree, write


def test_init_makes_a_workspace(tmp_path: Path) -> None:
    said = scaffold(tmp_path, "init", "shop")
    assert (said.code, said.err) == (0, "")
    made = contents(tmp_path / "shop")
    assert set(made) == {
        ".gitattributes", ".gitignore", ".scaffold/files", "README.md", "protos/.gitkeep", "scaffold.toml",
    }  # fmt: skip
    settings = tomllib.loads(made["scaffold.toml"].decode())
    assert settings["scaffold"] == f"=={__version__}"
    assert settings["protos"]["roots"] == ["protos"]
    ignored = made[".gitignore"].decode().split()
    assert {".scaffold/cache/", "__pycache__/", ".data/"} <= set(ignored)
    assert "**/gen/** -merge linguist-generated" in made[".gitattributes"].decode()
    assert ".scaffold/files merge=union" in made[".gitattributes"].decode()
    for name in (".gitignore", "README.md", "scaffold.toml"):
        assert f"  {name}\n" in said.out
    assert "cd shop" in said.out
    assert "scaffold new store NAME" in said.out
    assert scaffold(tmp_path / "shop", "regen").out == "files: 5 unchanged\n"


def test_init_here(tmp_path: Path) -> None:
    said = scaffold(tmp_path, "init", ".")
    assert said.code == 0
    assert "cd " not in said.out
    assert (tmp_path / "scaffold.toml").is_file()


def test_new_records_the_component_and_leaves_the_rest_of_the_settings(tmp_path: Path) -> None:
    mine = b'# M\xc3\xadne\r\n[protos]\r\nroots   = [ "protos" ] # as I like it\r\n\r\n[vendors.pay]\r\ntimeout="3s"'
    write(
        tmp_path, {"protos/a.proto": 'syntax = "proto3"; package a; service S { rpc A(M) returns (M); } message M {}'}
    )
    (tmp_path / "scaffold.toml").write_bytes(mine)
    assert scaffold(tmp_path, "new", "store", "things", "--proto", "a.proto").code == 0
    after = (tmp_path / "scaffold.toml").read_bytes()
    assert after.startswith(mine)
    said = scaffold(tmp_path, "new", "process", "doing", "--proto", "a.proto", "--uses", "things", "--vendor", "pay")
    assert said.code == 0, said.text
    last = (tmp_path / "scaffold.toml").read_bytes()
    assert last.startswith(after)
    settings = tomllib.loads(last.decode())
    assert settings["stores"]["things"] == {"proto": "a.proto", "services": ["a.S"]}
    assert settings["processes"]["doing"] == {
        "proto": "a.proto",
        "services": ["a.S"],
        "uses": ["things"],
        "vendors": ["pay"],
    }


def test_what_new_says(shop: Path) -> None:
    write(shop, {"protos/a.proto": 'syntax = "proto3"; package a; service S { rpc DoIt(M) returns (M); } message M {}'})
    said = scaffold(shop, "new", "store", "things", "--proto", "a.proto")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == "things is a data store: a.S"
    text = said.out
    for part in (
        "services/things/src/things/handlers/   one module for each RPC, yours from the first edit",
        "services/things/src/things/app.py   yours",
        "never edit them",
        "Still to be written",
        "  services/things/src/things/handlers/do_it.py\n",
        "scaffold test things",
        "scaffold up",
    ):
        assert part in text, part
    assert "$EDITOR" not in text, "there is no starter"


def test_only_the_services_that_are_named(shop: Path) -> None:
    text = 'syntax = "proto3"; package a; service S { rpc A(M) returns (M); } service T { rpc B(M) returns (M); } message M {}'
    write(shop, {"protos/a.proto": text})
    assert scaffold(shop, "new", "store", "one", "--proto", "a.proto", "--service", "a.T").code == 0
    handlers = shop / "services/one/src/one/handlers"
    assert sorted(p.name for p in handlers.iterdir()) == ["__init__.py", "b.py"]
    # In the order in which they were named: the first one's handlers need no folder of their own.
    assert scaffold(shop, "new", "store", "two", "--proto", "a.proto", "--service", "a.T", "--service", "a.S").code == 0
    handlers = shop / "services/two/src/two/handlers"
    assert sorted(p.relative_to(handlers).as_posix() for p in handlers.rglob("*.py")) == [
        "__init__.py", "b.py", "s/__init__.py", "s/a.py",
    ]  # fmt: skip
    assert 'services = ["a.T", "a.S"]' in (shop / "scaffold.toml").read_text(encoding="utf-8")


def test_new_twice_the_same_option_is_once(shop: Path) -> None:
    arguments = ("--proto", "shop/catalog/v1/catalog.proto", "--uses", "cart")
    said = scaffold(shop, "new", "process", "p", *arguments, *arguments)
    assert said.code == 0, said.text
    assert tomllib.loads((shop / "scaffold.toml").read_text(encoding="utf-8"))["processes"]["p"]["uses"] == ["cart"]


def test_new_touches_nothing_of_other_components(shop: Path) -> None:
    before = tree(shop)
    assert scaffold(shop, "new", "store", "late").code == 0
    after = tree(shop)
    changed = {path for path in before if before[path] != after[path]}
    # Boundaries name the other components; nothing else of them knows of a new one.
    assert changed == {
        ".scaffold/files",
        "scaffold.toml",
        *(f"services/{name}/.importlinter" for name in ("cart", "catalog", "checkout")),
    }


def test_new_says_where_a_starter_is_and_regen_follows_its_edits(shop: Path) -> None:
    said = scaffold(shop, "new", "store", "late")
    proto = shop / "protos/shop/late/v1/late.proto"
    assert proto.is_file()
    assert "$EDITOR protos/shop/late/v1/late.proto && scaffold regen" in said.out
    proto.write_text(
        proto.read_text(encoding="utf-8").replace("string title = 2;", "string label = 2;"), encoding="utf-8"
    )
    said = scaffold(shop, "regen")
    assert said.code == 0
    assert "label" in (shop / "services/late/src/late/gen/messages/shop_late_v1.pyi").read_text(encoding="utf-8")


def test_a_starter_does_not_overwrite_a_proto(shop: Path) -> None:
    mine = 'syntax = "proto3"; package mine; service Late { rpc A(M) returns (M); } message M {}'
    write(shop, {"protos/shop/late/v1/late.proto": mine})
    said = scaffold(shop, "new", "store", "late")
    assert said.code == 0, said.text
    assert (shop / "protos/shop/late/v1/late.proto").read_text(encoding="utf-8") == mine
    assert (shop / "services/late/src/late/handlers/a.py").is_file()


@pytest.mark.parametrize("path", ["services/cart", "protos/shop", "services/cart/src/cart/gen"])
def test_a_workspace_is_found_from_below(path: str, shop: Path) -> None:
    assert scaffold(shop / path, "plan").code == 0
    assert scaffold(shop / path, "new", "store", "late").code == 0
    assert (shop / "services/late/pyproject.toml").is_file()
