"""Law 1: same input, same bytes: whatever the order, the machine, the locale or the day."""

from __future__ import annotations

import datetime
import os
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core.settings import load
from scaffold.shell.workspace import Workspace
from scaffold.verbs.generate import wanted
from tests.laws import library
from tests.support import PROTOS, REPO, contents, python, scaffold_process, write

MACHINES: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"},
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "LANG": "C", "COLUMNS": "20"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8", "PYTHONUTF8": "0", "USER": "other"},
]

# What a formatter or an editor would be told here: no two of these make the same text.
FORMATTERS: list[dict[str, str]] = [
    {},
    {
        "pyproject.toml": "[tool.black]\nline-length = 40\n[tool.ruff]\nline-length = 40\nformat.quote-style = 'single'\n"
    },
    {"ruff.toml": "indent-width = 2\n", ".editorconfig": "root = true\n[*]\nindent_style = tab\nend_of_line = crlf\n"},
]
# Run before anything else, as a site's own customization: so every clock in the process tells another day.
ANOTHER_DAY = """\
import datetime, time
real, real_ns = time.time, time.time_ns
time.time = lambda: real() + {days} * 86400
time.time_ns = lambda: real_ns() + {days} * 86400 * 10**9
class Date(datetime.date):
    @classmethod
    def today(cls):
        return cls.fromtimestamp(time.time())
class DateTime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.date, datetime.datetime = Date, DateTime
"""


def test_on_any_machine(tmp_path: Path) -> None:
    """Other hash seeds, zones, locales, days, formatters, folders, and files created in another order."""
    made = []
    for number, environment in enumerate(MACHINES):
        root = tmp_path / ("here", "a much/deeper place", "ünïcödé")[number]
        files = {f"protos/{f.relative_to(PROTOS)}": f.read_text(encoding="utf-8") for f in PROTOS.rglob("*.proto")}
        names = sorted(files, reverse=number == 1)
        write(root, {**{name: files[name] for name in names}, "scaffold.toml": SHOP})
        for name in names:
            os.utime(root / name, (10**9 + number, 10**9 + number))
        write(root, FORMATTERS[number])
        day = write(tmp_path / f"day{number}", {"sitecustomize.py": ANOTHER_DAY.format(days=number * 400)})
        environment = {**environment, "PYTHONPATH": f"{day}{os.pathsep}{REPO}"}
        said = scaffold_process(root, "regen", environment=environment)
        assert said.code == 0, said.text
        made.append((said.out, {path: c for path, c in contents(root).items() if path not in FORMATTERS[number]}))
    assert made[0] == made[1] == made[2]
    assert len(made[0][1]) > 100


SHOP = """
[stores.catalog]
proto = "shop/catalog/v1/catalog.proto"
[stores.cart]
proto = "shop/cart/v1/cart.proto"
[stores.orders]
proto = "shop/orders/v1/orders.proto"
[processes.checkout]
proto = "shop/checkout/v1/checkout.proto"
uses = ["cart", "catalog", "orders"]
vendors = ["payments"]
[vendors.payments]
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    files = {f"protos/{f.relative_to(PROTOS)}": f.read_text(encoding="utf-8") for f in PROTOS.rglob("*.proto")}
    return write(root, {**files, "scaffold.toml": SHOP})


@settings(max_examples=8)
@given(st.data())
def test_in_any_order_of_tables_and_keys(shop: Path, data: st.DataObject) -> None:
    tables = tomllib.loads(SHOP)
    lines = []
    named = [(kind, name, values) for kind, inner in tables.items() for name, values in inner.items()]
    for kind, name, values in data.draw(st.permutations(named)):
        lines.append(f"[{kind}.{name}]")
        lines += [f"{key} = {values[key]!r}" for key in data.draw(st.permutations(sorted(values)))]
    assert artifacts(shop, "\n".join(lines)) == artifacts(shop, SHOP)


def artifacts(root: Path, text: str) -> dict[str, bytes]:
    found = wanted(Workspace(root, text), load(text, "0")).artifacts
    made = {a.path: a.content for a in found}
    assert len(made) == len(found), "a path is wanted twice"
    return made


def test_another_day_is_another_day(tmp_path: Path) -> None:
    """What the test above relies on."""
    day = write(tmp_path, {"sitecustomize.py": ANOTHER_DAY.format(days=400)})
    code = f"import datetime, time; print(datetime.datetime.now().timestamp() - {time.time()}, datetime.date.today())"
    said = python(code, day).stdout.split()
    assert 399 * 86400 < float(said[0]) < 401 * 86400
    assert said[1] != str(datetime.date.today())


def test_in_any_order_of_files(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the file system lists folders."""
    expected = artifacts(shop, SHOP)
    walk, iterdir, rglob = os.walk, Path.iterdir, Path.rglob
    seen: list[str] = []

    def walked(*arguments: Any, **options: Any) -> Iterator[tuple[str, list[str], list[str]]]:
        for place, folders, names in walk(*arguments, **options):
            seen.append(place)
            folders.sort(reverse=True)
            yield place, folders, sorted(names, reverse=True)

    monkeypatch.setattr(os, "walk", walked)
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(iterdir(self), reverse=True)))
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: iter(sorted(rglob(self, pattern), reverse=True)))
    assert artifacts(shop, SHOP) == expected
    assert seen


def test_protos_that_nobody_uses_change_nothing(tmp_path: Path) -> None:
    library.make(tmp_path)
    text = (tmp_path / "scaffold.toml").read_text(encoding="utf-8")
    before = artifacts(tmp_path, text)
    write(tmp_path / "protos", {"a/other.proto": 'syntax = "proto3"; message Book {}', "zzz.proto": "broken"})
    assert artifacts(tmp_path, text) == before


def test_a_component_knows_nothing_of_the_workspace_around_it(tmp_path: Path) -> None:
    """A component alone is generated as it is beside others, but for who may not be imported."""
    library.make(tmp_path)
    text = (tmp_path / "scaffold.toml").read_text(encoding="utf-8")
    both = artifacts(tmp_path, text)
    alone = artifacts(tmp_path, text.partition("[processes")[0])
    assert set(alone) == {p for p in both if p.startswith("services/library/")}
    assert {p for p in alone if alone[p] != both[p]} == {"services/library/.importlinter"}
