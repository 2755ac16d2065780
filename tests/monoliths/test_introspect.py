"""`scaffold acl introspect` on real monoliths: what it finds, that it changes nothing, and what it says of broken ones."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scaffold.acl import monolith, seams, snapshot
from scaffold.acl.snapshot import Snapshot
from tests.monoliths import environments
from tests.monoliths.conftest import SCRIPT, run
from tests.monoliths.environments import DJANGO_SHOP, FLASK_SHOP
from tests.support import Said, scaffold, write

SNAPSHOTS = Path(__file__).parent / "snapshots"
DJANGO = ("--settings", "shop.settings")
FLASK = ("--app", "shop:create_app()")


def introspect(environment: str, folder: Path, output: Path, *arguments: str) -> Said:
    python = str(environments.python(environment))
    name = output.name
    return scaffold(output.parent, "acl", "introspect", str(folder), "--python", python, "-o", name, *arguments)


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of a tree, caches too."""
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def taken() -> dict[str, Snapshot]:
    """Each shop's snapshot, as the test below has compared it with the shop."""
    return {name: snapshot.read(SNAPSHOTS / f"{name}.json") for name in ("django", "flask")}


SHOPS = [
    ("django", "django", DJANGO_SHOP, DJANGO),
    ("flask", "flask", FLASK_SHOP, FLASK),
    ("flask20", "flask", FLASK_SHOP, FLASK),
]


@pytest.mark.parametrize(("environment", "name", "shop", "how"), SHOPS, ids=[shop[0] for shop in SHOPS])
def test_the_snapshot_is_the_one_that_is_kept(
    environment: str, name: str, shop: Path, how: tuple[str, ...], tmp_path: Path, update: bool
) -> None:
    """The shop is as it was before. The same bytes whatever the order of hashes, and piped as into a container too."""
    before = everything(shop)
    said = introspect(environment, shop, tmp_path / "one.json", *how)
    assert (said.code, said.err) == (0, ""), said.text
    one = (tmp_path / "one.json").read_text(encoding="utf-8")
    orm = ("--orm", "django" if name == "django" else "sqlalchemy")
    piped = run(environment, shop, "-", *orm, *how, given=SCRIPT.read_text(encoding="utf-8"), PYTHONHASHSEED="7")
    assert piped == one
    assert everything(shop) == before
    kept = SNAPSHOTS / f"{name}.json"
    if update and environment == name:
        kept.write_text(one, encoding="utf-8")
    if environment == name:
        assert one == kept.read_text(encoding="utf-8"), "look at the difference, then: pytest --update-golden"
    # The next generation of SQLAlchemy says the same, its version excepted.
    assert snapshot.parse(one) == snapshot.read(kept)


def test_what_a_translator_needs_to_know_of_a_django_model(taken: dict[str, Snapshot]) -> None:
    models = taken["django"].model_by_name
    basket = models["basket.Basket"]
    status, changed = basket.column("status"), basket.column("changed_at")
    assert status is not None and changed is not None
    assert status.enum == "shop.basket.models.Basket.Status"
    assert [(c.value, c.name) for c in status.choices] == [(1, "OPEN"), (2, "MERGED"), (3, "FROZEN"), (4, "SUBMITTED")]
    assert (changed.null, changed.aware, changed.type) == (True, False, "datetime")
    order = models["orders.Order"].column("status")
    assert order is not None
    assert [c.name for c in order.choices] == ["NEW", "PAID", "SHIPPED", "CANCELLED"], (
        "constants of the class name them"
    )
    etag = basket.property("etag")
    assert etag is not None and etag.reads == ("lines", "pk", "version")
    assert not models["orders.SalesByProduct"].managed
    assert models["orders.PaidOrder"].proxy_of == "orders.Order"
    assert models["catalog.Bundle"].parents == ("catalog.Product",)
    target = models["audit.Entry"].relation("target")
    assert target is not None and (target.kind, target.columns) == ("generic", ("content_type_id", "object_id"))
    assert not models["auth.User"].own


def test_what_a_translator_needs_to_know_of_an_sqlalchemy_model(taken: dict[str, Snapshot]) -> None:
    models = taken["flask"].model_by_name
    line, cart = models["shop.store.carts.CartLine"], models["shop.store.carts.Cart"]
    assert line.key == ("cart_id", "sku")
    price = line.column("price")
    assert price is not None and (price.column, price.field_class, price.null) == ("price_cents", "Cents", True)
    kinds = {p.name: p.kind for m in (line, cart) for p in m.properties}
    assert kinds == {
        "etag": "property", "pieces": "column_property", "reference": "property", "skus": "association_proxy",
        "holds": "hybrid_method", "total": "hybrid_property",
    }  # fmt: skip
    status, state = cart.column("status"), models["shop.store.orders.Order"].column("state")
    assert status is not None and [(c.value, c.name) for c in status.choices][:2] == [(1, "OPEN"), (3, "FROZEN")]
    assert state is not None and state.default == snapshot.Default("value", "NEW")
    assert not models["shop.store.orders.SalesByProduct"].managed
    paid, placed = (models["shop.store.orders.Order"].column(n) for n in ("paid_at", "placed_at"))
    assert paid is not None and placed is not None and (paid.aware, placed.aware) == (True, False)


def test_what_changes_data_is_found(taken: dict[str, Snapshot]) -> None:
    does = {f"{m.name}.{x.name}": x for m in taken["django"].own for x in m.methods}
    assert does["orders.Order.pay"].does == ("sets payment_reference", "sets status", "saves itself")
    assert does["orders.Order.save"].overrides
    assert does["partner.StockRecord.allocate"].does == ("writes partner.StockRecord",), "an update by a queryset"
    assert "deletes basket.Line" in does["basket.Basket.clear"].does
    assert "basket.Basket._locked" not in does
    # What a method only calls is told as such.
    assert does["basket.Basket.merge"].direct


def test_transactions_are_followed_through_what_they_call(taken: dict[str, Snapshot]) -> None:
    placed = {
        name: next(t for t in found.transactions if t.function == function)
        for name, found, function in (
            ("django", taken["django"], "shop.orders.checkout.place_order"),
            ("flask", taken["flask"], "shop.checkout.place_order"),
        )
    }
    # audit.Entry is written by a receiver of post_save, partner.StockRecord two functions further down.
    assert placed["django"].models == (
        "audit.Entry", "basket.Basket", "basket.Line", "catalog.Product", "orders.Order", "orders.OrderLine",
        "partner.StockRecord",
    )  # fmt: skip
    assert [m.rpartition(".")[2] for m in placed["flask"].models] == [
        "Cart",
        "CartLine",
        "Product",
        "Order",
        "OrderLine",
    ]


def test_who_listens(taken: dict[str, Snapshot]) -> None:
    heard = {(r.signal, r.sender, r.function.rpartition(".")[2]) for r in taken["django"].receivers}
    assert heard == {
        ("post_save", "orders.Order", "write_entry"),
        ("post_save", "catalog.Product", "follow_price"),
        ("post_delete", "", "write_deletion"),
        ("shop.orders.checkout.order_placed", "", "thank"),
    }
    heard = {(r.signal, r.sender.rpartition(".")[2]) for r in taken["flask"].receivers if r.sender}
    assert heard == {("after_insert", "Order"), ("validates quantity", "CartLine")}


def test_the_map_has_what_crosses_the_line(taken: dict[str, Snapshot]) -> None:
    found = taken["django"]
    seam = seams.seam(found, seams.choose(found, ["basket"]))
    assert [f"{k.model.name}.{k.column.name}" for k in seam.keys_out] == [
        "basket.Basket.owner_id",
        "basket.Line.product_id",
    ]
    assert [f"{k.model.name}.{k.column.name}" for k in seam.keys_in] == ["orders.Order.basket_id"]
    paths = {(x.by, x.path) for x in seam.lookups}
    assert {("values", "product__stockrecords__partner__code"), ("filter", "lines__product__slug")} <= paths
    assert ("attribute", "lines") not in paths, "from a basket to its own lines: both leave together"
    assert "shop.web.views" in {m.name for m in seam.modules}
    assert {r.function.rpartition(".")[2] for r in seam.receivers} == {"follow_price", "write_deletion"}


def test_what_has_changed_since_is_found(tmp_path: Path) -> None:
    shop = shutil.copytree(DJANGO_SHOP, tmp_path / "shop")
    assert introspect("django", shop, tmp_path / "s.json", *DJANGO).code == 0
    same = introspect("django", shop, tmp_path / "s.json", *DJANGO, "--check")
    assert (same.code, same.out.splitlines()[-1]) == (0, "s.json is as the monolith is")
    models = shop / "shop/basket/models.py"
    text = models.read_text().replace(
        "    voucher_code = models.CharField(max_length=32, null=True)\n",
        "    voucher_code = models.CharField(max_length=32)\n    gift = models.BooleanField(default=False)\n",
    )
    models.write_text(text.replace("class Basket(models.Model):", "class Basket(models.Model):\n    # moved\n"))
    before = (tmp_path / "s.json").read_bytes()
    other = introspect("django", shop, tmp_path / "s.json", *DJANGO, "--check")
    assert other.code == 1
    line = next(n for n, t in enumerate(before.decode().splitlines(), 1) if '"voucher_code"' in t)
    assert f"s.json:{line}:" in other.out
    assert "the column basket.Basket.voucher_code has changed: null" in other.out
    assert "the column basket.Basket.gift is new" in other.out
    assert other.out.splitlines()[-1] == "2 found", "that lines have moved is no change"
    assert (tmp_path / "s.json").read_bytes() == before


# Bad input.


def django(folder: Path, **files: str) -> Path:
    """A small Django monolith: its settings, its models, and what else is given (`shop__models` is shop/models.py)."""
    settings = 'SECRET_KEY = "x"\nINSTALLED_APPS = ["django.contrib.contenttypes", "shop"]\nUSE_TZ = True\n'
    settings += 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}\n'
    settings += 'DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"\n'
    models = "from django.db import models\n\nclass Thing(models.Model):\n    name = models.CharField(max_length=9)\n"
    given = {"settings": settings, "shop____init__": "", "shop__models": models, **files}
    return write(
        folder,
        {f"{name.replace('____', '/__').replace('__models', '/models')}.py": text for name, text in given.items()},
    )


def refused(environment: str, folder: Path, *arguments: str) -> str:
    """What is said where nothing can be introspected; nothing is written."""
    output = folder.parent / "out.json"
    said = introspect(environment, folder, output, *arguments)
    assert said.code == 2, said.text
    assert not output.exists()
    assert "  help: " in said.err
    return said.err


SETTINGS = ("--settings", "settings")


def test_a_model_that_does_not_import(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", shop__models="import nothing_of_that_name\n")
    said = refused("django", shop, *SETTINGS)
    assert said.startswith("shop/models.py:1: monolith-import: the monolith does not start: ModuleNotFoundError")


def test_a_model_that_is_no_python(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", shop__models="x = 1\ndef (:\n")
    assert refused("django", shop, *SETTINGS).startswith("shop/models.py:2: monolith-import:")


def test_a_registry_that_is_not_ready(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", shop____init__="from shop import models\n")
    assert refused("django", shop, *SETTINGS).startswith("shop/models.py:3: monolith-registry:")


def test_settings_that_are_not_there(tmp_path: Path) -> None:
    assert "monolith-settings: the settings nowhere do not load" in refused(
        "django", django(tmp_path / "m"), "--settings", "nowhere"
    )


def test_settings_that_end_the_process(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", settings='import sys\nsys.exit("set SHOP_ENV")\n')
    assert refused("django", shop, *SETTINGS).startswith("settings.py:2: monolith-import:")


def test_no_database_is_asked(tmp_path: Path) -> None:
    ready = "from django.apps import AppConfig\n\nclass Shop(AppConfig):\n    name = 'shop'\n\n    def ready(self):\n"
    ready += "        from django.db import connection\n        connection.cursor()\n        print('asked')\n"
    shop = django(tmp_path / "m", shop__apps=ready)
    shutil.move(shop / "shop__apps.py", shop / "shop/apps.py")
    said = refused("django", shop, *SETTINGS)
    assert "shop/apps.py:8: monolith-import:" in said and "--connect" in said
    asked = introspect("django", shop, tmp_path / "out.json", *SETTINGS, "--connect")
    assert asked.code == 0, asked.text
    assert snapshot.read(tmp_path / "out.json").own, "what a monolith prints is no part of its snapshot"


def test_a_monolith_without_models_of_its_own(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", shop__models="")
    said = refused("django", shop, *SETTINGS)
    assert "monolith-models: none of the 1 models is the monolith's own" in said and "there are: django" in said


def test_what_the_monolith_writes_while_it_starts_is_told(tmp_path: Path) -> None:
    shop = django(tmp_path / "m", shop____init__='open("started.log", "w").write("x")\n')
    said = introspect("django", shop, tmp_path / "out.json", *SETTINGS)
    assert said.code == 0
    assert "started.log: warning: monolith-wrote:" in said.err


def test_source_that_cannot_be_read_is_told_and_the_rest_is_there(tmp_path: Path) -> None:
    shop = django(tmp_path / "m")
    (shop / "old.py").write_text("print 'for Python 2'\n")
    said = introspect("django", shop, tmp_path / "out.json", *SETTINGS)
    assert said.code == 0
    assert "old.py:1: warning: monolith-source:" in said.err


def test_what_a_terminal_would_obey_is_shown(tmp_path: Path) -> None:
    text = "from django.db import models\n\nclass Thing(models.Model):\n"
    text += '    x = models.IntegerField(choices=[(1, "\\x1b[2J\\u202e")])\n'
    shop = django(tmp_path / "m", shop__models=text)
    said = introspect("django", shop, tmp_path / "out.json", *SETTINGS, "--models", "no\x1b[2J")
    assert said.code == 2 and "\x1b" not in said.text and "unknown-model" in said.err
    assert introspect("django", shop, tmp_path / "out.json", *SETTINGS).code == 0
    assert (tmp_path / "out.json").read_bytes().isascii()


def test_a_monolith_that_never_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monolith, "SECONDS", 1.0)
    shop = django(
        tmp_path / "m", settings="import sys, time\nprint('waiting for a broker', flush=True)\ntime.sleep(60)\n"
    )
    said = refused("django", shop, *SETTINGS)
    assert "monolith-import: the monolith has not started within 1 s" in said


def test_a_broken_snapshot_is_taken_again(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("<<<<<<< HEAD\n")
    shop = django(tmp_path / "m")
    assert introspect("django", shop, tmp_path / "out.json", *SETTINGS, "--check").code == 2
    assert introspect("django", shop, tmp_path / "out.json", *SETTINGS).code == 0
    assert introspect("django", shop, tmp_path / "out.json", *SETTINGS, "--check").code == 0


def test_defaults_of_all_kinds_are_the_same_on_every_run(tmp_path: Path) -> None:
    defaults = (
        "datetime.datetime.now()", "uuid.uuid4()", "uuid.uuid4", "Odd()", "functools.partial(max, 1)", "decimal.Decimal('1.10')",
        "datetime.date(1970, 1, 1)", "Call()", "lambda: 1", "float('nan')",
    )  # fmt: skip
    text = "import datetime, decimal, functools, uuid\nfrom django.db import models\n\n"
    text += (
        "class Odd:\n    pass\n\nclass Call:\n    def __call__(self):\n        return 1\n\nclass Thing(models.Model):\n"
    )
    text += "".join(f"    f{n} = models.TextField(default={d})\n" for n, d in enumerate(defaults))
    shop = django(tmp_path / "m", shop__models=text)
    assert introspect("django", shop, tmp_path / "out.json", *SETTINGS).code == 0
    again = introspect("django", shop, tmp_path / "out.json", *SETTINGS, "--check")
    assert again.code == 0, again.text
    (thing,) = snapshot.read(tmp_path / "out.json").own
    assert [(c.default.kind, c.default.value) for c in thing.columns if c.default] == [
        ("value", "datetime.datetime"), ("value", "uuid.UUID"), ("callable", "uuid.uuid4"), ("value", "shop.models.Odd"),
        ("callable", "functools.partial"), ("value", "1.10"), ("value", "1970-01-01"), ("callable", "shop.models.Call"),
        ("callable", "shop.models.Thing.<lambda>"), ("value", "nan"),
    ]  # fmt: skip


def test_composite_keys_of_django(tmp_path: Path) -> None:
    text = "from django.db import models\n\nclass Line(models.Model):\n    pk = models.CompositePrimaryKey('cart', 'sku')\n"
    text += "    cart = models.IntegerField()\n    sku = models.CharField(max_length=9)\n"
    shop = django(tmp_path / "m", shop__models=text)
    assert introspect("oscar", shop, tmp_path / "out.json", *SETTINGS).code == 0
    (line,) = snapshot.read(tmp_path / "out.json").own
    assert line.key == ("cart", "sku")
    assert [(c.name, c.key) for c in line.columns] == [("cart", True), ("sku", True)]


FACTORY = """
from sqlalchemy import Column, ForeignKey, Integer, create_engine
from sqlalchemy.orm import declarative_base, relationship

Base = declarative_base()


class Thing(Base):
    __tablename__ = "thing"
    id = Column(Integer, primary_key=True)
    other_id = Column(ForeignKey("other.id"))
    RELATION


def create_app(name="x"):
    CONNECT
    return object()
"""


def flask(folder: Path, relation: str = "pass", connect: str = "pass") -> Path:
    return write(folder, {"shop.py": FACTORY.replace("RELATION", relation).replace("CONNECT", connect)})


def test_mappers_that_cannot_be_configured(tmp_path: Path) -> None:
    shop = flask(tmp_path / "m", relation='other = relationship("Other")')
    said = refused("flask", shop, *FLASK)
    assert "monolith-mappers: the mappers cannot be configured" in said and "--import MODULE" in said


@pytest.mark.parametrize("spec", ["shop:make_app()", "shop:create_app(", "shop:[]", "shop:create_app(open('x'))"])
def test_what_names_no_application(tmp_path: Path, spec: str) -> None:
    assert "monolith-application:" in refused("flask", flask(tmp_path / "m"), "--app", spec)


@pytest.mark.parametrize("spec", ["shop", "shop:create_app", 'shop:create_app("y")', "shop:create_app(name='y')"])
def test_what_names_an_application(tmp_path: Path, spec: str) -> None:
    assert introspect("flask", flask(tmp_path / "m"), tmp_path / "out.json", "--app", spec).code == 0


def test_a_factory_that_makes_tables(tmp_path: Path) -> None:
    shop = flask(tmp_path / "m", connect='Base.metadata.create_all(create_engine("sqlite:///made.sqlite3"))')
    text = (
        (shop / "shop.py")
        .read_text()
        .replace(', ForeignKey("other.id")', "")
        .replace('ForeignKey("other.id")', "Integer")
    )
    (shop / "shop.py").write_text(text)
    said = refused("flask", shop, *FLASK)
    assert "shop.py:15: monolith-import:" in said and "introspection connects to no database" in said
    assert not (shop / "made.sqlite3").exists()
    assert introspect("flask", shop, tmp_path / "out.json", *FLASK, "--connect").code == 0


# The script and its interpreter.


def test_no_interpreter(tmp_path: Path) -> None:
    for arguments in ((), ("--python", "/nowhere/python"), ("--python", "/bin/true")):
        said = scaffold(tmp_path, "acl", "introspect", ".", *DJANGO, *arguments)
        assert said.code == 2 and "monolith-python:" in said.err, arguments
    assert list(tmp_path.iterdir()) == []


def test_which_orm(tmp_path: Path) -> None:
    for arguments in ((), ("--orm", "django"), (*DJANGO, *FLASK), ("nowhere", *DJANGO)):
        assert scaffold(tmp_path, "acl", "introspect", *arguments).code == 2, arguments


def test_an_orm_that_is_not_installed(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    python = str(environments.python("flask"))
    said = scaffold(tmp_path, "acl", "introspect", ".", *DJANGO, "--python", python, "-o", str(output))
    assert said.code == 2 and "this interpreter has no Django" in said.err


def test_the_script_is_printed_and_needs_only_the_standard_library() -> None:
    said = scaffold(Path.cwd(), "acl", "introspect", "--script")
    assert said.out == SCRIPT.read_text(encoding="utf-8")
    tree = ast.parse(said.out, feature_version=(3, 8))
    imported = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported - set(sys.stdlib_module_names) == {"django", "sqlalchemy"}


def test_the_script_runs_on_its_oldest_python(tmp_path: Path) -> None:
    candidates = ["python3.8", *map(str, Path.home().glob(".pyenv/versions/3.8.*/bin/python3.8"))]
    usable = (p for p in candidates if shutil.which(p) and not subprocess.run([p, "-c", ""], check=False).returncode)
    python = next(usable, None)
    if python is None:
        pytest.skip("there is no Python 3.8")
    said = subprocess.run(
        [python, "-B", "-", "--orm", "django", "--settings", "x"], input=SCRIPT.read_bytes(), capture_output=True, check=False,
        cwd=tmp_path, timeout=60,
    )  # fmt: skip
    assert said.returncode == 2
    assert json.loads(said.stdout)["problems"][0]["message"] == "this interpreter has no Django"


def test_a_snapshot_of_another_machine_is_shown(tmp_path: Path) -> None:
    said = scaffold(tmp_path, "acl", "introspect", "--from", str(SNAPSHOTS / "django.json"), "--models", "basket.Line")
    assert said.code == 0
    assert "around basket.Line" in said.out
    failed = {
        "snapshot": 1,
        "orm": "django",
        "problems": [{"kind": "import", "message": "no", "remedy": "mend", "at": "a.py:3"}],
    }
    (tmp_path / "failed.json").write_text(json.dumps(failed))
    said = scaffold(tmp_path, "acl", "introspect", "--from", "failed.json")
    assert (said.code, said.err) == (2, "a.py:3: monolith-import: no\n  help: mend\n")
