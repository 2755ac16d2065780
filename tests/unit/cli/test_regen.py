from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import python, scaffold, scaffold_process, tree, write

CART_PROTO = "protos/shop/cart/v1/cart.proto"
CART = "services/cart/src/cart"
GET, EMPTY = f"{CART}/handlers/get_cart.py", f"{CART}/handlers/empty_cart.py"
EMPTY_RPC = "  rpc EmptyCart(EmptyCartRequest) returns (Cart);\n"
UNCHANGED = re.compile(r"files: (\d+) unchanged\n")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def changed(before: dict[str, tuple[bytes, int]], after: dict[str, tuple[bytes, int]]) -> set[str]:
    return {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}


# Nothing to do.


def test_an_unchanged_workspace_is_not_touched(shop: Path) -> None:
    before = tree(shop)
    for arguments in (("regen",), ("plan",), ("check", "--only", "drift"), ("regen", "--check"), ("regen",)):
        said = scaffold(shop, *arguments)
        assert (said.code, said.err) == (0, "")
    assert tree(shop) == before
    assert UNCHANGED.fullmatch(scaffold(shop, "regen").out)


def backdate(root: Path) -> None:
    """As if the inputs had been written a while ago: what has just been written is looked at again."""
    for path in (root / "protos").rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    os.utime(root / "scaffold.toml", (1_700_000_000, 1_700_000_000))


def quick() -> bool:
    """Whether `regen` here is answered from the stat cache: the compiler, the templates and the rest stay out."""
    ran = python(
        """
        import sys
        sys.argv = ["scaffold", "regen"]
        from scaffold.__main__ import main
        try:
            main()
        except SystemExit as error:
            assert error.code in (0, None)
        print("quick" if "scaffold.cli.main" not in sys.modules else "slow", file=sys.stderr)
        """,
        Path(__file__).resolve().parents[3],
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.strip().endswith("quick")


@pytest.fixture
def cached(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose stat cache is filled; subprocesses start in it."""
    backdate(shop)
    assert scaffold(shop, "regen").code == 0
    monkeypatch.chdir(shop)
    assert quick()
    return shop


def test_the_quick_answer_is_the_slow_one(cached: Path) -> None:
    before = tree(cached)
    fast = scaffold_process(cached, "regen")
    slow = scaffold(cached, "regen")
    assert (fast.code, fast.out, fast.err) == (slow.code, slow.out, slow.err)
    assert UNCHANGED.fullmatch(fast.out)
    assert scaffold_process(cached / "services", "regen") == fast
    assert tree(cached) == before


def test_the_quick_answer_counts_right_after_a_deletion(cached: Path) -> None:
    edit(cached / CART_PROTO, EMPTY_RPC, "")
    backdate(cached)
    assert "1 deleted" in scaffold(cached, "regen").out
    assert quick()
    assert scaffold_process(cached, "regen").out == scaffold(cached, "regen").out


TOUCHES: dict[str, Callable[[Path], object]] = {
    "a proto": lambda root: edit(root / CART_PROTO, "string id = 1;", "string id = 2;"),
    "the settings": lambda root: (root / "scaffold.toml").open("a").write("\n# x\n"),
    "a generated file": lambda root: edit(root / f"{CART}/gen/api.py", "Cart", "Kart"),
    "a deleted file": lambda root: (root / f"{CART}/gen/api.py").unlink(),
    "a handler": lambda root: edit(root / GET, "def ", "def  "),
    "a deleted handler": lambda root: (root / GET).unlink(),
    "the list": lambda root: (root / ".scaffold/files").write_text(""),
    "a proto that hides another": lambda root: write(root / "first", {"shop/cart/v1/cart.proto": "hides"}),
    "a time alone": lambda root: os.utime(root / CART_PROTO),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_whatever_changes_is_looked_at(touch: str, cached: Path) -> None:
    if touch == "a proto that hides another":
        edit(cached / "scaffold.toml", 'roots = ["protos"]', 'roots = ["first", "protos"]')
        (cached / "first").mkdir()
        backdate(cached)
        assert scaffold(cached, "regen").code == 0
        assert quick()
    TOUCHES[touch](cached)
    if touch == "a proto that hides another":
        assert scaffold_process(cached, "regen").code == 2
        return
    slow = scaffold_process(cached, "regen", "--check")  # `--check` never uses the cache
    ran = scaffold_process(cached, "regen")
    assert ran.code in (0, 1)
    drift = slow.code == 1
    assert drift == (UNCHANGED.fullmatch(ran.out) is None)
    assert drift == (touch in ("a proto", "a generated file", "a deleted file", "a deleted handler"))


def test_an_edit_within_a_tick_of_the_run_is_not_lost(shop: Path) -> None:
    """An input that changed since the run began may have been read before or after: nothing is noted."""
    backdate(shop)
    os.utime(shop / CART_PROTO)
    future = (shop / CART_PROTO).stat().st_mtime + 60
    os.utime(shop / CART_PROTO, (future, future))
    assert scaffold(shop, "regen").code == 0
    assert not (shop / ".scaffold/cache/stat.json").exists()


def test_a_copy_is_not_answered_from_the_original(cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = cached.parent / "copy"
    shutil.copytree(cached, copy)
    edit(copy / CART_PROTO, "string id = 1;", "string id = 7;")
    said = scaffold_process(copy, "regen")
    assert "updated" in said.out


def test_a_broken_cache_is_no_answer(cached: Path) -> None:
    cache = cached / ".scaffold/cache/stat.json"
    note = json.loads(cache.read_text(encoding="utf-8"))
    others = [json.dumps({**note, key: "0"}) for key in ("version", "python", "root")]
    for broken in ("", "[]", "{}", "null", '{"files": 3}', *others):
        cache.write_text(broken, encoding="utf-8")
        assert not quick(), broken
        cache.write_text(json.dumps(note), encoding="utf-8")
    assert quick()


def test_what_there_is_to_say_is_said_every_time(shop: Path) -> None:
    """A note (here: one process calls another) keeps the quick answer away: it would be silent about it."""
    assert (
        scaffold(
            shop, "new", "process", "outer", "--proto", "shop/checkout/v1/checkout.proto", "--uses", "checkout"
        ).code
        == 0
    )
    backdate(shop)
    first, second = scaffold_process(shop, "regen"), scaffold_process(shop, "regen")
    assert first == second
    assert "process-uses-process" in first.out


# What a person edited.


def test_an_edited_generated_file_stops_everything(shop: Path) -> None:
    edit(shop / f"{CART}/gen/api.py", '"Cart"', '"Kart"')
    edit(
        shop / "protos/shop/catalog/v1/catalog.proto", "message LookRequest {}", "message LookRequest { int32 n = 1; }"
    )
    before = tree(shop)
    said = scaffold(shop, "regen")
    assert said.code == 1
    assert tree(shop) == before
    assert f"! {CART}/gen/api.py" in said.out
    assert f"{CART}/gen/api.py: edited-generated-file: this file is generated, and was edited" in said.out
    assert "  help: move what you need out of it, then `scaffold regen --force" in said.out
    assert said.out.endswith("Nothing was written.\n")
    assert "1 in conflict" in said.out
    # As it says: without the file, the run goes on.
    (shop / f"{CART}/gen/api.py").unlink()
    assert scaffold(shop, "regen").code == 0
    assert UNCHANGED.fullmatch(scaffold(shop, "regen").out)


def test_a_file_of_somebody_elses_in_the_way_is_a_conflict(shop: Path) -> None:
    write(shop, {"protos/shop/cart/v1/more.proto": 'syntax = "proto3"; package other; message Other {}'})
    edit(shop / CART_PROTO, "package shop.cart.v1;", 'package shop.cart.v1;\nimport "shop/cart/v1/more.proto";')
    write(shop, {f"{CART}/gen/messages/other.py": "# mine\n"})
    before = tree(shop)
    said = scaffold(shop, "regen")
    assert said.code == 1
    assert tree(shop) == before
    assert f"{CART}/gen/messages/other.py: edited-generated-file" in said.out


def test_an_edited_handler_is_kept(shop: Path) -> None:
    edit(shop / GET, "def get_cart", "# Mine.\ndef get_cart")
    edit(shop / CART_PROTO, "  // Returns one cart.", "  // Returns a cart, by its id.")
    mine = (shop / GET).read_bytes()
    said = scaffold(shop, "regen")
    assert said.code == 0
    assert (shop / GET).read_bytes() == mine
    assert GET not in said.out
    # One that nobody touched follows the proto.
    shutil.copy(shop / GET, shop / "mine.py")
    (shop / GET).unlink()
    assert scaffold(shop, "regen").code == 0
    assert '"""GetCart (AIP-131): returns a cart, by its id."""' in (shop / GET).read_text(encoding="utf-8")


def test_a_stub_follows_its_proto(shop: Path) -> None:
    edit(shop / CART_PROTO, "  // Returns one cart.", "  // Returns a cart, by its id.")
    said = scaffold(shop, "regen")
    assert f"~ {GET}   (yours once edited)" in said.out
    assert "returns a cart, by its id." in (shop / GET).read_text(encoding="utf-8")


def test_a_handler_that_lost_its_rpc_is_kept_and_reported(shop: Path) -> None:
    edit(shop / EMPTY, "def empty_cart", "# Mine.\ndef empty_cart")
    mine = (shop / EMPTY).read_bytes()
    edit(shop / CART_PROTO, EMPTY_RPC, "")
    for _ in range(2):  # until somebody decides
        said = scaffold(shop, "regen")
        assert said.code == 1
        assert f"? {EMPTY}" in said.out
        assert (
            f"{EMPTY}: orphan: this handler has code of yours, and its RPC shop.cart.v1.CartService.EmptyCart is gone"
            in said.out
        )
        assert "  help: move what you need elsewhere; `scaffold regen --prune` takes it to the attic" in said.out
        assert (shop / EMPTY).read_bytes() == mine
    # The rest was written.
    assert "empty_cart" not in (shop / f"{CART}/gen/service.py").read_text(encoding="utf-8")
    assert scaffold(shop, "check", "--only", "drift").code == 1
    assert scaffold_process(shop, "regen").code == 1, "the quick answer must not hide an orphan"
    # The RPC comes back, and finds its handler.
    edit(shop / CART_PROTO, "  rpc GetCart", f"{EMPTY_RPC}  rpc GetCart")
    assert scaffold(shop, "regen").code == 0
    assert (shop / EMPTY).read_bytes() == mine


def test_an_untouched_stub_goes_with_its_rpc(shop: Path) -> None:
    edit(shop / CART_PROTO, EMPTY_RPC, "")
    said = scaffold(shop, "regen")
    assert said.code == 0
    assert f"- {EMPTY}   (yours once edited)" in said.out
    assert not (shop / EMPTY).exists()
    assert EMPTY not in (shop / ".scaffold/files").read_text(encoding="utf-8")


def test_a_deleted_generated_file_comes_back(shop: Path) -> None:
    before = tree(shop)
    victims = [f"{CART}/gen/service.py", f"{CART}/gen/descriptors.py", f"{CART}/gen/runtime/common/log.py", GET]
    for victim in victims:
        (shop / victim).unlink()
    said = scaffold(shop, "regen")
    assert (said.code, said.out.splitlines()[-1].split(",")[0]) == (0, "files: 4 created")
    after = tree(shop)
    assert {p: b for p, (b, _) in after.items()} == {p: b for p, (b, _) in before.items()}
    assert changed(before, after) == {*victims, f"{CART}/gen/__init__.py", ".scaffold/files"}


def test_a_whole_gen_comes_back(shop: Path) -> None:
    before = tree(shop)
    shutil.rmtree(shop / f"{CART}/gen")
    assert scaffold(shop, "regen").code == 0
    assert {p: b for p, (b, _) in tree(shop).items()} == {p: b for p, (b, _) in before.items()}


@pytest.mark.parametrize("path", [f"{CART}/app.py", "services/cart/README.md", "services/cart/Dockerfile"])
def test_what_is_yours_is_never_touched(path: str, shop: Path) -> None:
    (shop / path).write_text("mine\n", encoding="utf-8")
    edit(shop / CART_PROTO, EMPTY_RPC, "")
    assert scaffold(shop, "regen").code == 0
    assert (shop / path).read_text(encoding="utf-8") == "mine\n"
    (shop / path).unlink()
    assert scaffold(shop, "regen").code == 0
    assert not (shop / path).exists(), "it was deleted on purpose"


def test_a_checkout_with_crlf_is_unchanged(shop: Path) -> None:
    for path in [p for p in shop.rglob("*") if p.is_file() and "cache" not in p.parts]:
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    before = tree(shop)
    said = scaffold(shop, "regen")
    assert (said.code, UNCHANGED.fullmatch(said.out) is None) == (0, False), said.text
    assert tree(shop) == before


def test_a_lost_list_costs_nothing(shop: Path) -> None:
    before = tree(shop)
    edit(shop / GET, "def get_cart", "# Mine.\ndef get_cart")
    mine = (shop / GET).read_bytes()
    (shop / ".scaffold/files").unlink()
    assert scaffold(shop, "regen").code == 0
    assert (shop / GET).read_bytes() == mine
    assert changed(before, tree(shop)) == {GET, ".scaffold/files"}


def test_a_component_that_left_the_settings_takes_its_generated_files_along(shop: Path) -> None:
    text = (shop / "scaffold.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[stores.catalog]")
    (shop / "scaffold.toml").write_text(head + rest[rest.index("[processes") :], encoding="utf-8")
    said = scaffold(shop, "regen")
    assert said.code == 0, said.text
    left = {p for p in tree(shop) if p.startswith("services/catalog/")}
    assert left
    assert not any("/gen/" in p or "/contract/" in p or p.endswith(".importlinter") for p in left)
    assert not (shop / "services/catalog/src/catalog/gen").exists()
    assert "services/catalog/src/catalog/app.py" in left


# plan


def test_plan_shows_what_regen_does(shop: Path) -> None:
    edit(shop / CART_PROTO, EMPTY_RPC, "  // New.\n  rpc FillCart(EmptyCartRequest) returns (Cart);\n")
    before = tree(shop)
    plan = scaffold(shop, "plan")
    assert (plan.code, tree(shop)) == (0, before)
    assert f"+ {CART}/handlers/fill_cart.py   (yours once edited)" in plan.out
    assert f"- {EMPTY}   (yours once edited)" in plan.out
    assert plan.out.endswith("Nothing was written. `scaffold plan --diff` shows the lines.\n")
    regen = scaffold(shop, "regen")
    # What changed in the API asks for nothing here: regen says only what it writes.
    changes, _, writes = plan.out.partition("\n\n- ")
    assert regen.out.splitlines() == f"- {writes}".splitlines()[:-1]
    assert "rename  CartService.EmptyCart -> FillCart" in changes
    assert UNCHANGED.fullmatch(scaffold(shop, "plan").out)


def test_plan_diff_shows_the_lines(shop: Path) -> None:
    edit(shop / CART_PROTO, EMPTY_RPC, "")
    said = scaffold(shop, "plan", "--diff")
    assert said.code == 0
    assert f"~ {CART}/gen/service.py" in said.out
    assert "  -    empty_cart: Callable[[EmptyCartRequest, Context], Cart]\n" in said.out
    assert f"- {EMPTY}" in said.out
    assert said.out.endswith("Nothing was written.\n")


def test_plan_for_programs(shop: Path) -> None:
    edit(shop / EMPTY, "def empty_cart", "# Mine.\ndef empty_cart")
    edit(shop / CART_PROTO, EMPTY_RPC, "  rpc FillCart(GetCartRequest) returns (Cart);\n")
    edit(shop / "services/catalog/src/catalog/gen/api.py", '"LookRequest"', '"Look"')
    said = scaffold(shop, "plan", "--format", "json")
    assert said.code == 1
    plan = json.loads(said.out)
    assert set(plan) == {"changes", "unchanged", "decisions", "notes", "evolution"}
    assert {"path": f"{CART}/handlers/fill_cart.py", "action": "create", "owner": "stub",
            "origin": "shop/cart/v1/cart.proto#CartService.FillCart",
            "source": "", "attic": False} in plan["changes"]  # fmt: skip
    actions = {c["path"]: c["action"] for c in plan["changes"]}
    assert actions[EMPTY] == "orphan"
    assert actions[f"{CART}/gen/service.py"] == "update"
    assert "keep" not in actions.values()
    assert isinstance(plan["unchanged"], int)
    decisions = {d["slug"]: d for d in plan["decisions"]}
    assert decisions["edited-generated-file"]["path"] == "services/catalog/src/catalog/gen/api.py"
    assert decisions["orphan"]["path"] == EMPTY
    assert all(d["remedy"] and d["severity"] == "error" for d in decisions.values())


def test_text_of_others_cannot_command_the_terminal(shop: Path) -> None:
    edit(shop / CART_PROTO, "  // Returns one cart.", "  // \x1b[31mred\x1b[0m \x07 \u202ereversed")
    said = scaffold(shop, "plan", "--diff")
    assert not set("\x1b\x07\u202e") & set(said.out)
    assert "red" in said.out


# The bytecode trap.


def test_a_replaced_module_never_runs_old_bytecode(shop: Path) -> None:
    """Python trusts a .pyc whose source has the same size and the same whole second: three versions within one."""
    proto, source = shop / CART_PROTO, shop / "services/cart/src"
    code = "import cart.gen.names; print(cart.gen.names.CartName.pattern)"
    option = 'option (google.api.resource) = {type: "x/Cart" pattern: "cart%d/{cart}"};'
    head = 'package shop.cart.v1;\nimport "google/api/resource.proto";'
    edit(proto, "package shop.cart.v1;", head)
    edit(proto, "message Cart {\n  string id = 1;", "message Cart {\n  " + option % 0 + "\n  string name = 1;")
    edit(proto, "message GetCartRequest {\n  string id = 1;", "message GetCartRequest {\n  string name = 1;")
    names = shop / f"{CART}/gen/names.py"
    seconds = []
    for number in range(5):
        edit(proto, option % max(number - 1, 0), option % number)
        assert scaffold(shop, "regen").code == 0
        seconds.append(int(names.stat().st_mtime))
        if number != 2:  # a version that nobody imports leaves the bytecode of the one before
            ran = python(code, source)
            assert (ran.returncode, ran.stdout) == (0, f"cart{number}/{{cart}}\n"), ran.stderr
    assert len(set(seconds)) == len(seconds), "two versions of one size have the same whole second"
    assert any((names.parent / "__pycache__").glob("names.*.pyc")), "bytecode was off: this has shown nothing"
