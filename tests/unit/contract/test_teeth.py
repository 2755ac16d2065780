"""What the suite is worth: a correct service passes it with any seed, and each fault is caught by a check that is about it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scaffold.contract.suite import Bench, Verdict

MakeBench = Callable[..., Bench]

# What is wrong with the service, and the check that has to say so (among others, perhaps).
FAULTS = {
    "unregistered": "library-handlers",
    "unexplained_unimplemented": "library-handlers",
    "not_serving": "library-health",
    "health_unknown": "library-health",
    "no_health": "library-health",
    "lost_write": "Library.CreateBook-created_can_be_got",
    "stale_get": "Library.CreateBook-created_can_be_got",
    "drops_field": "Library.CreateBook-returns_what_was_sent",
    "rounds": "Library.CreateBook-returns_what_was_sent",
    "no_name": "Library.CreateBook-returns_what_was_sent",
    "overwrites": "Library.CreateBook-duplicate_is_already_exists",
    "missing_is_empty": "Library.GetBook-missing_is_not_found",
    "missing_is_internal": "Library.GetBook-missing_is_not_found",
    "missing_is_invalid": "Library.GetBook-missing_is_not_found",
    "malformed_is_not_found": "Library.GetBook-malformed_name_is_invalid",
    "delete_keeps": "Library.DeleteBook-deleted_is_not_found",
    "half_deleted": "Library.DeleteBook-deleted_is_not_listed",
    "second_delete_is_fine": "Library.DeleteBook-second_delete_is_not_found",
    "page_too_long": "Library.ListBooks-pages_are_complete",
    "page_skips_one": "Library.ListBooks-pages_are_complete",
    "page_repeats_one": "Library.ListBooks-pages_are_complete",
    "forgets_last_page": "Library.ListBooks-pages_are_complete",
    "endless_walk": "Library.ListBooks-pages_are_complete",
    "negative_size": "Library.ListBooks-negative_page_size_is_invalid",
    "any_token": "Library.ListBooks-foreign_page_token_is_invalid",
    "leaks": "Library.CreateBook-explains_errors",
    "no_details": "Library.GetBook-explains_errors",
    "no_error_info": "Library.GetBook-explains_errors",
    "two_error_infos": "Library.GetBook-explains_errors",
    "no_domain": "Library.GetBook-explains_errors",
    "odd_reason": "Library.GetBook-explains_errors",
    "other_code_in_details": "Library.GetBook-explains_errors",
    "crash_on_unknown_enum": "Library.CreateBook-answers_valid_requests",
    "crash_on_nul": "Library.CreateBook-answers_valid_requests",
    "crash_on_empty_stream": "Library.Collect-answers_valid_requests",
    "crash_mid_stream": "Library.Talk-answers_valid_requests",
    "garbage": "Library.CreateShelf-answers_valid_requests",
    "refuses_unknown": "Library.CreateBook-tolerates_unknown_fields",
    "new_trace": "Library.GetBook-continues_the_trace",
    "no_parent": "Library.Talk-continues_the_trace",
    "wrong_parent": "Library.CreateBook-continues_the_trace",
}


def verdicts(bench: Bench, *left_out: str) -> dict[str, Verdict]:
    return {case.name: bench.carry_out(case) for case in bench.cases("library")}


def of(bench: Bench, name: str) -> Verdict:
    return next(bench.carry_out(case) for case in bench.cases("library") if case.name == name)


@pytest.mark.parametrize("seed", range(5))
def test_a_correct_service_passes_with_any_seed(library_bench: MakeBench, seed: int) -> None:
    found = verdicts(library_bench(seed=seed))
    assert {name: v.text for name, v in found.items() if v.result not in ("passed", "skipped")} == {}
    assert len(found) > 50


@pytest.mark.parametrize(("fault", "check"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_caught_by_its_check(library_bench: MakeBench, fault: str, check: str) -> None:
    verdict = of(library_bench(fault), check)
    assert verdict.result == "failed", verdict
    print(verdict.text)
