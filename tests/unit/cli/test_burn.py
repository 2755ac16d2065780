"""`scaffold burn` and `scaffold restore`, as they are typed: what they show, ask, write and refuse."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import REPO, Said, contents, scaffold, tree, write

CART = "services/cart/src/cart"
GET = f"{CART}/handlers/get_cart.py"
APP = f"{CART}/app.py"
API = f"{CART}/gen/api.py"
RULES = f"{CART}/rules.py"
ATTIC = ".scaffold/attic"


@pytest.fixture
def edited(shop: Path) -> Path:
    """The shop with code of somebody's in a handler and in app.py, a module of theirs, and data."""
    write(shop, {GET: "# get: mine\n", APP: "# app: mine\n", RULES: "# rules: mine\n", ".data/cart.db": "rows\n"})
    return shop


def refused(root: Path, *arguments: str) -> Said:
    """Run a command that has to be refused with 2, and see that nothing has changed."""
    before = tree(root)
    said = scaffold(root, *arguments)
    assert said.code == 2, said.text
    assert tree(root) == before
    return said


# What burn does.


def test_nothing_to_burn(shop: Path) -> None:
    before = tree(shop)
    said = scaffold(shop, "burn", "cart")
    assert (said.code, said.out, said.err) == (0, "cart is as it is generated: there is nothing to burn.\n", "")
    assert tree(shop) == before


def test_what_goes_and_what_stays(edited: Path) -> None:
    said = scaffold(edited, "burn", "cart", "--yes")
    assert said.code == 0, said.text
    assert said.out == (
        f"to the attic ({ATTIC}/1-burn-cart/):\n  {APP}\n  {GET}\n"
        f"stays:\n  {RULES}\n  .data/cart.db\n"
        "made again: 2 files\n"
        "files: 2 updated, "
        f"{said.out.split('2 updated, ')[1].split(' ')[0]} unchanged\n"
        "`scaffold restore 1` brings back what went to the attic.\n"
    )
    assert (edited / RULES).read_bytes() == b"# rules: mine\n"
    assert (edited / ".data/cart.db").read_bytes() == b"rows\n"
    assert (edited / ATTIC / "1-burn-cart" / GET).read_bytes() == b"# get: mine\n"
    assert b"def get_cart" in (edited / GET).read_bytes()
    note = json.loads((edited / ATTIC / "1-burn-cart/about.json").read_bytes())
    assert (note["verb"], note["name"], sorted(note["files"])) == ("burn", "cart", [APP, GET])
    assert scaffold(edited, "regen").out.endswith("unchanged\n")


def test_other_components_are_left_alone(edited: Path) -> None:
    mine = "services/catalog/src/catalog/app.py"
    write(edited, {mine: "# mine\n"})
    before = {
        p: c for p, c in tree(edited).items() if p.startswith(("services/catalog/", "services/checkout/", "protos/"))
    }
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    after = tree(edited)
    assert {p: after[p] for p in before} == before


def test_handlers_that_are_kept(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--keep-handlers", "--yes").code == 0
    assert (edited / GET).read_bytes() == b"# get: mine\n"
    assert (edited / APP).read_bytes() != b"# app: mine\n"
    assert sorted(p.name for p in (edited / ATTIC / "1-burn-cart").rglob("*.py")) == ["app.py"]


def test_an_edited_generated_file_of_the_component_goes_too(shop: Path) -> None:
    """Outside the component it is a conflict, as ever."""
    write(shop, {API: "# mine\n"})
    assert scaffold(shop, "burn", "cart", "--yes").code == 0
    assert (shop / ATTIC / "1-burn-cart" / API).read_bytes() == b"# mine\n"
    write(shop, {API: "# mine\n", "services/catalog/src/catalog/app.py": "# mine\n"})
    before = tree(shop)
    said = scaffold(shop, "burn", "catalog", "--yes")
    assert said.code == 1
    assert f"{API}: edited-generated-file" in said.out
    assert tree(shop) == before


def test_what_was_deleted_on_purpose_is_made_again(shop: Path) -> None:
    (shop / APP).unlink()
    assert scaffold(shop, "regen").code == 0
    assert not (shop / APP).exists()
    assert scaffold(shop, "burn", "cart", "--yes").code == 0
    assert (shop / APP).exists()


def test_an_orphan_goes_too(edited: Path) -> None:
    proto = edited / "protos/shop/cart/v1/cart.proto"
    proto.write_text(proto.read_text(encoding="utf-8").replace("  rpc GetCart(GetCartRequest) returns (Cart);\n", ""))
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    assert not (edited / GET).exists()
    assert (edited / ATTIC / "1-burn-cart" / GET).read_bytes() == b"# get: mine\n"
    assert scaffold(edited, "plan").code == 0


def test_a_link_of_somebodys_goes_as_a_link(shop: Path) -> None:
    outside = write(shop.parent / "outside", {"app.py": "# theirs\n"})
    (shop / APP).unlink()
    (shop / APP).symlink_to(outside / "app.py")
    assert scaffold(shop, "burn", "cart", "--yes").code == 0
    archived = shop / ATTIC / "1-burn-cart" / APP
    assert archived.is_symlink()
    assert archived.readlink() == outside / "app.py"
    assert not (shop / APP).is_symlink()
    assert contents(outside) == {"app.py": b"# theirs\n"}
    assert scaffold(shop, "restore", APP).code == 0
    assert (shop / APP).readlink() == outside / "app.py"


def test_a_mode_survives(edited: Path) -> None:
    (edited / GET).chmod(0o755)
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    assert scaffold(edited, "restore", "1").code == 0
    assert (edited / GET).stat().st_mode & 0o777 == 0o755


# What it asks.


def answer(root: Path, text: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, answer its question, and give the exit code and what was on the screen."""
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "scaffold", *arguments], cwd=root, env=environment, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    screen, asked, deadline = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([controller], [], [], 1)[0]:
                continue
            try:
                read = os.read(controller, 4096)
            except OSError:  # Linux: the other side is closed
                break
            if not read:
                break
            screen += read
            if not asked and b"? [y/N]:" in screen:
                asked = True
                os.write(controller, text.encode())
        return process.wait(timeout=30), screen.decode().replace("\r\n", "\n")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(controller)


@pytest.mark.parametrize("command", ["burn", "remove"])
def test_a_no_writes_nothing(command: str, edited: Path) -> None:
    name = {"burn": "cart", "remove": "catalog"}[command]
    before = tree(edited)
    code, screen = answer(edited, "n\n", command, name)
    assert code == 1, screen
    assert f"{command.capitalize()} {name}? [y/N]:" in screen
    assert "Nothing was written." in screen
    assert tree(edited) == before


def test_a_yes_does_it(edited: Path) -> None:
    code, screen = answer(edited, "y\n", "burn", "cart")
    assert code == 0, screen
    assert screen.index("to the attic") < screen.index("Burn cart?") < screen.index("files: 2 updated")
    assert (edited / ATTIC / "1-burn-cart" / GET).exists()


@pytest.mark.parametrize("command", [("burn", "cart"), ("remove", "catalog")])
def test_without_a_terminal_there_is_nobody_to_ask(command: tuple[str, str], edited: Path) -> None:
    said = refused(edited, *command)
    assert "to the attic" in said.out
    assert said.err == (
        f"needs-an-answer: {command[0]} asks before it does this, and there is no terminal to answer on\n"
        f"  help: `scaffold {command[0]} {command[1]} --yes`, when what is listed is what you want\n"
    )


# What it refuses.


def test_nobody_knows_that_component(shop: Path) -> None:
    said = refused(shop, "burn", "crat", "--yes")
    assert said.err.startswith('scaffold.toml: unknown-component: there is no component "crat"')
    assert 'did you mean "cart"?' in said.err


def test_an_external_component(shop: Path) -> None:
    text = (shop / "scaffold.toml").read_text(encoding="utf-8")
    text += '\n[stores.stock]\nproto = "shop/catalog/v1/catalog.proto"\nexternal = true\n'
    (shop / "scaffold.toml").write_text(text, encoding="utf-8")
    assert "external-component" in refused(shop, "burn", "stock", "--yes").err


def test_a_file_that_changes_while_it_asks(edited: Path) -> None:
    """What is archived and replaced is what was shown, or nothing is."""
    from scaffold.core.diagnostics import ScaffoldError
    from scaffold.verbs.burn import burn

    def confirm(_: object) -> bool:
        (edited / GET).write_bytes(b"# get: better\n")
        return True

    with pytest.raises(ScaffoldError, match="changed-meanwhile"):
        burn(edited, "cart", confirm)
    assert (edited / GET).read_bytes() == b"# get: better\n"
    assert (edited / APP).read_bytes() == b"# app: mine\n"
    assert not (edited / ATTIC).exists()


@pytest.mark.parametrize(("verb", "name"), [("burn", "cart"), ("remove", "checkout")])
def test_settings_that_change_while_it_asks(edited: Path, verb: str, name: str) -> None:
    """What somebody saved meanwhile is in the file afterwards: nothing is written over it."""
    from scaffold.core.diagnostics import ScaffoldError
    from scaffold.verbs import burn

    settings = edited / "scaffold.toml"
    saved = settings.read_text(encoding="utf-8") + "# a line of mine\n"

    def confirm(_: object) -> bool:
        settings.write_text(saved, encoding="utf-8")
        return True

    before = contents(edited)
    with pytest.raises(ScaffoldError, match="changed-meanwhile"):
        getattr(burn, verb)(edited, name, confirm)
    after = {path: content for path, content in contents(edited).items() if not path.startswith(".scaffold/cache/")}
    assert after == before | {"scaffold.toml": saved.encode()}


# restore


def test_an_empty_attic(shop: Path) -> None:
    said = scaffold(shop, "restore")
    assert (said.code, said.out) == (0, "The attic is empty.\n")


def test_what_is_in_the_attic(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    write(edited, {APP: "# app: mine, again\n"})
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    said = scaffold(edited, "restore")
    assert said.code == 0
    assert said.out == (
        f"  1  burn cart\n       {APP}\n       {GET}\n  2  burn cart\n       {APP}\n\n"
        "`scaffold restore NUMBER` or `scaffold restore PATH` brings them back.\n"
    )


def test_an_entry_comes_back(edited: Path) -> None:
    before = contents(edited)
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    said = scaffold(edited, "restore", "1")
    assert said.code == 0
    assert said.out == f"> {APP}\n> {GET}\n2 files are back. `scaffold plan` says what regen would do now.\n"
    assert contents(edited) == before, "the attic is as empty as it was, the list says the same"


@pytest.mark.parametrize("form", ["{path}", f"{ATTIC}/1-burn-cart/{{path}}"])
def test_a_file_comes_back(form: str, edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    assert scaffold(edited, "restore", form.format(path=GET)).code == 0
    assert (edited / GET).read_bytes() == b"# get: mine\n"
    assert (edited / APP).read_bytes() != b"# app: mine\n"
    assert f"       {APP}\n" in scaffold(edited, "restore").out
    assert GET not in scaffold(edited, "restore").out


def test_a_path_counts_from_where_it_is_typed(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    said = scaffold(edited / CART, "restore", "app.py")
    assert said.code == 0, said.text
    assert (edited / APP).read_bytes() == b"# app: mine\n"


def test_of_several_the_newest_comes_back(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    write(edited, {APP: "# app: newer\n"})
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    assert scaffold(edited, "restore", APP).code == 0
    assert (edited / APP).read_bytes() == b"# app: newer\n"
    said = refused(edited, "restore", APP)
    assert f"{APP}: restore-occupied" in said.err


def test_what_was_written_since_is_not_overwritten(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    write(edited, {GET: "# get: a second try\n"})
    said = refused(edited, "restore", "1")
    assert said.err == (
        f"{GET}: restore-occupied: something else is there now, and would be lost\n"
        f"  help: move it away and run this again, or take what you need out of {ATTIC}/1-burn-cart/{GET}\n"
    )


def test_a_pruned_handler_comes_back(edited: Path) -> None:
    """And is an orphan again, until somebody decides something else."""
    proto = edited / "protos/shop/cart/v1/cart.proto"
    proto.write_text(proto.read_text(encoding="utf-8").replace("  rpc GetCart(GetCartRequest) returns (Cart);\n", ""))
    assert scaffold(edited, "regen").code == 1
    before = contents(edited)
    said = scaffold(edited, "regen", "--prune")
    assert said.code == 0, said.text
    assert f"^ {GET}" in said.out
    assert not (edited / GET).exists()
    assert scaffold(edited, "plan").code == 0
    assert scaffold(edited, "restore", GET).code == 0
    assert contents(edited) == before
    assert scaffold(edited, "plan").code == 1


def test_a_forced_file_comes_back(shop: Path) -> None:
    write(shop, {API: "# mine\n"})
    assert scaffold(shop, "regen").code == 1
    before = tree(shop)
    shown = scaffold(shop, "plan", "--force", API)
    assert (shown.code, tree(shop)) == (0, before)
    said = scaffold(shop, "regen", "--force", str(shop / API))
    assert said.code == 0, said.text
    assert f"~ {API}" in said.out
    assert said.out in shown.out, "plan says what regen does"
    assert scaffold(shop, "restore").out.startswith(f"  1  force workspace\n       {API}\n")
    assert scaffold(shop, "plan").code == 0
    assert scaffold(shop, "restore", "1").code == 0
    assert (shop / API).read_bytes() == b"# mine\n"


@pytest.mark.parametrize("path", ["services/cart/nothing.py", GET, "/etc/passwd", "../x"])
def test_what_is_in_no_conflict_cannot_be_forced(path: str, edited: Path) -> None:
    said = refused(edited, "regen", "--force", path)
    assert "not-in-conflict: there is nothing to force" in said.err


def test_one_forced_file_does_not_force_another(shop: Path) -> None:
    other = f"{CART}/gen/names.py"
    write(shop, {API: "# mine\n", other: "# mine\n"})
    before = tree(shop)
    said = scaffold(shop, "regen", "--force", API)
    assert said.code == 1
    assert f"{other}: edited-generated-file" in said.out
    assert tree(shop) == before
    assert scaffold(shop, "regen", "--force", API, "--force", other).code == 0


@pytest.mark.parametrize("wanted", ["7", "services/cart/nothing.py", "../../etc/passwd", "1-burn-crat"])
def test_what_is_not_in_the_attic(wanted: str, edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    said = refused(edited, "restore", wanted)
    assert ": not-in-the-attic: " in said.err
    assert "`scaffold restore` lists what is there" in said.err


def test_two_entries_of_one_number(edited: Path) -> None:
    """As two branches make them that are merged."""
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    write(edited, {f"{ATTIC}/1-prune-cart/x.py": "x\n"})
    said = refused(edited, "restore", "1")
    assert "1 is the number of several entries" in said.err
    assert "1-burn-cart, 1-prune-cart" in said.err
    assert scaffold(edited, "restore", "1-prune-cart").code == 0
    assert (edited / "x.py").read_bytes() == b"x\n"


def test_a_note_that_cannot_be_read_costs_no_file(edited: Path) -> None:
    assert scaffold(edited, "burn", "cart", "--yes").code == 0
    write(edited, {f"{ATTIC}/1-burn-cart/about.json": "<<<<<<< HEAD\n"})
    assert f"       {GET}\n" in scaffold(edited, "restore").out
    assert "restore-occupied" in refused(edited, "restore", APP).err, "who knows what took its place"
    (edited / APP).unlink()
    assert scaffold(edited, "restore", APP).code == 0
    assert (edited / APP).read_bytes() == b"# app: mine\n"
