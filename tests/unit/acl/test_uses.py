"""Who still needs a layer, or the models behind it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.acl import snapshot as snapshots
from scaffold.acl import source, uses
from scaffold.acl.snapshot import Model, Snapshot
from tests.support import REPO, write

if TYPE_CHECKING:
    from collections.abc import Mapping

MONOLITHS = REPO / "tests/monoliths"
LINE = Model("basket.Line", "basket", "shop.basket.models", "Line", "basket_line", own=True)
BASKET = Model("basket.Basket", "basket", "shop.basket.models", "Basket", "basket_basket", own=True)
ORDER = Model("orders.Order", "orders", "shop.orders.models", "Order", "orders_order", own=True)
DJANGO = Snapshot(1, "django", models=(LINE, BASKET, ORDER))
CART = Model("shop.store.Cart", "shop.store", "shop.store", "Cart", "shop.cart", own=True)
SQLALCHEMY = Snapshot(1, "sqlalchemy", models=(CART,))

PACKAGES = {f"shop/{name}__init__.py": "" for name in ("", "basket/", "orders/")}


def search(folder: Path, snapshot: Snapshot = DJANGO, apart: tuple[Path, ...] = ()) -> uses.Found:
    """Line (or Cart) leaves, with the package cart_acl."""
    leaving = [snapshot.models[0]]
    folder = folder.resolve()
    return uses.find(
        source.read(folder), "cart_acl", leaving, snapshot, apart, lambda path: path.relative_to(folder).as_posix()
    )


def places(folder: Path, files: Mapping[str, str], snapshot: Snapshot = DJANGO) -> list[str]:
    return [f"{use.where} {use.what}" for use in search(write(folder, files), snapshot).uses]


def found(tmp_path: Path, text: str, path: str = "shop/orders/views.py", snapshot: Snapshot = DJANGO) -> list[str]:
    write(tmp_path, PACKAGES)
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(text, encoding="utf-8")
    found = search(tmp_path, snapshot)
    assert {use.where.path for use in found.uses} <= {path}
    return [f"{use.where.line} {use.what}" for use in found.uses]


# --- by code ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import cart_acl", "cart_acl"),
        ("import cart_acl.app as app", "cart_acl"),
        ("from cart_acl.gen import port", "cart_acl"),
        ("from cart_acl.app import *", "cart_acl"),
        ("from shop.basket.models import Basket, Line", "basket.Line"),
        ("from shop.basket.models import *", "basket.Line"),
        ("from shop.basket import models", "basket.Line"),
        ("import shop.basket.models", "basket.Line"),
        ("from ..basket.models import Line", "basket.Line"),
        ("from ..basket import models as m", "basket.Line"),
        ("def f():\n from shop.basket.models import Line", "basket.Line"),
    ],
)
def test_what_needs_it_is_found(tmp_path: Path, text: str, what: str) -> None:
    line = text.count("\n") + 2
    assert found(tmp_path, f"\n{text}\n") == [f"{line} {what}"]


@pytest.mark.parametrize(
    "text",
    ["import cart", "import cart_acl2", "from shop.basket.models import Basket", "from shop.basket import views",
     "# import cart_acl", 'x = "basket.Lines"', "from shop.basket import models\nmodels.Basket.objects.all()",
     "import shop.basket.models\nshop.basket.models.Basket", "from .models import Line", "Line = 1\nLine"],
)  # fmt: skip
def test_what_does_not_is_not(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("from shop import basket\n\nbasket.models.Line.objects.get()", [3]),
        ("import shop.basket.models\n\nx = shop.basket.models.Line()\nshop.basket.models.Basket", [3]),
        ("import shop.basket.models as m\nm.Line\nm.Line\nm.Basket", [2, 3]),
        ("from shop.basket import models\nregister(models)", [2]),
        ("from shop.basket import models\ngetattr(models, name)", [2]),
        ("from ..basket import models\n@decorated(models.Line)\ndef f(): ...", [2]),
        ("from shop.basket.models import (\n    Basket,\n    Line,\n)", [3]),
    ],
)
def test_a_module_is_looked_into_where_it_is_used(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert found(tmp_path, text) == [f"{line} basket.Line" for line in lines]


def test_names_are_followed_through_packages_that_offer_them(tmp_path: Path) -> None:
    files = {
        **PACKAGES,
        "shop/basket/__init__.py": "from .models import Line as BasketLine\n",
        "shop/api.py": "from shop.basket import *\n",
        "shop/orders/views.py": "from shop.api import BasketLine\n",
        "shop/orders/jobs.py": "from shop import basket, api\n\nbasket.BasketLine\napi.BasketLine\napi.other\n",
        "shop/orders/circle.py": "from shop.orders import circle\nfrom shop.orders.circle import circle as again\n",
        "shop/orders/whole.py": "from shop.basket import models as basket_models\n\nbasket_models.Basket\n",
        "shop/orders/third.py": "from shop.orders.whole import basket_models\n\nbasket_models.Line\n",
    }
    assert places(tmp_path, files) == [
        "shop/api.py:1 basket.Line",
        "shop/basket/__init__.py:1 basket.Line",
        "shop/orders/jobs.py:3 basket.Line",
        "shop/orders/jobs.py:4 basket.Line",
        "shop/orders/third.py:3 basket.Line",
        "shop/orders/views.py:1 basket.Line",
    ]


def test_what_stands_beside_a_model_needs_no_import(tmp_path: Path) -> None:
    models = """
        from other import Line as Unrelated
        class Manager: 'there for the model alone'
        class Offered: 'others have it too'
        class Line:
            objects = Manager()
            more = Offered()
            def twin(self): return Line(basket=ForeignKey("basket.Line"))
        def report():
            return Line.objects.all()
        class Basket:
            last = ForeignKey("Line")
    """
    files = {**PACKAGES, "shop/basket/models.py": models, "shop/orders/x.py": "from ..basket.models import Offered\n"}
    assert (
        places(tmp_path, files) == ["shop/basket/models.py:11 basket.Line", "shop/basket/models.py:9 basket.Line"][::-1]
    )
    (tmp_path / "shop/basket/models.py").write_text("class Manager:\n  x = Line\nclass Line:\n  y = Manager\n")
    assert search(tmp_path).uses == ()
    (tmp_path / "shop/orders/x.py").write_text("from ..basket.models import Manager\n")
    assert [use.where.line for use in search(tmp_path).uses] == [2]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("class Q:\n  x = Line\nclass M:\n  q = Q()\nclass Line:\n  o = M()\n", []),  # there for what is there for it
        ("class M:\n  x = Line\nclass Line:\n  o = M()\nclass Basket:\n  o = M()\n", [2]),
        ("def f():\n  return Line\nclass Line:\n  def g(self): f()\n", []),
        ("def f():\n  return Line and f()\nclass Line: ...\n", [2]),
    ],
)
def test_what_is_there_for_the_models_alone_goes_with_them(tmp_path: Path, text: str, lines: list[int]) -> None:
    assert found(tmp_path, text, "shop/basket/models.py") == [f"{line} basket.Line" for line in lines]


def test_the_layer_goes_before_the_models_so_they_may_not_need_it(tmp_path: Path) -> None:
    text = "from cart_acl import app\nclass Line:\n  app\n  def save(self):\n    from cart_acl import app\n"
    assert found(tmp_path, text, "shop/basket/models.py") == ["1 cart_acl", "5 cart_acl"]


def test_an_import_for_the_models_alone_goes_with_them(tmp_path: Path) -> None:
    other = Model("extra.Gift", "extra", "shop.extra.models", "Gift", "gift", own=True)
    snapshot = Snapshot(1, "django", models=(LINE, other))
    write(tmp_path, {**PACKAGES, "shop/extra/__init__.py": ""})
    file = tmp_path / "shop/extra/models.py"
    file.write_text("from shop.basket.models import Line\nclass Gift:\n    line = Key(Line)\n")
    sources = source.read(tmp_path)
    assert uses.find(sources, "cart_acl", [LINE, other], snapshot).uses == ()
    assert [use.where.line for use in uses.find(sources, "cart_acl", [LINE], snapshot).uses] == [1]


# --- roots ------------------------------------------------------------------------------------------------------------

_WORDS = st.sampled_from(("shop", "apps", "core", "basket"))


@settings(deadline=None)
@given(
    above=st.lists(st.sampled_from(("src", "code-of-ours", "lib")), max_size=2),
    model=st.lists(_WORDS, min_size=1, max_size=3),
    caller=st.lists(_WORDS, min_size=1, max_size=3),
    level=st.integers(min_value=1, max_value=3),
    with_init=st.booleans(),
    is_package=st.booleans(),
)
def test_a_relative_import_leads_where_python_goes(
    above: list[str], model: list[str], caller: list[str], level: int, with_init: bool, is_package: bool
) -> None:
    """From any folder of any layout: importlib says what is imported, and that is found."""
    package = ".".join(caller)
    if level > len(caller):
        return
    tail = [w for w in model if w] + ["models"]
    wanted = importlib.util.resolve_name(f"{'.' * level}{'.'.join(tail)}", package)
    leaving = Model("x.Line", "x", wanted, "Line", "t", own=True)
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve().joinpath(*above)
        here = root.joinpath(*caller)
        here.mkdir(parents=True)
        for length in range(1, len(caller) + 1) if with_init else ():
            root.joinpath(*caller[:length], "__init__.py").touch()
        file = here / ("__init__.py" if is_package else "views.py")
        file.write_text(f"from {'.' * level}{'.'.join(tail)} import Line\n")
        snapshot = Snapshot(1, "django", models=(leaving,))
        assert [u.what for u in uses.find(source.read(Path(folder)), "a_acl", [leaving], snapshot).uses] == ["x.Line"]
        elsewhere = Model("x.Line", "x", f"{wanted}.other", "Line", "t", own=True)
        assert uses.find(source.read(Path(folder)), "a_acl", [elsewhere], snapshot).uses == ()


@pytest.mark.parametrize("start", [".", "src", "src/shop"])
def test_the_folder_may_be_above_the_packages_or_inside_of_one(tmp_path: Path, start: str) -> None:
    files = {f"src/{name}": "" for name in PACKAGES}
    write(tmp_path, {**files, "src/shop/orders/views.py": "from ..basket.models import Line\n"})
    assert [use.what for use in search(tmp_path / start).uses] == ["basket.Line"]


def test_the_folder_is_a_root_even_where_it_says_it_is_a_package(tmp_path: Path) -> None:
    files = {**PACKAGES, "__init__.py": "", "shop/orders/views.py": "from ..basket.models import Line\n"}
    assert places(tmp_path, files) == ["shop/orders/views.py:1 basket.Line"]


def test_a_package_of_the_same_name_further_down_is_another_one(tmp_path: Path) -> None:
    text = "from ..basket.models import Line\n"
    files = {**PACKAGES, "shop/shop/__init__.py": "", "shop/shop/orders/__init__.py": "", "shop/shop/orders/x.py": text}
    assert places(tmp_path, files) == []


# --- by text, Django --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'apps.get_model("basket", "line")',
        'apps.get_model("basket.LINE")',
        'apps.get_model("basket", model_name="Line")',
        'apps.get_model(app_label="basket", model_name="LINE")',
        'ContentType.objects.get(app_label="basket", model="line")',
        'ContentType.objects.get_by_natural_key("basket", "line")',
        'models.ForeignKey("basket.line", CASCADE)',
        'models.ManyToManyField("basket.Line")',
        'ForeignKey(to="basket.Line")',
        'BASKET_LINE_MODEL = "basket.Line"',
        'NAMES = [("basket", "Line")]',
        'import_string("shop.basket.models.Line")',
        'mock.patch("shop.basket.models.Line.objects")',
        'ENTRY = "shop.basket.models:Line"',
        'import_module("shop.basket.models")',
    ],
)
def test_texts_by_djangos_rules(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, f"\n{text}\n") == ["2 basket.Line"]


@pytest.mark.parametrize(
    "text",
    ['x = "Basket.Line"', 'apps.get_model("BASKET", "line")', 'ForeignKey("Line")', 'x = "line"', 'x = "basket"',
     'call("line", "basket")', 'x = "a basket.Line in a sentence"', '"""basket.Line and others."""'],
)  # fmt: skip
def test_texts_that_django_takes_for_nothing(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == []


def test_a_short_label_is_of_the_app_of_its_file(tmp_path: Path) -> None:
    for text in ('ForeignKey("line")', 'ManyToManyField(Other, through="Line")', 'models.OneToOneField(to="LINE")'):
        assert found(tmp_path, text, "shop/basket/models.py") == ["1 basket.Line"], text
        (tmp_path / "shop/basket/models.py").unlink()
        assert found(tmp_path, text, "shop/basket/extra/more.py") == ["1 basket.Line"], text
        (tmp_path / "shop/basket/extra/more.py").unlink()
        assert found(tmp_path, text, "shop/orders/models.py") == [], text
    assert found(tmp_path, 'call("Line")\nCharField("Other")\n', "shop/basket/models.py") == []


@given(app=st.sampled_from(("basket", "Basket", "BASKET", "baskeT")), model=st.text("lLiInNeE", min_size=4, max_size=4))
def test_models_in_any_case_and_apps_in_their_own(app: str, model: str) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "x.py").write_text(f'get_model("{app}.{model}")\nget_model("{app}", "{model}")\n')
        lines = [use.where.line for use in search(Path(folder)).uses]
    assert lines == ([1, 2] if app == "basket" and model.lower() == "line" else [])


def test_the_layer_is_named_in_settings(tmp_path: Path) -> None:
    text = 'INSTALLED_APPS = [\n    "basket",\n    "cart_acl",\n    "cart_acl.apps.Config",\n]\n'
    assert found(tmp_path, text, "shop/settings.py") == ["3 cart_acl", "4 cart_acl"]


def test_migrations_that_name_a_model_are_history_and_those_that_import_are_not(tmp_path: Path) -> None:
    text = """
        import shop.basket.models
        dependencies = [("basket", "0001_initial")]
        to = ForeignKey("basket.line")
        of = apps.get_model("basket", "Line")
        default = shop.basket.models.Line.new
    """
    said = search(write(tmp_path, {**PACKAGES, "shop/orders/migrations/0002_more.py": text}))
    assert [use.where.line for use in said.history] == [3, 4]
    assert [use.where.line for use in said.uses] == [5]


# --- by text, SQLAlchemy ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        'cart = relationship("Cart")',
        'cart = relationship("shop.store.Cart", lazy="joined")',
        'cart = orm.relationship(lambda: x, primaryjoin="Cart.id == Order.cart_id")',
        'cart = db.relationship(argument="Cart")',
        'carts: Mapped[list["Cart"]] = relationship()',
        'carts: Mapped["Cart | None"]',
        'cart_id = Column(ForeignKey("shop.cart.id"))',
        'ForeignKeyConstraint(["a", "b"], ["shop.cart.a", "shop.cart.b"])',
    ],
)
def test_texts_by_sqlalchemys_rules(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, f"\n{text}\n", snapshot=SQLALCHEMY) == ["2 shop.store.Cart"]


@pytest.mark.parametrize(
    "text",
    ['relationship("CartLine")', 'relationship("Order", back_populates="Cart")', 'ForeignKey("other.cart.id")',
     'ForeignKey("shop.cart_line.id")', 'x = "Cart"', 'list["Cart"]', 'x = "shop.cart.id"'],
)  # fmt: skip
def test_texts_that_sqlalchemy_takes_for_something_else(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text, snapshot=SQLALCHEMY) == []


def test_alembics_versions_are_history(tmp_path: Path) -> None:
    text = 'op.create_foreign_key()\nsa.ForeignKeyConstraint(["cart_id"], ["shop.cart.id"])\n'
    said = search(write(tmp_path, {"alembic/versions/1a_first.py": text}), SQLALCHEMY)
    assert ([use.where.line for use in said.history], said.uses) == ([2], ())


# --- what is read -----------------------------------------------------------------------------------------------------


def test_other_peoples_folders_and_the_layer_itself_are_left_out(tmp_path: Path) -> None:
    text = "import cart_acl\n"
    away = (".venv/x.py", "node_modules/x.py", "lib/site-packages/x.py", "ours/x.py", "build/lib/x.py", "notes.txt")
    kept = {"acl/cart/local.py": text, "shop/build/x.py": text, "shop/dist/__init__.py": text}
    write(tmp_path, {**dict.fromkeys(away, text), **kept, "ours/pyvenv.cfg": ""})
    assert [use.where.path for use in search(tmp_path).uses] == sorted(kept)
    (tmp_path / "shop/held").symlink_to(tmp_path / "acl/cart")
    (tmp_path / "shop/circle").symlink_to(tmp_path)
    apart = search(tmp_path, apart=(tmp_path / "acl/cart",))
    assert [use.where.path for use in apart.uses] == ["shop/build/x.py", "shop/dist/__init__.py"]


def test_links_to_folders_and_programs_without_a_suffix_are_read(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"jobs.py": "import cart_acl\n"})
    inside = write(
        tmp_path / "inside", {"bin/nightly": "#!/usr/bin/env python3\nimport cart_acl\n", "bin/x": "import cart_acl"}
    )
    (inside / "jobs").symlink_to(outside)
    (inside / "gone.py").symlink_to(inside / "nowhere.py")
    os.mkfifo(inside / "pipe.py")
    said = search(inside)
    assert [str(use.where) for use in said.uses] == ["bin/nightly:2", "jobs/jobs.py:1"]
    assert said.gaps == ()


@pytest.mark.parametrize(
    ("content", "line", "silent"),
    [
        (b"print 'old'\n", 1, True),
        (b"x = 1\nfrom shop.basket.models import Line\nprint 'old'\n", 3, False),
        (b"import cart_acl\nprint 'old'\n", 1, False),
        (b"print 'a LINE'\n", 1, False),
        (b"# -*- coding: latin-9000 -*-\nfrom x import Line", 0, False),
        (b"x = '\xff' # Line", 1, False),
        ("import cart_acl".encode("utf-16"), 0, False),
        (b"x = " + b"(" * 5000 + b" # Line", 1, False),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes, line: int, silent: bool) -> None:
    (tmp_path / "old.py").write_bytes(content)
    (gap,) = search(tmp_path).gaps
    assert (gap.where.path, gap.silent) == ("old.py", silent)
    assert gap.where.line in (line, line + 1) and gap.why


def test_what_cannot_be_opened_may_need_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a/x.py": "", "b.py": ""})
    reading, listing = Path.read_bytes, os.scandir

    def read_bytes(path: Path) -> bytes:
        if path.name == "b.py":
            raise PermissionError(13, "Permission denied")
        return reading(path)

    def scandir(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", str(path))
        return listing(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    monkeypatch.setattr(os, "scandir", scandir)
    gaps = search(tmp_path).gaps
    assert {(gap.where.path, gap.why, gap.silent) for gap in gaps} == {
        ("a", "permission denied", False),
        ("b.py", "permission denied", False),
    }


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text("import cart_acl\n\0\\'\"(", max_size=60).map(str.encode))
def test_a_file_is_read_or_said_whatever_is_in_it(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "x.py").write_bytes(content)
        sources = source.read(Path(folder))
        assert len(sources.files) + len(sources.unread) == 1
        search(Path(folder))


def test_a_long_sum_of_texts_is_no_problem(tmp_path: Path) -> None:
    text = "x = " + " + ".join(['"a"'] * 900) + "\ny = a" + ".b" * 900 + "\nimport cart_acl\n"
    assert found(tmp_path, text) == ["3 cart_acl"]


# --- real ones --------------------------------------------------------------------------------------------------------


def of_shop(name: str, orm: str, *models: str) -> uses.Found:
    snapshot = snapshots.read(MONOLITHS / f"snapshots/{orm}.json")
    folder = MONOLITHS / name
    chosen = [snapshot.model_by_name[model] for model in models]
    return uses.find(source.read(folder), "cart_acl", chosen, snapshot, (), lambda p: p.relative_to(folder).as_posix())


def test_the_django_shop() -> None:
    said = of_shop("django_shop", "django", "basket.Basket", "basket.Line")
    assert [f"{use.where} {use.what}" for use in said.uses] == [
        "shop/orders/checkout.py:8 basket.Basket",
        "shop/orders/models.py:9 basket.Basket",
        "shop/orders/receivers.py:7 basket.Line",
        "shop/orders/reports.py:20 basket.Line",
        "shop/web/views.py:10 basket.Basket",
    ]
    assert {use.where.path for use in said.history} == {
        "shop/basket/migrations/0001_initial.py",
        "shop/orders/migrations/0001_initial.py",
    }


def test_the_flask_shop() -> None:
    said = of_shop("flask_shop", "flask", "shop.store.carts.Cart", "shop.store.carts.CartLine")
    assert [f"{use.where} {use.what}" for use in said.uses] == [
        "shop/checkout.py:11 shop.store.carts.Cart",
        "shop/checkout.py:11 shop.store.carts.CartLine",
        "shop/db.py:29 shop.store.carts.Cart",
        "shop/db.py:29 shop.store.carts.CartLine",
        "shop/store/orders.py:10 shop.store.carts.Cart",
        "shop/store/orders.py:24 shop.store.carts.Cart",
        "shop/web/views.py:7 shop.store.carts.Cart",
    ]
    assert (said.history, said.gaps) == ((), ())
