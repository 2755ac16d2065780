from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.shell import boundaries
from tests.support import write

CONTRACTS = """
    [importlinter]
    root_packages =
        cart
    include_external_packages = True

    [importlinter:contract:one]
    name = no database here
    type = forbidden
    source_modules =
        cart
    forbidden_modules =
        sqlite3

    [importlinter:contract:two]
    name = nobody else's code
    type = forbidden
    source_modules =
        cart
    forbidden_modules =
        catalog
"""


def check(root: Path, files: dict[str, str]) -> tuple[Diagnostic, ...]:
    write(
        root, {".importlinter": CONTRACTS, "src/cart/__init__.py": "", **{f"src/cart/{n}": t for n, t in files.items()}}
    )
    return boundaries.check(root, ".", "src")


def test_contracts_that_hold(tmp_path: Path) -> None:
    assert check(tmp_path, {"a.py": "import json\n"}) == ()


def test_a_breach_has_a_file_and_a_line(tmp_path: Path) -> None:
    (found,) = check(tmp_path, {"sub/__init__.py": "import json\n\nimport sqlite3\n"})
    assert found == Diagnostic(
        "boundary", "cart.sub imports sqlite3", Location("src/cart/sub/__init__.py", 3), "no database here"
    )


def test_what_is_imported_by_way_of_another_module_is_named_where_it_is_imported(tmp_path: Path) -> None:
    found = check(tmp_path, {"a.py": "import cart.b\n", "b.py": "import json\nimport sqlite3\n"})
    assert Location("src/cart/b.py", 2) in [d.where for d in found]
    assert len(found) == len(set(found))


def test_imports_in_functions_and_for_type_checkers_count(tmp_path: Path) -> None:
    (found,) = check(tmp_path, {"a.py": "def f():\n    from catalog.gen import api\n"})
    assert (found.message, found.where) == ("cart.a imports catalog", Location("src/cart/a.py", 2))


def test_without_contracts_there_is_nothing_to_check(tmp_path: Path) -> None:
    assert boundaries.check(tmp_path, ".", "src") == ()


def test_contracts_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, {".importlinter": "[importlinter\n", "src/cart/__init__.py": ""})
    (found,) = boundaries.check(tmp_path, ".", "src")
    assert (found.slug, found.where) == ("boundaries-failed", Location("./.importlinter"))
    assert "\n" not in found.message


def test_without_import_linter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ScaffoldError) as caught:
        boundaries.check(tmp_path, ".", "src")
    (found,) = caught.value.diagnostics
    assert (found.slug, found.remedy) == ("extra-missing", "pip install 'apifirst-scaffold[check]'")


def test_nothing_of_the_services_is_imported(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    check(tmp_path, {"a.py": f"open({str(marker)!r}, 'w')\nimport sqlite3\n"})
    assert not marker.exists()
