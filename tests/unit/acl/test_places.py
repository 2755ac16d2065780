"""A mistake in a function of a mapping, and where it is said: by both checks, at import, and in the generated test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPO, scaffold

TRANSLATE = '''\
"""Mappings."""

from lab_acl.gen import port
from lab_acl.gen.translation import computed, drop, src, translation, translator


def text(price):
    return "" if price is None else f"{float(price):.2f}"


PART = translator(
    port.SamplePart,
    "basket.Line",
    fields={
        "label": LABEL,
        "colours": computed(lambda row: (), uses=["quantity"], lossy="none yet"),
        "within": computed(lambda row: None, uses=["product"], lossy="not yet"),
    },
    drops=[drop("id", "basket", "sku", "added_at", reason="not of the lab")],
)

TRANSLATION = translation(PART, by_hand={port.Sample: "made of a report"})
'''
LINE = "acl/lab/src/lab_acl/translate.py:15: "

# What says it: the code, and whether an import says it, too.
LABELS = {
    'src("price", to=text, null="")': ("ACL006: price is a decimal", True),
    'computed(lambda row: text(row.price), uses=["price"])': ("ACL006: price is a decimal", True),
    'src("price", to=text, null="", one_way="only read")': ("ACL006: lab.v1.Sample.Part.label, of price, is ", False),
    'computed(lambda row: text(row.price), uses=["price"], one_way="only read")': (
        "ACL006: lab.v1.Sample.Part.label of price, is ", False,
    ),
    'computed(lambda row: str(row.price or 0), uses=["price"], one_way="only read")': (
        "ACL003: lab.v1.Sample.Part.label is '0' where price is NULL", False,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("places") / "lab"
    golden = REPO / "tests/golden/acl_layer"
    shutil.copytree(golden, root, ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    models = ("--models", "basket.Line")
    assert scaffold(root, "new", "acl", "lab", "--orm", "django", "--proto", "lab/v1/lab.proto", *models).code == 0
    return root


def python(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root / "acl/lab/src")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60, check=False)


def write(root: Path, label: str) -> None:
    (root / "acl/lab/src/lab_acl/translate.py").write_text(TRANSLATE.replace("LABEL", label), encoding="utf-8")


@pytest.mark.parametrize("label", LABELS)
def test_a_mistake_in_a_function_is_said_at_its_line_in_each_place(lab: Path, label: str) -> None:
    said, at_import = LABELS[label]
    write(lab, label)
    for command in (("acl", "check"), ("check", "--only", "acl")):
        checked = scaffold(lab, *command)
        assert (checked.code, f"{LINE}{said}" in checked.out) == (1, True), checked.text
    imported = python(lab, "-c", "import lab_acl.translate")
    assert (imported.returncode != 0, f"{LINE}{said}" in imported.stderr) == (at_import, at_import), imported.stderr
    tested = python(lab, "-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/lab/tests/acl")
    assert (tested.returncode != 0, f"{LINE}{said}" in tested.stdout) == (True, True), tested.stdout


def test_what_is_exact_is_said_nowhere(lab: Path) -> None:
    write(lab, 'src("price", to=str, null="", one_way="only read")')
    assert scaffold(lab, "acl", "check").out == "nothing found\n"
    tested = python(lab, "-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/lab/tests/acl")
    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout


def test_what_the_monolith_calls_its_choices_reaches_the_layer(lab: Path) -> None:
    shot = lab / "model.snapshot.json"
    before = shot.read_text(encoding="utf-8")
    assert '"name": "quantity", "column": "quantity"' in before
    named = '"choices": [{"value": 1, "name": "ONE"}, {"value": 2, "label": "two \\"2\\" {{ x }}"}], '
    shot.write_text(before.replace('"name": "quantity", ', f'"name": "quantity", {named}', 1), encoding="utf-8")
    try:
        assert scaffold(lab, "regen").code == 0
        code = "from lab_acl.gen.facts import MODELS; print(MODELS[0].column('quantity').names)"
        assert python(lab, "-c", code).stdout == "('ONE', 'two \"2\" {{ x }}')\n"
    finally:
        shot.write_text(before, encoding="utf-8")
        assert scaffold(lab, "regen").code == 0
