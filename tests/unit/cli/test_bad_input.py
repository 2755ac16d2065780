"""Bad input: a diagnostic with place and remedy, exit code 2, and the tree exactly as it was."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scaffold import __version__
from tests.support import Said, scaffold, scaffold_process, tree, write

CART_PROTO = "protos/shop/cart/v1/cart.proto"


def refused(root: Path, *arguments: str) -> Said:
    """Run a command that has to be refused, and see that nothing has changed."""
    before = tree(root)
    said = scaffold(root, *arguments)
    assert said.code == 2, said.text
    assert tree(root) == before
    assert said.out == ""
    assert "Traceback" not in said.err
    assert not (root / ".scaffold/cache/stage").exists()
    return said


def expect(said: Said, place: str, slug: str, message: str, remedy: str) -> None:
    """One diagnostic: ``place: slug: …message…`` and below it ``  help: …remedy…``."""
    first, second = said.err.splitlines()[:2]
    assert first.startswith(f"{place}: {slug}: " if place else f"{slug}: "), said.err
    assert message in first, said.err
    assert second.startswith("  help: "), said.err
    assert remedy in second, said.err


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def line_of(path: Path, start: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.startswith(start))


# Protos.


def test_a_proto_that_does_not_compile(shop: Path) -> None:
    edit(shop / CART_PROTO, "returns (Cart);\n  rpc Empty", "returns (Carrt);\n  rpc Empty")
    for command in ("regen", "plan", "check"):
        said = refused(shop, command)
        expect(said, f"{CART_PROTO}:7:40", "unknown-type", '"Carrt" is not defined', 'did you mean "Cart"?')


def test_a_proto_that_is_none(shop: Path) -> None:
    (shop / CART_PROTO).write_text("this is no proto\n", encoding="utf-8")
    said = refused(shop, "regen")
    assert re.match(rf"{CART_PROTO}:1:\d+: proto-invalid: .+\n  help: mend the proto", said.err)


def test_every_complaint_is_shown(shop: Path) -> None:
    edit(shop / CART_PROTO, "(Cart);", "(Carrt);")
    edit(shop / "protos/shop/catalog/v1/catalog.proto", "(LookRequest);", "(LokRequest);")
    said = refused(shop, "regen")
    assert said.err.count("unknown-type") == 3
    assert 'did you mean "LookRequest"?' in said.err


def test_a_type_of_a_file_that_is_not_imported(shop: Path) -> None:
    edit(shop / CART_PROTO, "returns (Cart);\n  rpc Empty", "returns (shop.catalog.v1.LookRequest);\n  rpc Empty")
    said = refused(shop, "regen")
    expect(
        said,
        f"{CART_PROTO}:7:40",
        "unknown-type",
        '"shop.catalog.v1.LookRequest"',
        'import "shop/catalog/v1/catalog.proto"',
    )


def test_a_missing_import(shop: Path) -> None:
    edit(shop / CART_PROTO, "package shop.cart.v1;", 'package shop.cart.v1;\nimport "shop/catalog/v1/catalogue.proto";')
    said = refused(shop, "regen")
    remedy = 'did you mean "shop/catalog/v1/catalog.proto"?'
    expect(
        said, f"{CART_PROTO}:4:1", "missing-import", '"shop/catalog/v1/catalogue.proto" is not under any root', remedy
    )
    assert said.err.count("help:") == 1, "one mistake, one complaint"


def test_a_missing_import_of_what_is_installed(shop: Path) -> None:
    edit(shop / CART_PROTO, "package shop.cart.v1;", 'package shop.cart.v1;\nimport "google/type/mony.proto";')
    said = refused(shop, "regen")
    remedy = 'did you mean "google/type/money.proto"?'
    expect(said, f"{CART_PROTO}:4:1", "missing-import", '"google/type/mony.proto" is not under any root', remedy)


def test_an_import_that_is_broken_is_said_where_it_is(shop: Path) -> None:
    edit(shop / CART_PROTO, "package shop.cart.v1;", 'package shop.cart.v1;\nimport "shop/catalog/v1/catalog.proto";')
    edit(shop / CART_PROTO, "string id = 1;", "shop.catalog.v1.LookRequest id = 1;")
    edit(shop / "protos/shop/catalog/v1/catalog.proto", "returns (LookRequest)", "returns (LokRequest)")
    said = refused(shop, "regen")
    expect(said, "protos/shop/catalog/v1/catalog.proto:6:34", "unknown-type", '"LokRequest"', '"LookRequest"')
    assert said.err.count("help:") == 1, said.err


def test_a_proto_that_is_gone(shop: Path) -> None:
    (shop / CART_PROTO).rename(shop / "protos/shop/cart/v1/carts.proto")
    said = refused(shop, "regen")
    expect(
        said, "shop/cart/v1/cart.proto", "proto-not-found", "no such proto", 'did you mean "shop/cart/v1/carts.proto"?'
    )


@pytest.mark.parametrize("path", ["../outside.proto", "/outside.proto", ""])
def test_a_proto_in_the_settings_that_is_no_name_of_an_import(path: str, shop: Path) -> None:
    write(shop.parent, {"outside.proto": 'syntax = "proto3"; service S {}'})
    path = path.replace("/outside", f"{shop.parent}/outside") if path.startswith("/") else path
    edit(shop / "scaffold.toml", '"shop/cart/v1/cart.proto"', f'"{path}"')
    said = refused(shop, "regen")
    assert re.match(
        r"scaffold\.toml:\d+:1: settings-value: the proto \".*\" is under no root\n  help: .*imported by", said.err
    )


def test_a_service_that_is_not_in_the_file(shop: Path) -> None:
    said = refused(shop, "new", "store", "two", "--proto", "shop/cart/v1/cart.proto", "--service", "shop.cart.v1.Carts")
    message = 'no service "shop.cart.v1.Carts" in shop/cart/v1/cart.proto'
    expect(said, "scaffold.toml", "unknown-service", message, 'did you mean "shop.cart.v1.CartService"?')
    edit(shop / CART_PROTO, "service CartService", "service BasketService")
    message = 'no service "shop.cart.v1.CartService" in shop/cart/v1/cart.proto'
    remedy = 'if it is "shop.cart.v1.BasketService" now, write that in its place: its handlers stay where they are'
    expect(refused(shop, "regen"), "scaffold.toml:13:1", "unknown-service", message, remedy)


def test_a_service_without_its_package(shop: Path) -> None:
    """It is not taken for the service of that name in a package, which would be looked for in the file it is in."""
    said = refused(shop, "new", "store", "two", "--proto", "shop/cart/v1/cart.proto", "--service", "CartService")
    message = 'no service "CartService" in shop/cart/v1/cart.proto'
    expect(said, "scaffold.toml", "unknown-service", message, 'did you mean "shop.cart.v1.CartService"?')


def test_a_proto_without_a_service(shop: Path) -> None:
    write(shop, {"protos/types.proto": 'syntax = "proto3"; message M {}'})
    said = refused(shop, "new", "store", "types_store", "--proto", "types.proto")
    expect(said, "types.proto", "no-service", "there is no service in it", "at least one `service`")


def test_a_proto_outside_the_roots(shop: Path) -> None:
    write(shop, {"elsewhere/a.proto": 'syntax = "proto3"; service S {}'})
    write(shop.parent, {"outside.proto": 'syntax = "proto3"; service S {}'})
    for given in (
        "elsewhere/a.proto",
        "../outside.proto",
        str(shop.parent / "outside.proto"),
        str(shop / "elsewhere/a.proto"),
    ):
        said = refused(shop, "new", "store", "a", "--proto", given)
        expect(
            said, given, "proto-outside-roots", "under none of the roots (protos)", "add its folder to [protos] roots"
        )


def test_a_proto_that_is_not_there(shop: Path) -> None:
    said = refused(shop, "new", "store", "a", "--proto", "shop/cart/v1/crat.proto")
    expect(
        said, "shop/cart/v1/crat.proto", "proto-not-found", "no such proto", 'did you mean "shop/cart/v1/cart.proto"?'
    )
    said = refused(shop, "new", "store", "a", "--proto", "zzz")
    expect(said, "zzz", "proto-not-found", "no such proto", "a path on disk, or one relative to a root")


def test_a_proto_can_be_named_in_every_way(shop: Path) -> None:
    write(shop, {"protos/x/a.proto": 'syntax = "proto3"; package x; service S { rpc A(M) returns (M); } message M {}'})
    (shop / "sub").mkdir()
    ways = {"one": "x/a.proto", "two": "protos/x/a.proto", "three": str(shop / "protos/x/a.proto")}
    for name, given in ways.items():
        assert scaffold(shop, "new", "store", name, "--proto", given).code == 0
    assert scaffold(shop / "protos/x", "new", "store", "four", "--proto", "a.proto").code == 0
    text = (shop / "scaffold.toml").read_text(encoding="utf-8")
    assert text.count('proto = "x/a.proto"') == 4


# Names.


@pytest.mark.parametrize(
    ("name", "place", "slug", "message", "remedy"),
    [
        ("cart", "scaffold.toml", "name-taken", '"cart" is a store already', "choose another name"),
        ("checkout", "scaffold.toml", "name-taken", '"checkout" is a process already', "choose another name"),
        ("Cart", "", "invalid-name", '"Cart"', 'try "cart"'),
        ("my-cart", "", "invalid-name", '"my-cart"', 'try "my_cart"'),
        ("2carts", "", "invalid-name", '"2carts"', "choose another name"),
        ("../evil", "", "invalid-name", '"../evil"', 'try "evil"'),
        ("class", "", "invalid-name", "reserved word", "choose another name"),
        ("logging", "", "name-shadows", "standard library's module `logging`", "shop_{name}"),
        ("email", "", "name-shadows", "standard library's module `email`", "shop_{name}"),
        ("grpc", "", "name-shadows", "the package `grpc`", "shop_{name}"),
        ("pydantic", "", "name-shadows", "the package `pydantic`", "shop_{name}"),
        ("packaging", "", "name-shadows", "the package `packaging`", "shop_{name}"),
        ("Logging", "", "invalid-name", '"Logging"', "choose another name"),
        ("", "", "invalid-name", '""', "choose another name"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["store", "process"])
def test_names(kind: str, name: str, place: str, slug: str, message: str, remedy: str, shop: Path) -> None:
    said = refused(shop, "new", kind, name)
    expect(said, place, slug, message, remedy)
    assert said.err.count("help:") == 1, "one mistake, one complaint"


def test_a_folder_that_is_taken(shop: Path) -> None:
    write(shop, {"services/mine/notes.txt": "mine"})
    said = refused(shop, "new", "store", "mine")
    expect(said, "services/mine", "destination-not-empty", "something already", "move it away")


def test_uses_of_nothing(shop: Path) -> None:
    said = refused(shop, "new", "process", "p", "--uses", "crt")
    expect(said, "", "unknown-component", 'no component "crt"', 'did you mean "cart"?')
    said = refused(shop, "new", "process", "p", "--uses", "zzz")
    expect(said, "", "unknown-component", 'no component "zzz"', "known: cart, catalog, checkout")
    said = refused(shop, "new", "process", "p", "--vendor", "zzz")
    expect(said, "scaffold.toml", "unknown-vendor", "[vendors.zzz]", "add the table first")
    said = refused(shop, "new", "process", "p", "--uses", "p")
    expect(said, "", "unknown-component", 'no component "p"', "known: cart")


# Settings.


@pytest.mark.parametrize("command", ["regen", "plan", "check", "test", "up"])
def test_an_unknown_key(command: str, shop: Path) -> None:
    edit(shop / "scaffold.toml", "roots =", "rots =")
    line = line_of(shop / "scaffold.toml", "rots =")
    said = refused(shop, command)
    expect(said, f"scaffold.toml:{line}:1", "unknown-key", '"protos.rots" is not a setting', 'did you mean "roots"?')


def test_a_broken_line(shop: Path) -> None:
    with (shop / "scaffold.toml").open("a", encoding="utf-8") as file:
        file.write("[stores.cart2\n")
    lines = (shop / "scaffold.toml").read_text(encoding="utf-8").count("\n")
    expect(refused(shop, "regen"), f"scaffold.toml:{lines}:14", "settings-syntax", "Expected ']'", "not valid TOML")


def test_settings_that_are_no_text(shop: Path) -> None:
    with (shop / "scaffold.toml").open("ab") as file:
        file.write(b"# caf\xe9\n")
    lines = (shop / "scaffold.toml").read_bytes().count(b"\n")
    expect(
        refused(shop, "regen"), f"scaffold.toml:{lines}", "cannot-be-read", "it is not UTF-8 text", "save it as UTF-8"
    )


def test_a_wrong_version(shop: Path) -> None:
    edit(shop / "scaffold.toml", f"=={__version__}", "==99.0.0")
    said = refused(shop, "regen")
    expect(
        said,
        f"scaffold.toml:{line_of(shop / 'scaffold.toml', 'scaffold =')}:1",
        "wrong-version",
        f"scaffold 99.0.0, and this is {__version__}",
        "apifirst-scaffold==99.0.0",
    )


@pytest.mark.parametrize(
    "command", [("regen",), ("plan",), ("check",), ("new", "store", "x"), ("test",), ("up",), ("trace",)]
)
def test_no_workspace(command: tuple[str, ...], tmp_path: Path) -> None:
    expect(
        refused(tmp_path, *command),
        str(tmp_path),
        "no-workspace",
        "no scaffold.toml here or above",
        "scaffold init DIR",
    )


# Folders.


def test_init_into_something(tmp_path: Path) -> None:
    write(tmp_path, {"full/a.txt": "a", "file": "a"})
    expect(refused(tmp_path, "init", "full"), "full", "destination-not-empty", "a.txt", "empty or does not exist")
    expect(refused(tmp_path, "init", "file"), "file", "destination-not-empty", "file", "empty or does not exist")


def test_init_below_a_file(tmp_path: Path) -> None:
    write(tmp_path, {"file": "a"})
    said = refused(tmp_path, "init", "file/shop")
    assert re.match(r"file/shop/\S+: cannot-be-written: .+\n  help: .+", said.err), said.err


def test_init_into_a_new_repository(tmp_path: Path) -> None:
    write(tmp_path, {"shop/.git/HEAD": "ref: refs/heads/main"})
    assert scaffold(tmp_path, "init", "shop").code == 0
    assert scaffold(tmp_path / "shop", "init", ".").code == 2


def _services_is_a_file(shop: Path) -> tuple[str, ...]:
    (shop / "scaffold.toml").write_text((shop / "scaffold.toml").read_text(encoding="utf-8").replace(
        "[stores.cart]", '[stores.cart]\npath = "README.md/cart"'), encoding="utf-8")  # fmt: skip
    return ("regen",)


def _a_folder_is_in_the_way(shop: Path) -> tuple[str, ...]:
    handler = shop / "services/cart/src/cart/handlers/get_cart.py"
    handler.unlink()
    handler.mkdir()
    return ("regen",)


def _a_dangling_link_is_in_the_way(shop: Path) -> tuple[str, ...]:
    (shop / "services/late").symlink_to(shop / "nowhere/at/all")
    return ("new", "store", "late")


@pytest.mark.parametrize("prepare", [_services_is_a_file, _a_folder_is_in_the_way, _a_dangling_link_is_in_the_way])
def test_a_path_that_refuses_the_write(prepare: Callable[[Path], tuple[str, ...]], shop: Path) -> None:
    command = prepare(shop)
    said = refused(shop, *command)
    assert re.match(
        r"\S+: cannot-be-(written|read): .+\n  help: see that the path is a file in a folder of yours", said.err
    ), said.err


@pytest.mark.parametrize("case", ["new", "update", "delete", "state", "up"])
def test_a_folder_that_refuses_the_write(case: str, shop: Path) -> None:
    """As somebody to whom modes matter, and in a process of its own: root gives up its power to override them."""
    locked = {
        "new": shop / "services",
        "update": shop / "services/cart/src/cart/gen/messages",
        "delete": shop / "services/cart/src/cart/handlers",
        "state": shop / ".scaffold",
        "up": shop / ".scaffold/cache",
    }[case]
    arguments = {"new": ("new", "store", "late"), "state": ("new", "store", "late"), "up": ("up",)}.get(
        case, ("regen",)
    )
    if case == "update":
        edit(shop / CART_PROTO, "message Cart {", "// Changed.\nmessage Cart {")
    if case == "delete":
        edit(shop / CART_PROTO, "  rpc EmptyCart(EmptyCartRequest) returns (Cart);\n", "")
    before = tree(shop)
    mode = locked.stat().st_mode
    locked.chmod(0o555)
    try:
        if os.geteuid() == 0 and scaffold_process(shop, "--version", powerless=True).code != 0:
            pytest.skip("root cannot give up its power here")
        said = scaffold_process(shop, *arguments, powerless=os.geteuid() == 0)
    finally:
        locked.chmod(mode)
    assert said.code == 2, said.text
    assert re.match(r"\S+: cannot-be-written: permission denied\n  help: .*you may write there", said.err), said.text
    assert tree(shop) == before


def test_a_second_writer(shop: Path) -> None:
    import fcntl

    (shop / ".scaffold/cache").mkdir(exist_ok=True)
    with (shop / ".scaffold/cache/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = refused(shop, "regen")
    expect(said, str(shop), "workspace-busy", "another scaffold is writing", "wait")
    assert scaffold(shop, "regen").code == 0


# The state, and the tree: what somebody else has changed.


@pytest.mark.parametrize("line", ["../outside.py\tgenerated", "/etc/hosts\tgenerated", "gibberish", "<<<<<<< HEAD"])
def test_a_list_edited_by_hand(line: str, shop: Path) -> None:
    """Least of all is anything outside deleted, although its stamp says that nobody has edited it."""
    outside = shop.parent / "outside.py"
    outside.write_bytes((shop / "services/cart/src/cart/gen/api.py").read_bytes())
    listed = (shop / ".scaffold/files").read_text(encoding="utf-8")
    (shop / ".scaffold/files").write_text(f"{listed}{line}\n", encoding="utf-8")
    number = len(listed.splitlines()) + 1
    for command in (("regen",), ("plan",), ("check",), ("burn", "cart", "--yes"), ("new", "store", "late")):
        said = refused(shop, *command)
        expect(said, f".scaffold/files:{number}", "list-damaged", "is no line of the list", "git checkout")
    assert outside.exists()


def test_a_stamp_edited_by_hand(shop: Path) -> None:
    """A file whose stamp does not fit is somebody's: nothing is written over it."""
    path = shop / "services/cart/src/cart/gen/api.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("sha256=[0-9a-f]{6}", "sha256=000000", text), encoding="utf-8")
    edit(shop / CART_PROTO, "string id = 1;", "string id = 1; string more = 2;")
    before = tree(shop)
    said = scaffold(shop, "regen")
    assert said.code == 1
    assert "services/cart/src/cart/gen/api.py: edited-generated-file" in said.out
    assert tree(shop) == before


@pytest.mark.parametrize("folder", ["services/cart", "services/cart/src/cart/gen", "services/cart/src/cart/handlers"])
def test_a_folder_that_is_a_link_out_of_the_workspace(folder: str, shop: Path) -> None:
    outside = shop.parent / "outside"
    (shop / folder).rename(outside)
    (shop / folder).symlink_to(outside)
    edit(shop / CART_PROTO, "string id = 1;", "string id = 1; string more = 2;")
    before = tree(outside)
    for command in (("regen",), ("plan",), ("burn", "cart", "--yes")):
        said = refused(shop, *command)
        expect(said, folder, "leads-outside", "link out of the workspace", "put the folder itself there")
    assert tree(outside) == before


def test_a_handler_that_is_a_link_out_of_the_workspace_is_left_alone(shop: Path) -> None:
    """It is the user's, and what it leads to is not read: nobody says of it that it is no Python."""
    handler, outside = shop / "services/cart/src/cart/handlers/get_cart.py", shop.parent / "get_cart.py"
    handler.rename(outside)
    handler.symlink_to(outside)
    edit(shop / CART_PROTO, "string id = 1;", "string id = 1; string more = 2;")
    before = outside.read_bytes()
    assert scaffold(shop, "plan").code == 0
    assert scaffold(shop, "regen").code == 0
    assert handler.is_symlink() and outside.read_bytes() == before


def test_a_path_that_differs_by_case_only(shop: Path) -> None:
    handlers = shop / "services/cart/src/cart/handlers"
    (handlers / "get_cart.py").rename(handlers / "Get_Cart.py")
    said = refused(shop, "regen")
    place = "services/cart/src/cart/handlers"
    expect(said, f"{place}/Get_Cart.py", "differs-by-case", f"{place}/get_cart.py has to be made", "another name")
    (shop / "services/late").mkdir()
    (shop / "services/late/SRC").touch()
    assert "destination-not-empty" in refused(shop, "new", "store", "late").err


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (CART_PROTO, f"{CART_PROTO}:1"),
        ("scaffold.toml", "scaffold.toml:1"),
        ("services/cart/src/cart/handlers/get_cart.py", "services/cart/src/cart/handlers/get_cart.py:1"),
        ("services/cart/src/cart/app.py", "services/cart/src/cart/app.py:1"),
    ],
)
def test_the_markers_of_a_merge(path: str, place: str, shop: Path) -> None:
    lines = (shop / path).read_text(encoding="utf-8").splitlines(keepends=True)
    lines[:0] = ["<<<<<<< HEAD\n", "one\n", "=======\n", "other\n", ">>>>>>> theirs\n"]
    (shop / path).write_text("".join(lines), encoding="utf-8")
    for command in ("regen", "plan"):
        said = refused(shop, command)
        expect(said, place, "merge-marker", "conflict markers", "delete the markers")
        assert said.err.count("help:") == 1, said.err


def test_what_looks_like_the_markers_of_a_merge(shop: Path) -> None:
    """In a string and in a comment they may be meant: that stops nobody, and is said."""
    marks = "<<<<<<< HEAD\n=======\n>>>>>>> theirs\n"
    write(shop, {"services/cart/src/cart/handlers/get_cart.py": f'TEXT = """\n{marks}"""\n'})
    edit(shop / CART_PROTO, "package shop.cart.v1;", f"package shop.cart.v1;\n/*\n{marks}*/")
    said = scaffold(shop, "regen")
    assert said.code == 0
    for place in ("services/cart/src/cart/handlers/get_cart.py:2", f"{CART_PROTO}:"):
        assert f"{place}" in said.out
    assert said.out.count("warning: merge-marker: git's conflict markers are in a string or a comment") == 2
    assert scaffold(shop, "check", "--only", "drift").code == 1


def test_a_component_with_markers_can_be_burnt(shop: Path) -> None:
    path = "services/cart/src/cart/handlers/get_cart.py"
    write(shop, {path: "<<<<<<< HEAD\n=======\n>>>>>>> theirs\n"})
    assert scaffold(shop, "burn", "cart", "--yes").code == 0
    assert scaffold(shop, "regen").code == 0


def test_a_deleted_gen_is_simply_made_again(shop: Path) -> None:
    import shutil

    before = tree(shop)
    shutil.rmtree(shop / "services/cart/src/cart/gen")
    assert scaffold(shop, "regen").code == 0
    assert {p: c for p, (c, _) in tree(shop).items()} == {p: c for p, (c, _) in before.items()}


def test_an_init_that_was_interrupted_is_completed(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "init", "whole").code == 0
    whole = {p: c for p, (c, _) in tree(tmp_path / "whole").items()}
    half = tmp_path / "other/whole"
    for missing in sorted(whole):
        for path, content in whole.items():
            if path != missing and path != ".scaffold/files":
                write(half, {path: ""})
                (half / path).write_bytes(content)
        assert scaffold(half.parent, "init", "whole").code == 0, missing
        assert {p: c for p, (c, _) in tree(half).items()} == whole
        assert scaffold(half.parent, "init", "whole").code == 2, "now it is a workspace"
        for path in whole:
            (half / path).unlink()
    write(half, {"scaffold.toml": "# mine\n"})
    assert "destination-not-empty" in scaffold(half.parent, "init", "whole").err


def test_two_rpcs_that_would_share_a_module(shop: Path) -> None:
    """The one that was there keeps its file, and its code; so does a client's method."""
    proto = shop / CART_PROTO
    edit(proto, "rpc GetCart(GetCartRequest)", "rpc Ab(GetCartRequest)")
    assert scaffold(shop, "regen").code == 0
    handler = "services/cart/src/cart/handlers/ab.py"
    write(shop, {handler: "# Ab: mine\n"})
    edit(proto, "  rpc Ab(", "  rpc AB(EmptyCartRequest) returns (Cart);\n  rpc Ab(")
    said = scaffold(shop, "regen")
    assert said.code == 0, said.text
    assert (shop / handler).read_bytes() == b"# Ab: mine\n"
    assert "AB" in (shop / "services/cart/src/cart/handlers/ab_2.py").read_text(encoding="utf-8")
    client = (shop / "services/checkout/src/checkout/gen/clients/cart.py").read_text(encoding="utf-8")
    assert re.search(r'def ab\(.*?"Ab"', client, re.DOTALL)
    assert re.search(r'def ab_2\(.*?"AB"', client, re.DOTALL)


def test_services_in_another_order_keep_their_handlers(shop: Path) -> None:
    """Without `services` in scaffold.toml their order is the proto's; the folders are those that were given once."""
    proto = shop / CART_PROTO
    more = "service Audit {\n  rpc GetCart(GetCartRequest) returns (Cart);\n}\n\n"
    edit(proto, "message Cart {", f"{more}message Cart {{")
    edit(shop / "scaffold.toml", 'services = ["shop.cart.v1.CartService"]\n', "")
    assert scaffold(shop, "regen").code == 0
    handler = "services/cart/src/cart/handlers/get_cart.py"
    write(shop, {handler: "# CartService: mine\n"})
    assert (shop / "services/cart/src/cart/handlers/audit/get_cart.py").exists()
    edit(proto, more, "")
    edit(proto, "service CartService {", f"{more}service CartService {{")
    said = scaffold(shop, "regen")
    assert said.code == 0, said.text
    service = (shop / "services/cart/src/cart/gen/service.py").read_text(encoding="utf-8")
    assert re.search(r"class CartService.*?handlers/get_cart\.py", service, re.DOTALL)
    assert "handlers/audit/get_cart.py" in service
    client = (shop / "services/checkout/src/checkout/gen/clients/cart.py").read_text(encoding="utf-8")
    assert 'class Client(ServiceClient):\n    """Calls shop.cart.v1.CartService.' in client
