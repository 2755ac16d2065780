"""The reference says what the code says."""

from __future__ import annotations

import ast
import re
import tomllib
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from scaffold import __version__
from scaffold.core import settings
from tests.docs import pages, reference
from tests.docs.guides import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel

REFERENCE = pages.DOCS / "reference"
TEMPLATES = pages.ROOT / "templates"


@pytest.mark.parametrize("page", reference.generated_pages(), ids=lambda page: page.stem)
def test_the_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == reference.written(text), "run: python -m tests.docs.reference"


def test_every_part_is_in_a_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in reference.generated_pages())
    assert set(re.findall(r"<!-- generated: ([\w-]+) -->", text)) == set(reference.PARTS)


# --- errors.md ----------------------------------------------------------------------------------------------------


def _slugs(source: Path) -> Iterator[str]:
    """The slug of every Diagnostic that a module makes; `*` for what it fills in."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Diagnostic":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "slug"]
            yield _pattern((*node.args[:1], *named)[0], source)


def _pattern(node: ast.expr, source: Path) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    assert isinstance(node, ast.JoinedStr), f"{source}:{node.lineno}: what slug is that?"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)


def test_every_error_has_an_entry_and_no_entry_is_stale() -> None:
    slugs = {slug for source in (pages.ROOT / "scaffold").rglob("*.py") for slug in _slugs(source)}
    entries = pages.headings(REFERENCE / "errors.md", level=3)
    assert len(slugs) > 40
    assert [slug for slug in sorted(slugs) if not any(fnmatchcase(entry, slug) for entry in entries)] == []
    assert [entry for entry in entries if not any(fnmatchcase(entry, slug) for slug in slugs)] == []
    assert len(entries) == len(set(entries))


# --- scaffold-toml.md ---------------------------------------------------------------------------------------------


def _examples() -> list[pages.Block]:
    return [block for block in pages.blocks(REFERENCE / "scaffold-toml.md") if "example" in block.words]


def test_the_example_is_one_and_has_every_key() -> None:
    (example,) = _examples()
    found = settings.load(example.text.replace("==0.1.0", f"=={__version__}"), __version__)
    assert [unit.name for unit in found.components()] == ["catalog", "cart", "stock", "checkout"]
    raw = tomllib.loads(example.text)
    for name in settings.Settings.model_fields:
        assert name in raw
    tables: list[tuple[type[BaseModel], dict[str, object]]] = [
        (settings.Protos, raw["protos"]),
        (settings.Python, raw["python"]),
        (settings.Store, raw["stores"]["cart"] | raw["stores"]["stock"]),
        (settings.Process, raw["processes"]["checkout"] | {"path": "", "external": True}),
        (settings.Vendor, raw["vendors"]["payments"]),
        (settings.Metadata, raw["metadata"]),
        (settings.Smell, raw["smell"]),
        (settings.Waiver, raw["smell"]["waive"][0]),
    ]
    for model, table in tables:
        assert set(table) == set(model.model_fields), model


def test_the_example_pins_this_version() -> None:
    (example,) = _examples()
    assert tomllib.loads(example.text)["scaffold"] == f"=={__version__}"


# --- service-settings.md ------------------------------------------------------------------------------------------


def test_every_variable_that_the_runtime_reads_is_listed() -> None:
    page = (REFERENCE / "service-settings.md").read_text(encoding="utf-8")
    runtime = "".join(file.read_text(encoding="utf-8") for file in (TEMPLATES / "runtime").rglob("*.py"))
    read = set(re.findall(r"\bOTEL_[A-Z_]+[A-Z]\b", runtime)) | set(re.findall(r'environ\.get\("(\w+)"', runtime))
    assert {name for name in read if name not in page} == set()


def test_every_option_of_a_service_is_listed() -> None:
    page = REFERENCE / "service-settings.md"
    main = (TEMPLATES / "runtime/service/main.py").read_text(encoding="utf-8")
    server = (TEMPLATES / "runtime/store/server.py").read_text(encoding="utf-8")
    options = {*re.findall(r'add_argument\(\s*"(--[\w-]+)"', main), *re.findall(r'Task\(\s*"(--[\w-]+)"', server)}
    assert len(options) == 5
    text = pages.prose(page)
    assert {option for option in options if f"`{option}`" not in text} == set()


# --- headers.md ---------------------------------------------------------------------------------------------------


def test_headers_travel_as_the_table_says() -> None:
    outgoing = reference.runtime("common.headers").outgoing
    rows = pages.table(REFERENCE / "headers.md", "Headers")
    assert len(rows) > 10
    for cell, *modes in rows:
        name = cell.strip("`")
        for mode, said in zip(("forward", "participate"), modes, strict=True):
            sent = outgoing(((name, "value"),), mode)
            assert (sent == ((name, "value"),)) == (said == "verbatim"), (name, mode, said)


def test_every_header_that_the_runtime_treats_is_in_the_table() -> None:
    module = reference.runtime("common.headers")
    named = {cell.strip("`") for cell, *_ in pages.table(REFERENCE / "headers.md", "Headers")}
    assert not (module._ALWAYS | module._TRACE_CONTEXT) - named
    assert any(name.startswith(module._ALWAYS_PREFIX) for name in named)


# --- statuses.md --------------------------------------------------------------------------------------------------


def test_every_reason_of_the_runtime_is_listed() -> None:
    runtime = "".join(file.read_text(encoding="utf-8") for file in (TEMPLATES / "runtime").rglob("*.py"))
    reasons = {f"`{reason}`" for reason in re.findall(r'reason="([A-Z_]+)"', runtime) if reason != "CART_EMPTY"}
    rows = pages.table(REFERENCE / "statuses.md", "Reasons of the runtime's own")
    assert reasons == {cell for cell, *_ in rows if cell.startswith("`")}


# --- generated-files.md -------------------------------------------------------------------------------------------

_SECOND_SERVICE = """
service OtherService {
  rpc DoIt(DoItRequest) returns (DoItResponse);
}

message DoItRequest {}

message DoItResponse {}
"""
_VENDOR = """
[vendors.payments]
env = ["PAYMENTS_URL"]
"""
_NAMES = {
    "SERVICE/": "(?!__)[a-z_]+/",
    "RPC": "(?!__)[a-z_]+",
    "PROTO_PACKAGE": r"\w+_v\d+",
    "COMPONENT": "(?!__)[a-z]+",
    "PACKAGE": "shop_[a-z]+",
}


def _expression(path: str) -> re.Pattern[str]:
    text = re.escape(path).replace(r"\*\*", ".+")
    for name, expression in _NAMES.items():
        text = text.replace(name, expression)
    return re.compile(text)


def test_every_generated_file_is_listed_with_its_owner(tmp_path: Path) -> None:
    def commands(*lines: str) -> pages.Block:
        return pages.Block("test", 0, "console", "".join(f"$ {line}\n" for line in lines))

    with Reader(tmp_path) as reader:
        reader.follow([commands("scaffold init shop", "cd shop")])
        toml = reader.here / "scaffold.toml"
        toml.write_text(toml.read_text().replace('"{name}"', '"shop_{name}"', 1) + _VENDOR)
        reader.follow([commands("scaffold new store cart")])
        with (reader.here / "protos/shop/cart/v1/cart.proto").open("a") as proto:
            proto.write(_SECOND_SERVICE)
        toml.write_text(toml.read_text().replace('Service"]', 'Service", "shop.cart.v1.OtherService"]', 1))
        reader.follow([commands("scaffold regen", "scaffold new process checkout --uses cart --vendor payments")])
        listed = [line.split("\t") for line in (reader.here / ".scaffold/files").read_text().splitlines()[1:]]
    page = REFERENCE / "generated-files.md"
    rows = [("", row) for row in pages.table(page, "The workspace")]
    rows += [("services/[a-z]+/", row) for row in pages.table(page, "A component")]
    known = [(re.compile(top + _expression(row[0].strip("`")).pattern), row) for top, row in rows]
    used = set()
    for path, owner, *_ in listed:
        if path == "protos/.gitkeep":
            continue
        fitting = [(pattern, row) for pattern, row in known if pattern.fullmatch(path)]
        assert [row[1] for _, row in fitting] == [owner], (path, fitting)
        used.add(fitting[0][1][0])
    assert used == {row[0] for _, row in rows}
