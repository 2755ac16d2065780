"""`scaffold test` on a generated store: from outside, with its reports, its ledger and planted faults."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scaffold.contract import ledger
from scaffold.contract.faults import FAULTS
from scaffold.shell.services import Launch, ServiceProcess, free_port
from scaffold.verbs.test import planted
from tests import support
from tests.generated.conftest import ROOT, scaffold

HANDLER = "services/catalog/src/catalog/handlers/get_product.py"
BROKEN = "def get_product(request, context):\n    raise KeyError('50%, and: more')\n"


def make(folder: Path) -> None:
    scaffold(folder, "init", "shop")
    shop = folder / "shop"
    shutil.copytree(ROOT / "protos/shop/catalog", shop / "protos/shop/catalog")
    scaffold(shop, "new", "store", "catalog", "--proto", "shop/catalog/v1/catalog.proto")


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A workspace with a store, for this test alone."""
    shared = support.shared(tmp_path_factory, "suite", make)
    return Path(shutil.copytree(shared / "shop", tmp_path / "shop"))


@pytest.fixture
def address(shop: Path, tmp_path: Path) -> Iterator[str]:
    """Where the store serves, in a process of its own."""
    port = free_port()
    environ = {
        "PATH": "",
        "PYTHONPATH": str(shop / "services/catalog/src"),
        "CATALOG_DATABASE_URL": f"sqlite:///{tmp_path}/catalog.db",
        "REQUIRE_HEADERS": "x-tenant",
    }
    command = (sys.executable, "-m", "catalog", "--dev", "--port", str(port))
    service = ServiceProcess(Launch("catalog", command, shop, environ, port))
    try:
        service.wait_healthy(20)
        yield f"127.0.0.1:{port}"
    finally:
        service.stop(5)


def test_a_running_store_keeps_its_contract(shop: Path, address: str) -> None:
    """Twice: what the first run has left there is no trouble for the second."""
    for _ in range(2):
        said = scaffold(
            shop, "test", "catalog", "--against", address, "--metadata", "X-Tenant=t1", "--", "-k", "Product"
        )
        assert re.search(r"catalog +\d\d passed, 0 pending, 0 failed\n", said), said
    said = scaffold(shop, "test", "--against", address, "--", "-k", "GetProduct-missing", code=1)
    assert "must be NOT_FOUND or INVALID_ARGUMENT" not in said  # it is INVALID_ARGUMENT: x-tenant is not there
    assert f"--against {address}" in said


def test_nobody_there_is_a_bad_configuration(shop: Path) -> None:
    said = scaffold(shop, "test", "catalog", "--against", f"127.0.0.1:{free_port()}", code=2)
    assert "nobody-answers: nobody answers at 127.0.0.1:" in said
    assert "passed" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "elsewhere"), '"elsewhere" is no HOST:PORT'),
        (("--against", "h:99999"), '"h:99999" is no HOST:PORT'),
        (("--junit", "nowhere/report.xml"), "nowhere/report.xml: cannot-be-written: no such file or directory"),
        (("--junit", "services"), "'services' is a directory"),
        (("--metadata", "no-value"), '"no-value" is no header'),
        (("--metadata", "a b=c"), '"a b" is no header'),
        (("--metadata", "a=\x07"), '"a" is no header'),
    ],
)
def test_options_that_mean_nothing(shop: Path, arguments: tuple[str, ...], words: str) -> None:
    assert words in scaffold(shop, "test", "catalog", *arguments, code=2)


def test_one_address_is_one_component(shop: Path) -> None:
    shutil.copytree(ROOT / "protos/shop/cart", shop / "protos/shop/cart")
    scaffold(shop, "new", "store", "cart", "--proto", "shop/cart/v1/cart.proto")
    said = scaffold(shop, "test", "--against", "127.0.0.1:1", code=2)
    assert "which-component: 127.0.0.1:1 is one component, and 2 are to be tested" in said


def test_reports_point_at_the_proto(shop: Path) -> None:
    (shop / HANDLER).write_text(BROKEN)
    said = scaffold(
        shop, "test", "--junit", "report.xml", "--format", "github", "--", "-k", "CatalogService.GetProduct", code=1
    )
    annotations = [line for line in said.splitlines() if line.startswith("::error ")]
    place = "file=protos/shop/catalog/v1/catalog.proto,line=18,col="
    assert annotations and all(place in line for line in annotations)
    (missing,) = (line for line in annotations if "GetProduct-missing_is_not_found" in line)
    assert "the name of nothing must be NOT_FOUND or INVALID_ARGUMENT, and was INTERNAL" in missing
    proto = (shop / "protos/shop/catalog/v1/catalog.proto").read_text().splitlines()
    assert "rpc GetProduct" in proto[17]

    suite = ElementTree.parse(shop / "report.xml").find("testsuite")
    assert suite is not None
    assert int(suite.get("failures", "")) == len(annotations)
    assert int(suite.get("tests", "")) > len(annotations)  # passes included


def test_a_failure_says_how_to_see_it_again(shop: Path) -> None:
    (shop / HANDLER).write_text(BROKEN)
    said = scaffold(shop, "test", "--", "-k", "GetProduct-missing", code=1)
    assert "  name: " in said  # the request, as text proto
    assert 'call:  grpcurl -plaintext -d \'{"name": ' in said
    assert "localhost:50051 shop.catalog.v1.CatalogService/GetProduct\n" in said
    assert "again: scaffold test catalog -- -k CatalogService.GetProduct-missing_is_not_found --contract-seed 0" in said


def test_the_ledger(shop: Path) -> None:
    book = shop / ledger.FILE
    book.parent.mkdir()
    entry = (
        '[[known]]\ncomponent = "catalog"\ncheck = "CatalogService.GetProduct-missing_is_not_found"\n'
        'reason = "SHOP-812"\nuntil = {}\n'
    )
    book.write_text(entry.format("9999-12-31"))
    said = scaffold(shop, "test", "--", "-k", "GetProduct-missing", code=1)
    assert "it passes, and is in contracts/known-failures.toml (SHOP-812): take the entry out" in said

    (shop / HANDLER).write_text(BROKEN)
    said = scaffold(shop, "test", "--", "-k", "GetProduct-missing")
    assert "known: CatalogService.GetProduct-missing_is_not_found: SHOP-812 (until 9999-12-31)" in said
    assert "catalog    0 passed, 0 pending, 0 failed, 1 known to fail" in said

    book.write_text(entry.format("2020-01-01"))
    assert "which is over: SHOP-812" in scaffold(shop, "test", "--", "-k", "GetProduct-missing", code=1)
    book.write_text(entry.format("2020-01-01").replace("missing_is", "typo_is"))
    assert "catalog has no check CatalogService.GetProduct-typo_is_not_found" in scaffold(shop, "test", code=2)
    book.write_text(entry.format("soon").replace("catalog", "catalogue", 1))
    assert "contracts/known-failures.toml: known-failures: " in scaffold(shop, "test", code=2)


def test_planted_faults_are_caught_and_the_service_is_not_touched(shop: Path) -> None:
    before = support.contents(shop)
    found = planted(shop, "catalog")
    assert [one.fault for one in found] == [fault.name for fault in FAULTS]
    assert all(one.caught_by for one in found), found
    assert support.contents(shop) == before
