"""The Django shop's cart, behind a layer: served by the monolith, called from it, and the same suite for both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scaffold.shell.services import Launch, ServiceProcess, free_port
from tests.layers.ground import HERE, PACKAGE, Ground, make
from tests.monoliths.environments import DJANGO_SHOP
from tests.monoliths.environments import python as monolith_python
from tests.postgresql import PostgreSQL
from tests.support import Said

WRITTEN = HERE / "django_cart"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    root = tmp_path_factory.mktemp("django-layer") / "shop"
    return make(
        root, DJANGO_SHOP, WRITTEN, monolith_python("django"), ("--settings", "shop.settings"),
        ("--orm", "django", "--models", "basket.Basket", "--models", "basket.Line"),
        DJANGO_SETTINGS_MODULE="layered_settings", SHOP_DATABASE_URL=f"sqlite:///{root.parent}/shop.sqlite3",
    )  # fmt: skip


@pytest.fixture(scope="module")
def proposed(ground: Ground) -> Said:
    """What `acl check` says before anybody has decided anything."""
    return ground.scaffold("acl", "check")


@pytest.fixture(scope="module")
def written(ground: Ground, proposed: Said) -> Ground:
    """The same, after somebody has written the mappings and the port, and said how the monolith serves."""
    ground.write("-m", "django", "serve_cart")
    migrated = ground.run("-m", "django", "migrate", "-v", "0")
    assert migrated.returncode == 0, migrated.stderr
    return ground


@pytest.fixture(scope="module")
def store(written: Ground) -> Iterator[str]:
    """The address of the new store."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(written.root / "services/cart/src"),
        "DATABASE_URL": f"sqlite:///{written.root.parent}/store.sqlite3",
    }
    command = (sys.executable, "-m", "cart", "--dev", "--port", str(port))
    process = ServiceProcess(Launch("cart", command, written.root, environment, port))
    try:
        process.wait_healthy(60)
        yield process.address
    finally:
        process.stop()


def test_proposals_do_not_pass(proposed: Said) -> None:
    assert proposed.code == 1
    assert proposed.out.count("ACL001") == 5
    assert "ACL002: basket.Basket.status is neither used nor dropped" in proposed.out


def test_what_is_written_passes(written: Ground) -> None:
    for command in (("acl", "check"), ("check",)):
        said = written.scaffold(*command)
        assert (said.code, said.out) == (0, "nothing found\n"), said.text


def test_the_generated_tests_pass_in_the_monolith(written: Ground) -> None:
    ran = written.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/cart/tests/acl")
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout


LATE = """

class Late(BasketError):
    pass
"""


def test_an_exception_that_is_defined_later_fails_the_generated_test(written: Ground) -> None:
    """The map is complete when it is imported; what local.py brings along is in the family too."""
    file = written.root / PACKAGE / "local.py"
    before = file.read_text(encoding="utf-8")
    imported = before.replace(
        "from shop.basket.models", "from shop.basket.exceptions import BasketError\nfrom shop.basket.models"
    )
    file.write_text(imported + LATE, encoding="utf-8")
    try:
        ran = written.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/cart/tests/acl/test_errors.py")
    finally:
        file.write_text(before, encoding="utf-8")
    assert ran.returncode == 1
    assert "cart_acl.local.Late has no pair" in ran.stdout


@pytest.fixture(scope="module")
def on_postgresql(written: Ground, postgresql: PostgreSQL) -> str:
    """The URL of a database of the shop's on PostgreSQL, as the shop reads it."""
    url = postgresql.create_for("postgresql")
    migrated = written.run("-m", "django", "migrate", "-v", "0", SHOP_DATABASE_URL=url)
    assert migrated.returncode == 0, migrated.stderr
    return url


@pytest.fixture(scope="module")
def served(written: Ground, on_postgresql: str) -> Iterator[str]:
    """The address of the monolith, which serves the API from PostgreSQL."""
    with written.served("-m", "django", "serve_cart", SHOP_DATABASE_URL=on_postgresql) as address:
        yield address


def verdicts(ground: Ground, against: str) -> dict[str, str]:
    """What the suite says of each of its cases."""
    report = ground.root.parent / "report.xml"
    said = ground.scaffold("test", "cart", "--against", against, "--junit", str(report))
    assert said.code == 0, said.text
    assert "0 pending, 0 failed" in said.out
    cases = ElementTree.parse(report).iter("testcase")
    return {
        f"{case.attrib['classname']} {case.attrib['name']}": next(
            (part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed"
        )
        for case in cases
    }


def test_the_same_suite_says_the_same_of_each_side(written: Ground, store: str, served: str) -> None:
    """The monolith over the wire, on SQLite and on PostgreSQL; the new store, called as the monolith does, and by itself."""
    monolith = verdicts(written, "acl")
    assert len(monolith) > 10 and "passed" in monolith.values()
    for target in (served, f"acl:{store}", store):
        assert verdicts(written, target) == monolith, target


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_in_the_monolith(written: Ground, store: str, database: str, request: pytest.FixtureRequest) -> None:
    file = str(WRITTEN / "monolith_checks.py")
    variables = {"CART_ADDRESS": store}
    if database == "postgresql":
        variables["SHOP_DATABASE_URL"] = request.getfixturevalue("on_postgresql")
    ran = written.run(
        "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, file, **variables
    )
    assert ran.returncode == 0, ran.stdout[-6000:]


ONLY_LOCAL = "only local.py knows the models and the ORM"
ERRORS_RULE = "errors.py knows the monolith's exceptions, and no ORM"
PORT_RULE = "the port knows neither protobuf nor gRPC"

MODULES = ("descriptors", "facts", "names", "port", "remote", "seam", "servicer", "translation", "wire")

ORM = ("from django.db import models", "from sqlalchemy import orm")
LOCAL = "from cart_acl.local import Local"
WIRE = (
    "from google.protobuf import message",
    "from google.type import money_pb2",
    "import grpc",
    "from grpc import aio",
)

FORBIDDEN = {
    ONLY_LOCAL: [
        *((f"gen/{m}", line) for m in MODULES for line in (*ORM, LOCAL, "from shop.basket.models import Basket")),
        *(("translate", line) for line in (*ORM, LOCAL)),
    ],
    ERRORS_RULE: [("errors", line) for line in (*ORM, LOCAL)],
    PORT_RULE: [("gen/port", line) for line in WIRE],
}


@pytest.mark.parametrize("lazily", [False, True], ids=["at the top", "in a function"])
@pytest.mark.parametrize("rule", FORBIDDEN)
def test_every_import_that_is_forbidden_crosses_a_boundary(written: Ground, rule: str, lazily: bool) -> None:
    """Each broken on purpose: none hides another, and each is named with its line and its rule."""
    assert written.scaffold("check", "--only", "boundaries").out == "nothing found\n"
    before: dict[Path, str] = {}
    wanted: dict[str, list[str]] = {}
    try:
        for number, (module, statement) in enumerate(FORBIDDEN[rule]):
            file = written.root / PACKAGE / f"{module}.py"
            before.setdefault(file, file.read_text(encoding="utf-8"))
            lines = file.read_text(encoding="utf-8").splitlines()
            lines += ["", "", f"def _{number}():", f"    {statement}"] if lazily else [statement]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            package, *rest = statement.split()[1].split(".")
            imported = f"{package}.{rest[0]}" if package == "cart_acl" else package
            message = f"cart_acl.{module.replace('/', '.')} imports {imported}"
            wanted.setdefault(message, []).append(f"{PACKAGE}/{module}.py:{len(lines)}: boundary: {message}")
        said = written.scaffold("check", "--only", "boundaries")
    finally:
        for file, text in before.items():
            file.write_text(text, encoding="utf-8")
    assert said.code == 1
    for message, lines in wanted.items():
        # What imports a package twice is named at the first of them.
        assert lines[0] in said.out.splitlines(), message
    assert rule in said.out + said.text
    assert (ERRORS_RULE in said.text) == (rule == ERRORS_RULE), "the other rules are as they were"


def test_models_in_the_mappings_cross_the_boundary(written: Ground) -> None:
    file = written.root / PACKAGE / "translate.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(f"from shop.basket.models import Basket\n{before}\nBasket\n", encoding="utf-8")
    try:
        said = written.scaffold("check", "--only", "boundaries")
        assert said.code == 1
        assert f"{PACKAGE}/translate.py:1: boundary: cart_acl.translate imports shop" in said.out
        unreadable = written.scaffold("acl", "check")
        assert f"{PACKAGE}/translate.py:1: translators-unreadable" in unreadable.out
    finally:
        file.write_text(before, encoding="utf-8")
