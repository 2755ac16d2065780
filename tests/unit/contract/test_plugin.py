"""The plugin as `scaffold test` runs it: pytest in a process of its own, over a generated workspace."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scaffold.contract import plan as plans

ROOT = Path(__file__).parents[3]

DEALS_PROTO = """\
syntax = "proto3";
package shop.deals.v1;
import "google/api/resource.proto";

service DealService {
  // Asks the catalog, then the vendor.
  rpc GetDeal(GetDealRequest) returns (Deal);
  // Asks the catalog for what it cannot do yet.
  rpc CompareDeals(CompareDealsRequest) returns (Deal);
}

message GetDealRequest {
  string product = 1 [(google.api.resource_reference) = {type: "shop.example.com/Product"}];
}
message CompareDealsRequest { repeated string products = 1; }
message Deal { string quote = 1; }
"""

DEALS_APP = """\
from dataclasses import dataclass
from deals.gen.clients import catalog
from deals.gen.runtime import Call
from deals.gen.vendors import Quotes

@dataclass(frozen=True)
class App:
    catalog: catalog.Client
    quotes: Quotes

Context = Call[App]

def build(settings):
    assert settings.secret("QUOTES_KEY") == "contract-suite"
    assert settings.value("QUOTES_URL").startswith("http://127.0.0.1:")
    assert settings.secret("FEATURE") == "on"
    return App(settings.connect(catalog.Client), Quotes(settings))

def interceptors(settings):
    return ()
"""

GET_DEAL = """\
from deals.gen.api import Deal
from deals.gen.clients import catalog
from deals.gen.runtime import NotFound

async def get_deal(request, context):
    try:
        await context.app.catalog.get_product(catalog.GetProductRequest(name=request.product))
    except NotFound:
        pass
    answer = await context.app.quotes.get("/v1/quote")
    return Deal(quote=answer.text)
"""

COMPARE_DEALS = """\
from deals.gen.api import Deal
from deals.gen.clients import catalog

async def compare_deals(request, context):
    await context.app.catalog.batch_get_products(catalog.BatchGetProductsRequest(names=request.products))
    return Deal()
"""

STANDIN = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"9.99")

    def log_message(self, *args):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

PLAN = plans.Plan(
    {
        "catalog": plans.Component("store", "catalog", "services/catalog/src"),
        "deals": plans.Component(
            "process",
            "deals",
            "services/deals/src",
            uses=("catalog",),
            vendors={"quotes": plans.Vendor((sys.executable, "standin.py"), ("QUOTES_KEY",))},
            environ={"FEATURE": "on"},
            places={"shop.deals.v1.DealService.GetDeal": "protos/deals.proto:7"},
        ),
    }
)


def environment(**more: str) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def scaffold(folder: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "scaffold", *arguments], cwd=folder, env=environment(), check=True, timeout=60
    )


# What the generator writes works; this is what it looks like before somebody has written it.
PENDING = """\
from catalog.app import Context
from catalog.gen.api import BatchGetProductsRequest, BatchGetProductsResponse
from catalog.gen.runtime import HandlerPending

def batch_get_products(request: BatchGetProductsRequest, context: Context) -> BatchGetProductsResponse:
    raise HandlerPending("services/catalog/src/catalog/handlers/batch_get_products.py")
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as it is generated (BatchGetProducts is not written), and a process over it with a vendor."""
    folder = tmp_path_factory.mktemp("shop")
    scaffold(folder, "init", ".")
    shutil.copytree(ROOT / "protos" / "shop" / "catalog", folder / "protos" / "shop" / "catalog")
    (folder / "protos" / "deals.proto").write_text(DEALS_PROTO)
    scaffold(folder, "new", "store", "catalog", "--proto", "shop/catalog/v1/catalog.proto")
    scaffold(folder, "new", "process", "deals", "--proto", "deals.proto", "--uses", "catalog")
    settings = folder / "scaffold.toml"
    text = settings.read_text().replace('uses = ["catalog"]', 'uses = ["catalog"]\nvendors = ["quotes"]')
    settings.write_text(text + '\n[vendors.quotes]\nenv = ["QUOTES_URL", "QUOTES_KEY"]\n')
    catalog = folder / "services" / "catalog" / "src" / "catalog"
    (catalog / "handlers" / "batch_get_products.py").write_text(PENDING)
    deals = folder / "services" / "deals" / "src" / "deals"
    (deals / "app.py").write_text(DEALS_APP)
    (deals / "handlers" / "get_deal.py").write_text(GET_DEAL)
    (deals / "handlers" / "compare_deals.py").write_text(COMPARE_DEALS)
    scaffold(folder, "regen")
    (folder / "standin.py").write_text(STANDIN)
    (folder / "plan.json").write_text(PLAN.dumps())
    return folder


def run(
    workspace: Path, *arguments: str, components: tuple[str, ...] = ("catalog",), **environ: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "scaffold.contract.plugin", "-p", "no:cacheprovider", "-q"]
    command += ["-c", os.devnull, "--rootdir", str(workspace), "--import-mode=importlib"]
    files = [f"services/{name}/tests/contract/test_contract.py" for name in components]
    return subprocess.run(
        [*command, *arguments, *files],
        cwd=workspace,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def planned(*arguments: str) -> tuple[str, ...]:
    return ("--contract-plan", "plan.json", "--contract-report", "report.json", *arguments)


def report_of(workspace: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((workspace / "report.json").read_text())
    return report


def files_in(workspace: Path) -> set[str]:
    every = (path.relative_to(workspace).as_posix() for path in workspace.rglob("*") if path.is_file())
    return {path for path in every if "__pycache__" not in path}


def test_a_workspace_is_tested(workspace: Path) -> None:
    before = files_in(workspace)
    # What the developer's shell says about databases, telemetry, other services and vendors is not for tests.
    shell = {
        "CATALOG_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/precious",
        "CATALOG_DATABASE_URL_FILE": "/nonexistent",
        "PORT": "1",
        "DEALS_CATALOG_ADDRESS": "catalog.example:443",
        "DEALS_QUOTES_URL": "https://quotes.example",
        "DEALS_QUOTES_KEY": "sk-live",
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
    }
    ran = run(workspace, *planned("--junitxml", "junit.xml"), components=("catalog", "deals"), **shell)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "pending: CatalogService.BatchGetProducts: write services/catalog/" in ran.stdout
    waits = "DealService.CompareDeals waits for CatalogService.BatchGetProducts: write services/catalog/"
    assert f"pending: {waits}" in ran.stdout
    assert " pending" in ran.stdout.splitlines()[-1]

    report = report_of(workspace)
    catalog, deals = report["components"]["catalog"], report["components"]["deals"]
    assert (catalog["failed"], catalog["skipped"]) == (0, 0) and catalog["pending"]
    assert (deals["failed"], deals["skipped"]) == (0, 0) and deals["pending"] and deals["passed"]
    names = [check["name"] for check in catalog["checks"]]
    assert names[:2] == ["catalog-handlers", "catalog-health"]
    assert "CatalogService.GetProduct-missing_is_not_found" in names

    case = ElementTree.parse(workspace / "junit.xml").find(".//testcase")
    assert case is not None
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["seed"] == "0"
    assert properties["target"] == "inprocess"
    assert len(str(properties["api"])) == 64

    assert files_in(workspace) - before == {"report.json", "junit.xml"}  # no database, no cache of Hypothesis


def test_pending_can_be_made_a_failure(workspace: Path) -> None:
    ran = run(workspace, *planned("--contract-no-pending", "-k", "BatchGetProducts-answers"))
    assert ran.returncode == 1
    assert report_of(workspace)["components"]["catalog"]["failed"] == 1
    assert "CatalogService.BatchGetProducts: write services/catalog/" in ran.stdout


def test_nothing_tested_is_a_failure(workspace: Path) -> None:
    assert run(workspace, *planned("-k", "no_such_check")).returncode == 5
    assert report_of(workspace)["components"] == {}


def test_without_a_plan_the_tests_say_what_is_missing(workspace: Path) -> None:
    ran = run(workspace, "-rs")
    assert "run `scaffold test catalog`" in ran.stdout
    assert "1 skipped" in ran.stdout


def test_without_the_plugin_the_module_says_how_to_get_it(workspace: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "-c", os.devnull]
    ran = subprocess.run(
        [*command, "services/catalog/tests/contract"],
        cwd=workspace,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "pip install 'apifirst-scaffold[test]'" in ran.stdout
    assert "1 skipped" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--contract-plan", "nowhere.json"), "nowhere.json is not a plan"),
        (("--contract-plan", "other.json"), "catalog is not in other.json"),
        (("--contract-plan", "broken.json"), "scaffold regen"),
        (("--contract-plan", "plan.json", "--contract-examples", "0"), "--contract-examples"),
    ],
)
def test_a_bad_configuration_is_said_in_a_line(workspace: Path, arguments: tuple[str, ...], words: str) -> None:
    (workspace / "other.json").write_text('{"components": {}}')
    broken = plans.Plan({"catalog": plans.Component("store", "catalog", "services/catalog/nowhere")})
    (workspace / "broken.json").write_text(broken.dumps())
    ran = run(workspace, *arguments)
    assert ran.returncode not in (0, 1)
    assert words in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.fixture
def handler(workspace: Path) -> Any:
    """The module of GetProduct; put back at the end."""
    path = workspace / "services/catalog/src/catalog/handlers/get_product.py"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_a_fault_in_a_handler_fails_and_the_replay_shows_it_again(workspace: Path, handler: Path) -> None:
    handler.write_text("def get_product(request, context):\n    raise KeyError('a secret')\n")
    ran = run(workspace, *planned("-k", "GetProduct-missing"))
    assert ran.returncode == 1
    assert "the name of nothing must be NOT_FOUND" in ran.stdout
    assert "KeyError: 'a secret'" in ran.stdout  # for the developer: what the component logged

    replay = next(line for line in ran.stdout.splitlines() if line.startswith("again: "))
    words = shlex.split(replay.removeprefix("again: "))
    assert words[:4] == ["scaffold", "test", "catalog", "--"]
    again = run(workspace, *planned(*words[4:]))
    assert again.returncode == 1
    assert "1 failed" in again.stdout.splitlines()[-1]


def test_a_component_that_does_not_start_says_why(workspace: Path, handler: Path) -> None:
    handler.unlink()
    ran = run(workspace, *planned(), components=("catalog", "deals"))
    assert ran.returncode == 1
    assert "catalog does not start.\n\nhandlers are missing:\n" in ran.stdout
    assert "Traceback" not in ran.stdout
    counts = report_of(workspace)["components"]["catalog"]
    assert (counts["failed"], counts["passed"]) == (1, 0)
    assert report_of(workspace)["components"]["deals"]["failed"] == 1


def test_an_error_while_importing_shows_where(workspace: Path, handler: Path) -> None:
    handler.write_text("import grpc\nimport no_such_module\n")
    ran = run(workspace, *planned("-k", "catalog-health"))
    assert ran.returncode == 1
    assert "get_product.py" in ran.stdout
    assert "ModuleNotFoundError: No module named 'no_such_module'" in ran.stdout


def test_a_faulty_process_is_caught(workspace: Path) -> None:
    handlers = workspace / "services/deals/src/deals/handlers"
    (handlers / "get_deal.py").write_text("async def get_deal(request, context):\n    request.product.split('/')[1]\n")
    (handlers / "compare_deals.py").write_text("async def compare_deals(request, context):\n    return None\n")
    try:
        ran = run(workspace, *planned(), components=("deals",))
    finally:
        (handlers / "get_deal.py").write_text(GET_DEAL)
        (handlers / "compare_deals.py").write_text(COMPARE_DEALS)
    assert ran.returncode == 1
    failed = {c["name"] for c in report_of(workspace)["components"]["deals"]["checks"] if c["result"] == "failed"}
    assert failed == {"DealService.GetDeal-answers_valid_requests", "DealService.CompareDeals-answers_valid_requests"}
    assert "protos/deals.proto:7" in ran.stdout


def test_a_stand_in_that_does_not_start_says_why(workspace: Path) -> None:
    (workspace / "standin.py").write_text("raise SystemExit('no quotes today')\n")
    try:
        ran = run(workspace, *planned("-k", "deals-health"), components=("deals",))
    finally:
        (workspace / "standin.py").write_text(STANDIN)
    assert ran.returncode == 1
    assert "the stand-in of the vendor quotes does not start" in ran.stdout
    assert "no quotes today" in ran.stdout


def test_several_workers_give_one_report(workspace: Path) -> None:
    pytest.importorskip("xdist")
    ran = run(workspace, *planned("-n", "2", "-k", "GetProduct-missing or ListProducts-n or BatchGetProducts-e"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    counts = report_of(workspace)["components"]["catalog"]
    assert (counts["passed"], counts["pending"]) == (2, 1)
    assert "pending: CatalogService.BatchGetProducts" in ran.stdout
