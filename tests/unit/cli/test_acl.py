"""`scaffold acl`: options, exit codes, what is printed. Introspection itself is tested on the monoliths."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import REPO, contents, scaffold, scaffold_process

MONOLITHS = REPO / "tests/monoliths"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copied API and a designed one, beside a snapshot of the Django shop."""
    assert scaffold(tmp_path, "init", "shop").code == 0
    root = tmp_path / "shop"
    for name in ("copied", "stock"):
        shutil.copy(MONOLITHS / f"protos/{name}.proto", root / "protos")
        with (root / "scaffold.toml").open("a") as toml:
            toml.write(f'\n[stores.{name}]\nproto = "{name}.proto"\n')
    shutil.copy(MONOLITHS / "snapshots/django.json", root / "model.snapshot.json")
    return root


def waive(root: Path, message: str, until: str) -> None:
    with (root / "scaffold.toml").open("a") as toml:
        toml.write(f'\n[[smell.waive]]\nmessage = "{message}"\nreason = "the old app reads it"\nuntil = {until}\n')


def test_a_copy_is_warned_about_and_fails_where_it_is_strict(workspace: Path) -> None:
    before = contents(workspace)
    said = scaffold(workspace, "acl", "smell")
    assert said.code == 0
    assert said.out.startswith("protos/copied.proto:18:1: warning: model-copy: shop.copied.v1.StockRecord looks like")
    assert "partner.StockRecord, 100 of 100: 11 of 11 fields are among its 11 columns" in said.out
    assert said.out.splitlines()[-1].endswith("tables: 1 found")
    assert scaffold(workspace, "acl", "smell", "--strict").code == 1
    assert scaffold(workspace, "acl", "smell", "--strict", "copied").code == 1
    assert contents(workspace) == before


def test_a_designed_api_is_not_raised(workspace: Path) -> None:
    said = scaffold(workspace, "acl", "smell", "--strict", "stock")
    assert said.code == 0
    assert "nothing found; a copy in disguise would not have been" in said.out


def test_the_api_of_a_layer_is_smelled_before_there_is_a_component(workspace: Path) -> None:
    """A layer is often made first; then the API is still easy to change."""
    toml = workspace / "scaffold.toml"
    toml.write_text(toml.read_text().partition("\n[stores.")[0])
    said = scaffold(workspace, "acl", "smell", "--strict")
    assert said.code == 0
    assert "nothing was compared, because no component and no layer has an API" in said.out
    models = ("--orm", "django", "--models", "partner.StockRecord")
    assert scaffold(workspace, "new", "acl", "old", *models, "--proto", "copied.proto").code == 0
    for named in ((), ("old",), ("acl/old",)):
        said = scaffold(workspace, "acl", "smell", "--strict", *named)
        assert said.code == 1, said.text
        assert "shop.copied.v1.StockRecord looks like partner.StockRecord" in said.out


def test_for_programs(workspace: Path) -> None:
    said = scaffold(workspace, "acl", "smell", "--format", "json", "--strict")
    data = json.loads(said.out)
    (likeness,) = [x for x in data["likenesses"] if x["score"] >= 40]
    assert (said.code, likeness["table"], likeness["alike"]) == (1, "partner.StockRecord", 1.0)
    assert [f["slug"] for f in data["findings"]] == ["model-copy"]
    assert scaffold(workspace, "acl", "smell", "--format", "github").out.startswith(
        "::warning file=protos/copied.proto,line=18"
    )


def test_a_waiver_holds_until_its_day(workspace: Path) -> None:
    waive(workspace, "shop.copied.v1.StockRecord", "2999-01-01")
    said = scaffold(workspace, "acl", "smell", "--strict")
    assert said.code == 0
    assert "note: model-copy" in said.out and "waived until 2999-01-01: the old app reads it" in said.out


def test_a_waiver_that_has_ended_is_a_finding(workspace: Path) -> None:
    waive(workspace, "shop.copied.v1.StockRecord", "2001-01-01")
    said = scaffold(workspace, "acl", "smell")
    assert said.code == 1
    assert "waiver-expired: the waiver of shop.copied.v1.StockRecord has ended on 2001-01-01" in said.out
    assert "warning: model-copy" in said.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'message = "shop.copied.v1.StockRecrd"\nreason = "x"\nuntil = 2999-01-01',
            'did you mean "shop.copied.v1.StockRecord"?',
        ),
        ('message = "x.Y"\nuntil = 2999-01-01', '"smell.waive.0.reason" is missing'),
        ('message = "x.Y"\nreason = ""\nuntil = 2999-01-01', "smell.waive.0.reason"),
        ('message = "x.Y"\nreason = "x"\nuntil = "2999-01-01"', "smell.waive.0.until"),
        ('message = "x.Y"\nreason = "x"\nuntil = 2999-01-01\nsince = 1', "known here: message, reason, until"),
    ],
)
def test_a_waiver_that_is_none_is_refused(workspace: Path, text: str, said: str) -> None:
    with (workspace / "scaffold.toml").open("a") as toml:
        toml.write(f"\n[[smell.waive]]\n{text}\n")
    refused = scaffold(workspace, "acl", "smell")
    assert refused.code == 2
    assert said in refused.err


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (("smell", "nothing"), "unknown-component"),
        (("smell", "--snapshot", "nothing.json"), "snapshot-unreadable"),
        (("smell", "--snapshot", "scaffold.toml"), "snapshot-invalid"),
        (("introspect", "--from", "nothing.json"), "snapshot-unreadable"),
        (("introspect", "--from", "model.snapshot.json", "--models", "basket.Lne"), "unknown-model"),
    ],
)
def test_bad_input(workspace: Path, arguments: tuple[str, ...], slug: str) -> None:
    before = contents(workspace)
    said = scaffold(workspace, "acl", *arguments)
    assert said.code == 2
    assert f"{slug}:" in said.err and "help: " in said.err
    assert contents(workspace) == before


def test_every_likeness_is_shown_on_demand(workspace: Path) -> None:
    shutil.copytree(REPO / "protos/shop", workspace / "protos/shop")
    with (workspace / "scaffold.toml").open("a") as toml:
        toml.write('\n[stores.orders]\nproto = "shop/orders/v1/orders.proto"\n')
    assert "shop.orders.v1.OrderLine" not in scaffold(workspace, "acl", "smell").out
    assert "shop.orders.v1.OrderLine" in scaffold(workspace, "acl", "smell", "--all").out


def test_help_names_what_there_is() -> None:
    said = scaffold(Path.cwd(), "acl", "--help")
    assert said.code == 0
    assert {"introspect", "smell"} <= {line.split()[0] for line in said.out.splitlines() if line.startswith("  ")}


def test_a_monolith_is_called_by_its_layers_name_where_it_serves(workspace: Path) -> None:
    models = ("--orm", "django", "--models", "partner.StockRecord")
    assert scaffold(workspace, "new", "acl", "old", *models, "--proto", "stock.proto").code == 0
    for name, *arguments, said in (
        ("old", "--address"), ("acl/old", "--address"), ("old", "--address", "127.0.0.1:1", "127.0.0.1:1"),
    ):  # fmt: skip
        called = scaffold(workspace, "call", name, "Reserve", *arguments)
        assert called.code == 2
        assert "nobody-answers" in called.text and said in called.text


BROKEN = """
class Local:
    def check_availability(self, request):
        raise RuntimeError("no such shelf")
"""


def test_what_fails_in_the_monolith_is_shown_with_its_own_words(workspace: Path) -> None:
    """And as a command that can be run again: the server that the suite has asked is gone by then."""
    shutil.copy(MONOLITHS / "snapshots/flask.json", workspace / "model.snapshot.json")
    models = ("--orm", "sqlalchemy", "--models", "shop.store.carts.CartLine", "--proto", "stock.proto")
    assert scaffold(workspace, "new", "acl", "old", *models).code == 0
    package = workspace / "acl/old/src/old_acl"
    (package / "local.py").write_text(BROKEN)
    toml = workspace / "scaffold.toml"
    serve = f'serve = ["env", "PYTHONPATH=acl/old/src", "{sys.executable}", "-m", "old_acl"]'
    toml.write_text(toml.read_text().replace("[acls.old]", f"[acls.old]\n{serve}"))
    case = "StockService.CheckAvailability-answers_valid_requests"
    ran = scaffold_process(workspace, "test", "old", "--against", "acl", "--format", "github", "--", "-k", case)
    assert ran.code == 1, ran.text
    assert "  | RuntimeError: no such shelf" in ran.out
    again = f"scaffold test old --against acl -- -k {case} --contract-seed 0"
    # pytest's own summary has it a second time where CI is set: lines are not cut there.
    annotations = [line for line in ran.out.splitlines() if line.startswith("::error")]
    assert f"again: {again}" in ran.out, ran.out
    assert len(annotations) == 1 and again in annotations[0], ran.out
    assert " localhost:50051 " in ran.out and "127.0.0.1" not in ran.out
