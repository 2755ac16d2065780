"""Every mutant is caught by the check that is about its fault, and no correct service is accused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scaffold.contract import schema
from scaffold.contract.checks import checks_of_component, checks_of_rpc
from tests import support
from tests.mutants.catalogue import MUTANTS, SAMPLE
from tests.mutants.ground import COMPONENTS, Edit, Ground, Mutant, make

# A law of which no mutant is made here: the engine's own tests break it (tests/unit/contract/test_teeth.py).
ELSEWHERE = {"deleted_is_not_found"}


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """The generated workspace, once for all workers, and a folder of this one's own for copies."""
    shared = support.shared(tmp_path_factory, "mutants", make)
    return Ground(shared / "workspace", tmp_path_factory.mktemp("copies"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.component}-{mutant.name.replace(' ', '-')}")
def test_a_fault_is_caught_by_its_check(ground: Ground, mutant: Mutant) -> None:
    verdict = ground.judge(mutant, mutant.check)
    assert verdict.result == "failed", f"{mutant.check} does not see it: {verdict.result} {verdict.text}"
    assert verdict.text.startswith(mutant.check)


def test_there_are_enough_of_them_and_no_two_are_the_same() -> None:
    assert len(SAMPLE) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.edits, mutant.check) for mutant in MUTANTS}) == len(MUTANTS)


def test_every_law_has_a_mutant(ground: Ground) -> None:
    components = ground.plan().components
    schemas = [schema.read(ground.workspace / c.src, c.package) for n, c in components.items() if n in COMPONENTS]
    laws = {check.name for check in checks_of_component()}
    laws |= {check.name for api in schemas for rpc in api.rpcs for check in checks_of_rpc(api, rpc)}
    broken = {mutant.check.rpartition("-")[2] for mutant in MUTANTS}
    assert laws - broken - ELSEWHERE == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_correct_service_is_never_accused(ground: Ground, component: str) -> None:
    for seed in (1,) if component == "clocks" else (1, 2):
        verdicts = ground.verdicts(component, seed)
        failed = {name: verdict.text for name, verdict in verdicts.items() if verdict.result in ("failed", "pending")}
        assert failed == {}
        undecided = [name for name, verdict in verdicts.items() if verdict.result == "skipped"]
        assert len(undecided) <= len(verdicts) // 10, undecided


def test_a_mutant_that_does_not_fit_says_so(ground: Ground) -> None:
    mutant = replace(MUTANTS[0], edits=(Edit("app.py", "-no such line"),))
    with pytest.raises(AssertionError, match=r"app\.py has 0 times"):
        ground.plan(mutant)


def test_an_edit_is_a_piece_of_a_patch(tmp_path: Path) -> None:
    file = tmp_path / "m.py"
    file.write_text("a\n    b\nc\n")
    Edit(
        "m.py",
        """
         a
        -    b
        +    x
        """,
    ).apply(tmp_path)
    assert file.read_text() == "a\n    x\nc\n"
