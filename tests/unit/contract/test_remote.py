"""The suite against a server that runs somewhere, and is not ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scaffold.contract.remote import Remote
from scaffold.contract.suite import Bench, Verdict
from scaffold.contract.targets import TargetError
from scaffold.shell.services import free_port

MakeBench = Callable[..., Bench]


def against(bench: Bench, workspace: Path, metadata: dict[str, str] | None = None) -> Bench:
    """A bench that reaches the server of another one from outside."""
    address = bench.launcher.open("library").address
    component = replace(bench.plan.components["library"], metadata=metadata or {})
    return Bench(replace(bench.plan, components={"library": component}), Remote(address), workspace)


def test_the_same_checks_but_those_that_need_spans(library_bench: MakeBench, library_workspace: Path) -> None:
    inside = library_bench()
    outside = against(inside, library_workspace)
    names = {case.name for case in outside.cases("library")}
    assert {case.name for case in inside.cases("library") if not case.check.needs_spans} == names
    assert not [name for name in names if "trace" in name or "ends_the_work" in name]
    found = {case.name: outside.carry_out(case) for case in outside.cases("library") if "Book" in case.name}
    assert {name: v.text for name, v in found.items() if v.result not in ("passed", "skipped")} == {}


def test_a_fault_is_caught_from_outside_and_the_replay_says_against_what(
    library_bench: MakeBench, library_workspace: Path
) -> None:
    outside = against(library_bench("missing_is_internal"), library_workspace, {"x-tenant": "t-secret"})
    verdict = of(outside, "Library.GetBook-missing_is_not_found")
    assert verdict.result == "failed"
    address = outside.launcher.label
    assert f"against {address}" in verdict.text
    assert f"again: scaffold test library --against {address} --metadata x-tenant=..." in verdict.text
    assert "call:  grpcurl -plaintext -H 'x-tenant: ...' -d '{\"name\": " in verdict.text
    assert f"{address} lib.v1.Library/GetBook" in verdict.text
    assert "t-secret" not in verdict.text


def of(bench: Bench, name: str) -> Verdict:
    return next(bench.carry_out(case) for case in bench.cases("library") if case.name == name)


def test_a_second_run_finds_no_ids_of_the_first(library_bench: MakeBench, library_workspace: Path) -> None:
    inside = library_bench()
    for _ in range(2):
        verdict = of(against(inside, library_workspace), "Library.CreateBook-duplicate_is_already_exists")
        assert verdict == Verdict("passed")


def test_metadata_goes_with_every_call(library_bench: MakeBench, library_workspace: Path) -> None:
    inside = library_bench()
    served = inside.launcher.open("library")
    seen: list[str] = []
    record = served.library.record
    served.library.record = lambda rpc, context: (  # type: ignore[attr-defined]
        seen.append(str(dict(context.invocation_metadata()).get("x-tenant"))),
        record(rpc, context),
    )
    of(against(inside, library_workspace, {"x-tenant": "t1"}), "Library.GetBook-missing_is_not_found")
    assert set(seen) == {"t1"}


def test_nobody_answers() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(TargetError, match=f"nobody answers at {address}"):
        Remote(address).probe()
