"""The table of laws names what is there, all that is there, and for every law something that shows it."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.docs import pages, reference
from tests.docs.laws import LAWS, Law
from tests.mutants.catalogue import MUTANTS

RUNTIME_TESTS = pages.ROOT / "tests/unit/runtime"
FAULTS = {mutant.name: mutant.check.rpartition("-")[2] for mutant in MUTANTS}


def ids(law: Law) -> str:
    return f"{law.methods}: {law.says}"


@cache
def checks_of_standard_methods() -> frozenset[str]:
    """What the suite asks of standard methods, and not of every RPC."""
    found = reference.checks_by_label()
    everyone = {check.name for check in found["other methods"]} - {"repeated_calls_are_answered_alike"}
    kinds = ("Get", "List", "Create", "Update", "Delete", "Undelete", "BatchGet", "BatchCreate", "BatchDelete")
    return frozenset(check.name for kind in kinds for check in found[kind] if check.name not in everyone)


@cache
def _functions(file: str) -> frozenset[str]:
    tree = ast.parse((RUNTIME_TESTS / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_what_a_law_names_is_there(law: Law) -> None:
    known = {check.name for checks in reference.checks_by_label().values() for check in checks}
    assert set(law.checks) <= known
    assert {FAULTS.get(fault) for fault in law.faults} <= set(law.checks), "a fault that none of its checks is about"
    for test in law.tests:
        file, _, function = test.partition("::")
        assert function in _functions(file), test


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_every_law_is_shown(law: Law) -> None:
    assert law.faults or law.tests, "nothing shows that it is kept"
    assert law.aips


@pytest.mark.parametrize("law", LAWS, ids=ids)
def test_where_a_law_is_kept(law: Law) -> None:
    for name in law.where:
        head, _, rest = name.partition(".")
        assert _resolves(head, rest), name


def _resolves(head: str, rest: str) -> bool:
    modules = [reference.runtime(f"store.{module}") for module in ("standard", "repository", "fields", "replay")]
    modules.append(reference.runtime("common.names"))
    for module in modules:
        found = module if module.__name__.endswith(f".{head}") else getattr(module, head, None)
        if found is not None and (not rest or hasattr(found, rest)):
            return True
    names = reference.runtime("common.names")
    return not rest and hasattr(names.ResourceName, head)


def test_every_check_of_a_standard_method_is_in_the_table() -> None:
    assert checks_of_standard_methods() - {check for law in LAWS for check in law.checks} == set()
