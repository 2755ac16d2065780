from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

from scaffold.contract import trial
from scaffold.contract.suite import Bench
from scaffold.contract.trial import Pending, Trial, Unanswered, Undecided, Violation

MakeBench = Callable[..., Bench]


@pytest.fixture
def a_trial(library_bench: MakeBench) -> Trial:
    return Trial(library_bench().subject("library"), None, "a-case", seed=3, count=30)


def test_a_violation_is_shrunk(a_trial: Trial) -> None:
    def judge(number: int) -> None:
        if number > 12:
            a_trial.fail(f"{number} is too much")

    with pytest.raises(Violation, match="13 is too much"):
        a_trial.examples(st.integers(0, 1000), judge)


def test_a_violation_that_does_not_happen_again_is_reported_all_the_same(a_trial: Trial) -> None:
    calls = 0

    def judge(number: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            a_trial.fail("once")

    with pytest.raises(Violation, match="once"):
        a_trial.examples(st.integers(), judge)


@pytest.mark.parametrize("ending", [Pending("p"), Undecided("u"), Unanswered("n")])
def test_other_endings_are_not_shrunk(a_trial: Trial, ending: BaseException) -> None:
    seen: list[int] = []

    def judge(number: int) -> None:
        seen.append(number)
        raise ending

    with pytest.raises(type(ending)):
        a_trial.examples(st.integers(), judge)
    assert len(seen) == 1


def test_an_error_of_the_checks_own_is_no_violation(a_trial: Trial) -> None:
    def judge(number: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        a_trial.examples(st.integers(), judge)


def test_time_is_bounded_when_nothing_is_found(a_trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_JUDGE_SECONDS", 0.0)
    seen: list[int] = []
    a_trial.examples(st.integers(), seen.append, count=500)
    assert len(seen) < 5


def test_time_is_bounded_when_something_is_found(a_trial: Trial) -> None:
    seen: list[int] = []

    def judge(number: int) -> None:
        seen.append(number)
        a_trial.fail("always")

    with pytest.raises(Violation):
        a_trial.examples(st.integers(100, 10**9), judge, shrink=False)
    assert len(seen) == 1


def test_examples_do_not_depend_on_what_else_is_loaded(
    a_trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hypothesis mixes constants of local modules into its draws: a replay of one test would not draw the same."""

    def drawn() -> str:
        found: list[object] = []
        a_trial.examples(st.tuples(st.integers(), st.floats(), st.binary()), found.append, count=100)
        return repr(found)  # NaN is like itself there

    before = drawn()
    (tmp_path / "lots.py").write_text("A = (" + ", ".join(f"{n * 7919}, {n}.5, b'b{n}'" for n in range(99)) + ")")
    spec = importlib.util.spec_from_file_location("lots", tmp_path / "lots.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lots", module)
    spec.loader.exec_module(module)
    assert drawn() == before


def test_new_ids_are_new_and_the_same_in_every_run(a_trial: Trial, library_bench: MakeBench) -> None:
    again = Trial(library_bench().subject("library"), None, "another-case")
    found = [a_trial.fresh_id() for _ in range(5)]
    assert found == [again.fresh_id() for _ in range(5)]
    assert len(set(found)) == 5
    trace_id, parent_id = a_trial.fresh_trace()
    assert (len(trace_id), len(parent_id)) == (32, 16)
