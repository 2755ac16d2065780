"""From a snapshot to facts: what odd models become, and how a new snapshot or proto leads to lines."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from scaffold.acl.facts import facts
from scaffold.acl.snapshot import parse
from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.facts import ColumnFacts
from tests.support import REPO, scaffold

GOLDEN = REPO / "tests/golden/acl_layer"


def snapshot(*columns: dict[str, object], **model: object) -> str:
    whole = {"name": "old.Row", "app": "old", "module": "old.models", "class_name": "Row", "table": "row", "own": True}
    return json.dumps({"snapshot": 1, "orm": "django", "models": [{**whole, "columns": list(columns), **model}]})


def column(name: str, type_: str = "int", **more: object) -> dict[str, object]:
    return {"name": name, "column": name, "type": type_, "field_class": "IntegerField", **more}


def columns(text: str) -> dict[str, ColumnFacts]:
    (model,) = facts(parse(text), ["old.Row"], "here.json")
    return {c.name: c for c in model.columns}


def test_a_composite_key_keeps_its_columns_and_its_relation() -> None:
    found = columns(
        snapshot(
            column("order_id", key=True),
            column("line_no", key=True),
            relations=[{"name": "line", "kind": "foreign_key", "to": "old.Line", "columns": ["order_id", "line_no"]}],
        )
    )
    assert [(c.name, c.kind, c.stored) for c in found.values()] == [
        ("order_id", "int", True), ("line_no", "int", True), ("line", "relation", False),
    ]  # fmt: skip


def test_a_generic_foreign_key_is_two_columns_to_account_for_and_a_way_that_leads_anywhere() -> None:
    found = columns(
        snapshot(
            column("kind_id", references="contenttypes.ContentType"),
            column("object_id"),
            relations=[
                {"name": "kind", "kind": "foreign_key", "to": "contenttypes.ContentType", "columns": ["kind_id"]},
                {"name": "target", "kind": "generic", "columns": ["kind_id", "object_id"]},
            ],
        )
    )
    assert found["kind"] == ColumnFacts("kind", "relation", attribute="kind_id", model="contenttypes.ContentType")
    assert found["object_id"].stored
    assert found["target"] == ColumnFacts("target", "relation", stored=False)


def test_bounds_are_those_of_the_fields() -> None:
    found = columns(
        snapshot(
            {**column("a"), "field_class": "PositiveSmallIntegerField"},
            {**column("b"), "field_class": "BigAutoField"},
            column("c", "decimal", max_digits=7, decimal_places=3),
            column("d", "string", max_length=5),
            column("e", "datetime", aware=False),
            column("f", "array"),
            properties=[{"name": "total", "kind": "property"}],
        )
    )
    assert (found["a"].low, found["a"].high) == (0, 2**15 - 1)
    assert found["b"].low == -(2**63)
    assert (found["c"].digits, found["c"].places) == (7, 3)
    assert (found["d"].kind, found["d"].length) == ("text", 5)
    assert (found["e"].aware, found["f"].kind) == (False, "json")
    assert found["total"] == ColumnFacts("total", "other", stored=False)


def test_choices_are_called_as_in_the_code_else_as_users_see_them() -> None:
    named = [{"value": 1, "name": "OPEN", "label": "offen"}, {"value": 2, "label": "Shut"}, {"value": 3}]
    found = columns(snapshot(column("a", choices=named), column("b", choices=[{"value": 1}])))
    assert (found["a"].choices, found["a"].names) == ((1, 2, 3), ("OPEN", "Shut", ""))
    assert found["b"].names == ()


def test_a_model_that_the_snapshot_does_not_have() -> None:
    with pytest.raises(ScaffoldError) as caught:
        facts(parse(snapshot()), ["old.Rwo"], "here.json")
    assert 'did you mean "old.Row"?' in str(caught.value)


# --- new acl --------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    shutil.copytree(GOLDEN, tmp_path / "lab", ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    return tmp_path / "lab"


COMMAND = ("new", "acl", "lab", "--orm", "django", "--proto", "lab/v1/lab.proto", "--models", "basket.Line")


def everything(root: Path) -> dict[str, bytes]:
    return {
        f.relative_to(root).as_posix(): f.read_bytes()
        for f in root.rglob("*")
        if f.is_file() and "cache" not in f.parts
    }


@pytest.mark.parametrize(
    ("orm", "model", "said"),
    [
        ("django", "orders.SalesByProduct", ["model-unmanaged: orders.SalesByProduct reads sales_by_product"]),
        ("django", "audit.Entry", ["model-generic-key: audit.Entry.target leads to any model"]),
        ("django", "basket.Line", []),
        (
            "sqlalchemy",
            "shop.store.carts.CartLine",
            ["model-composite-key: a row of shop.store.carts.CartLine is known by cart_id, sku"],
        ),
        ("sqlalchemy", "shop.store.orders.SalesByProduct", ["model-unmanaged"]),
    ],
)
def test_odd_models_are_worth_a_word(lab: Path, orm: str, model: str, said: list[str]) -> None:
    """The models are those of the monoliths in the tests; the layer is made all the same."""
    shop = "django" if orm == "django" else "flask"
    shutil.copy(REPO / f"tests/monoliths/snapshots/{shop}.json", lab / "model.snapshot.json")
    found = scaffold(lab, *COMMAND[:4], orm, *COMMAND[5:-1], model)
    assert found.code == 0, found.text
    warned = [line for line in found.text.splitlines() if ": warning: " in line]
    assert len(warned) == len(said) and all(s in w for s, w in zip(said, warned, strict=True)), found.text
    for line in warned:
        assert re.match(r"shop/\S+\.py:\d+: warning: ", line)


@pytest.mark.parametrize(
    ("named", "recorded"),
    [
        (("basket",), '["basket.Basket", "basket.Line"]'),
        (("orders",), '["orders.Order", "orders.OrderLine", "orders.SalesByProduct"]'),  # and no proxy of the first
        (("basket.Line, basket.Basket", "--models", "basket"), '["basket.Line", "basket.Basket"]'),
    ],
    ids=str,
)
def test_models_are_named_as_for_the_map_before(lab: Path, named: tuple[str, ...], recorded: str) -> None:
    shutil.copy(REPO / "tests/monoliths/snapshots/django.json", lab / "model.snapshot.json")
    found = scaffold(lab, *COMMAND[:-1], *named)
    assert found.code == 0, found.text
    assert f"models = {recorded}\n" in (lab / "scaffold.toml").read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((*COMMAND[:-1], ","), "settings-value: models is empty"),
        ((*COMMAND[:-1], "basket.Lines"), 'acl-unknown-model: the snapshot has no model "basket.Lines"'),
        ((*COMMAND, "--snapshot", "none.json"), "none.json: snapshot-unreadable"),
        ((*COMMAND, "--snapshot", "../out.json"), "../out.json: snapshot-outside"),
        (
            ("new", "acl", "lab", "--orm", "django", "--models", "basket.Line"),
            'unknown-component: there is no component "lab"',
        ),
        ((*COMMAND[:2], "class", *COMMAND[3:]), 'invalid-name: "class"'),
        ((*COMMAND, "--service", "lab.v1.Nothing"), 'unknown-service: there is no service "lab.v1.Nothing"'),
        (("acl", "check", "lab"), 'unknown-layer: "lab" has no anti-corruption layer'),
        (("test", "lab", "--against", "acl"), 'unknown-layer: "lab" has no anti-corruption layer'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_said_and_nothing_is_written(lab: Path, command: tuple[str, ...], said: str) -> None:
    before = everything(lab)
    found = scaffold(lab, *command)
    assert (found.code, said in found.text) == (2, True), found.text
    assert everything(lab) == before


def test_a_second_layer_and_a_folder_that_is_taken(lab: Path) -> None:
    assert scaffold(lab, *COMMAND).code == 0
    assert "name-taken: there is an [acls.lab] already" in scaffold(lab, *COMMAND).text
    (lab / "acl/other").mkdir()
    (lab / "acl/other/notes.txt").write_text("mine")
    taken = scaffold(lab, *COMMAND[:2], "other", *COMMAND[3:])
    assert "acl/other: destination-not-empty" in taken.text
    assert scaffold(lab, "regen").out.startswith("files: ")
    assert scaffold(lab, "check", "--only", "drift").out == "nothing found\n"


def test_entities_that_are_no_fields_are_refused(lab: Path) -> None:
    assert scaffold(lab, *COMMAND).code == 0
    settings = lab / "scaffold.toml"
    text = settings.read_text(encoding="utf-8")
    for entry, said in (
        ('Nothing = "name"', 'there is no RPC "Nothing"'),
        ('MeasureSample = "size"', 'no text field "size"'),
        ('Upload = "name"', 'no text field "name"'),
        ('UpdateSample = "sample.small"', 'no text field "sample.small"'),
    ):
        settings.write_text(f"{text}entities = {{ {entry} }}\n", encoding="utf-8")
        found = scaffold(lab, "regen")
        assert (found.code, said in found.text) == (2, True), found.text
    settings.write_text(f'{text}entities = {{ MeasureSample = "request_id" }}\n', encoding="utf-8")
    assert scaffold(lab, "regen").code == 0
    assert 'entity="request_id"' in (lab / "acl/lab/src/lab_acl/gen/wire.py").read_text(encoding="utf-8")


def test_without_serve_the_suite_says_what_is_missing(lab: Path) -> None:
    assert scaffold(lab, *COMMAND).code == 0
    found = scaffold(lab, "test", "lab", "--against", "acl")
    assert (found.code, "layer-not-served" in found.text) == (2, True), found.text


# --- what has changed since -----------------------------------------------------------------------------------------

TRANSLATE = '''\
"""Mappings."""

from lab_acl.gen import port
from lab_acl.gen.translation import drop, src, translation, translator

PART = translator(
    port.SamplePart,
    "basket.Line",
    fields={
        "label": src("sku"),
        "colours": src("quantity", to=lambda q: ()),
        "within": src("product_id", to=lambda _: None),
    },
    drops=[drop("id", "basket", "price", "added_at", reason="not of the lab")],
)

TRANSLATION = translation(PART, by_hand={port.Sample: "made of a report"})
'''


@pytest.fixture
def mapped(lab: Path) -> Path:
    assert scaffold(lab, *COMMAND).code == 0
    (lab / "acl/lab/src/lab_acl/translate.py").write_text(TRANSLATE, encoding="utf-8")
    # A list of enums is not one value; and of the column nothing arrives.
    found = scaffold(lab, "acl", "check")
    assert [line.split(": ")[1] for line in found.out.splitlines() if line.startswith("acl/")] == ["ACL004", "ACL002"]
    text = TRANSLATE.replace(
        'src("quantity", to=lambda q: ())', 'computed(lambda row: (), uses=["quantity"], lossy="none yet")'
    )
    text = text.replace("import drop", "import computed, drop")
    (lab / "acl/lab/src/lab_acl/translate.py").write_text(text, encoding="utf-8")
    assert scaffold(lab, "acl", "check").out == "nothing found\n"
    return lab


FACTS = "acl/lab/src/lab_acl/gen/facts.py: drift: it is out of date"
PORT = "acl/lab/src/lab_acl/gen/port.py: drift: it is out of date"


def findings(root: Path) -> list[str]:
    older = [line for line in scaffold(root, "acl", "check").out.splitlines() if ": drift: " in line]
    assert older in ([FACTS], [FACTS, PORT]), (
        "what the mappings are checked against is older than the proto or the snapshot"
    )
    assert scaffold(root, "regen").code == 0
    return [line for line in scaffold(root, "acl", "check").out.splitlines() if line.startswith("acl/")]


def test_a_new_proto_field_and_a_new_column_lead_to_the_translator(mapped: Path) -> None:
    proto = mapped / "protos/lab/v1/lab.proto"
    proto.write_text(proto.read_text().replace("Sample within = 3;", "Sample within = 3;\n    string batch = 4;"))
    (line,) = findings(mapped)
    assert line.startswith('acl/lab/src/lab_acl/translate.py:6: ACL001: nothing fills "batch" of lab.v1.Sample.Part')
    assert "lab/v1/lab.proto:" in line
    shot = mapped / "model.snapshot.json"
    shot.write_text(shot.read_text().replace('"name": "sku", "column": "sku"', '"name": "ean", "column": "ean"'))
    lines = findings(mapped)
    assert [line.partition(": ")[0] for line in lines] == ["acl/lab/src/lab_acl/translate.py:6"] * 2 + [
        "acl/lab/src/lab_acl/translate.py:10"
    ]
    assert 'has no column "sku"' in lines[2]


def test_a_column_that_may_be_null_by_now_leads_to_its_line(mapped: Path) -> None:
    shot = mapped / "model.snapshot.json"
    proto = mapped / "protos/lab/v1/lab.proto"
    proto.write_text(f"// A comment, which moves every line.\n{proto.read_text()}")
    assert "models-changed" not in scaffold(mapped, "plan").out
    shot.write_text(shot.read_text().replace('"name": "sku",', '"name": "sku", "null": true,'))
    assert "model.snapshot.json: note: models-changed: the models behind lab" in scaffold(mapped, "plan").out
    (line,) = findings(mapped)
    assert "models-changed" not in scaffold(mapped, "plan").out
    assert line.startswith("acl/lab/src/lab_acl/translate.py:10: ACL003: sku may be NULL")


@pytest.mark.parametrize("text", ["import django\n", "1 / 0\n", "def\n", "raise SystemExit(3)\n", "\x00", "x = 1\n"])
def test_mappings_that_cannot_be_read_are_said_with_their_line(mapped: Path, text: str) -> None:
    (mapped / "acl/lab/src/lab_acl/translate.py").write_text(f'"""Mappings."""\n{text}', encoding="utf-8")
    found = scaffold(mapped, "acl", "check")
    assert found.code == 1
    assert "acl/lab/src/lab_acl/translate.py" in found.out
    assert "translators-unreadable" in found.out


LEGACY = """
class ShopError(Exception):
    pass


class Gone(ShopError):
    pass


class Exceeded(ShopError):
    def __init__(self, sku, held):
        super().__init__(sku)
"""

ERRORS = """
from legacy import Exceeded, Gone, ShopError
from lab_acl.gen.runtime.acl.errors import ErrorMap, Pair
from lab_acl.gen.runtime.common.errors import NotFound

ERRORS = ErrorMap(PAIRS, families=[ShopError])
"""


def test_a_map_of_errors_that_is_incomplete_is_said_with_its_line(
    mapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the monolith's exceptions can be imported; elsewhere nothing is said, nor does anything fail."""
    monolith = mapped / "monolith"
    monolith.mkdir()
    (monolith / "legacy.py").write_text(LEGACY, encoding="utf-8")
    file = mapped / "acl/lab/src/lab_acl/errors.py"
    file.write_text(ERRORS.replace("PAIRS", 'Pair(Exceeded, NotFound, "X")'), encoding="utf-8")
    assert scaffold(mapped, "acl", "check").out == "nothing found\n"
    monkeypatch.setenv("PYTHONPATH", f"{monolith}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = scaffold(mapped, "acl", "check")
    assert found.code == 1
    assert found.out.splitlines()[:2] == [
        "acl/lab/src/lab_acl/errors.py:6: errors-incomplete: Exceeded is not made of a message alone: "
        "give its pair back=lambda error: Exceeded(…)",
        "acl/lab/src/lab_acl/errors.py:6: errors-incomplete: legacy.Gone has no pair",
    ]
    assert "errors-incomplete" in scaffold(mapped, "check", "--only", "acl").out
    file.write_text(ERRORS.replace("PAIRS", 'Pair(ShopError, NotFound, "X")'), encoding="utf-8")
    assert scaffold(mapped, "acl", "check").out == "nothing found\n"
    file.write_text("raise SystemExit(3)\n", encoding="utf-8")
    assert scaffold(mapped, "acl", "check").out == "nothing found\n"


def test_a_port_that_lacks_a_method_and_a_seam_that_is_broken(mapped: Path) -> None:
    root = mapped / "acl/lab/src/lab_acl"
    local = root / "local.py"
    whole = local.read_text(encoding="utf-8")
    local.write_text(whole.replace("def get_sample(", "def got_sample("), encoding="utf-8")
    (root / "seam.toml").write_text('mode = "services"\n', encoding="utf-8")
    found = scaffold(mapped, "check", "--only", "acl")
    assert "local.py:" in found.out
    assert "port-incomplete: Local has no get_sample" in found.out
    assert "seam.toml: seam-invalid: 'services' is no mode" in found.out
    for broken in ("class Local:\n    pass\n", "def (", "class Other:\n    pass\n"):
        local.write_text(broken, encoding="utf-8")
        assert "port-incomplete: the port cannot be read" in scaffold(mapped, "acl", "check").out
