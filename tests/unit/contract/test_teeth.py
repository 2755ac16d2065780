"""What the suite is worth: a correct service passes with any seed, and each fault is caught by the check about it."""

from __future__ import annotations

import time
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


# What chance alone decides is given more of it: these lie in one value of one field.
RARE = {"crash_on_nul", "crash_on_unknown_enum"}


def of(bench: Bench, name: str) -> Verdict:
    return next(bench.carry_out(case) for case in bench.cases("library") if case.name == name)


@pytest.mark.parametrize("seed", range(2))
def test_a_correct_service_passes_with_any_seed(library_bench: MakeBench, seed: int) -> None:
    bench = library_bench(seed=seed)
    found = {case.name: bench.carry_out(case) for case in bench.cases("library")}
    assert {name: v.text for name, v in found.items() if v.result not in ("passed", "skipped")} == {}
    # Streams of this library never refuse anything, so there is no error to look at.
    assert [name for name, v in found.items() if v.result == "skipped"] == [
        f"Library.{rpc}-explains_errors" for rpc in ("Watch", "Collect", "Talk")
    ]
    assert len(found) > 50


@pytest.mark.parametrize(("fault", "check"), FAULTS.items(), ids=FAULTS)
def test_a_fault_is_caught_by_its_check(library_bench: MakeBench, fault: str, check: str) -> None:
    verdict = of(library_bench(fault, examples=60 if fault in RARE else 20), check)
    assert verdict.result == "failed"
    assert verdict.text.startswith(check)


def test_a_failure_says_what_where_and_how_to_see_it_again(library_bench: MakeBench) -> None:
    places = {"lib.v1.Library.CreateBook": "protos/library.proto:22"}
    text = of(library_bench("drops_field", seed=7, places=places), "Library.CreateBook-returns_what_was_sent").text
    assert text.splitlines()[1] == "protos/library.proto:22"
    assert "The response is the resource" in text
    assert "AIP-133" in text
    assert "the response does not hold what was sent: appendix: 1 were sent and there are 0" in text
    assert "Library.CreateBook <- lib.v1.CreateBookRequest {" in text
    assert "  appendix {" in text
    assert "price" not in text  # it is the smallest request that shows it
    assert "Library.CreateBook -> OK" in text
    assert "against handmade, seed 7, API " in text
    assert text.endswith(
        "again: scaffold test library --against handmade -- -k Library.CreateBook-returns_what_was_sent --contract-seed 7"
    )


def test_an_error_is_shown_with_its_reason(library_bench: MakeBench) -> None:
    text = of(library_bench("missing_is_internal"), "Library.GetBook-missing_is_not_found").text
    assert "the name of nothing must be NOT_FOUND or INVALID_ARGUMENT, and was INTERNAL" in text
    assert "Library.GetBook -> INTERNAL: refused (INTERNAL of lib.v1.Library)" in text


def test_the_same_seed_tells_the_same_story(library_bench: MakeBench) -> None:
    name = "Library.CreateBook-answers_valid_requests"
    first = of(library_bench("crash_on_nul", seed=1, examples=60), name)
    assert first == of(library_bench("crash_on_nul", seed=1, examples=60), name)


def test_a_handler_that_is_not_written_is_pending_and_never_passed(library_bench: MakeBench) -> None:
    bench = library_bench("pending")
    found = {case.name: bench.carry_out(case) for case in bench.cases("library") if "LendBook" in case.name}
    assert len(found) == 4
    assert set(found.values()) == {Verdict("pending", "Library.LendBook: write handlers/lend_book.py")}
    assert of(bench, "library-handlers").result == "passed"


def test_a_law_that_needs_a_pending_handler_is_pending(library_bench: MakeBench) -> None:
    bench = library_bench("create_is_pending")
    for name in ("Library.ListBooks-pages_are_complete", "Library.DeleteBook-deleted_is_not_found"):
        assert of(bench, name) == Verdict("pending", "Library.CreateBook: write handlers/create_book.py")
    assert of(bench, "Library.GetBook-missing_is_not_found").result == "passed"


def test_rules_that_let_nothing_through_leave_the_laws_undecided(library_bench: MakeBench) -> None:
    verdict = of(library_bench("refuses_everything"), "Library.CreateBook-created_can_be_got")
    assert verdict.result == "skipped"
    assert verdict.text.startswith(
        "Library.CreateBook accepted no made-up request; the last answer: FAILED_PRECONDITION"
    )


def test_a_call_that_hangs_fails_once_and_is_not_waited_for_again(library_bench: MakeBench) -> None:
    bench = library_bench("hangs", timeout=0.3)
    first = of(bench, "Library.LendBook-answers_valid_requests")
    assert first.result == "failed"
    assert "no answer within 0.3 s" in first.text
    assert of(bench, "Library.LendBook-tolerates_unknown_fields") == Verdict(
        "skipped", "Library.LendBook did not answer an earlier call"
    )


@pytest.mark.parametrize("fault", ["slow_watch", "endless_watch"])
def test_a_stream_may_go_on_for_ever(library_bench: MakeBench, fault: str) -> None:
    bench = library_bench(fault, examples=3)
    begin = time.monotonic()
    for check in ("answers_valid_requests", "tolerates_unknown_fields", "continues_the_trace"):
        assert of(bench, f"Library.Watch-{check}") == Verdict("passed")
    assert time.monotonic() - begin < 15  # 2 where nothing else runs


def test_where_spans_cannot_be_seen_no_check_asks_for_them(library_bench: MakeBench) -> None:
    bench = library_bench(shows_spans=False)
    assert not [case.name for case in bench.cases("library") if "trace" in case.name]


def test_a_component_that_does_not_start_fails_once(library_bench: MakeBench) -> None:
    bench = library_bench("does_not_start")
    first, second, *_ = bench.cases("library")
    assert (first_verdict := bench.carry_out(first)).result == "failed"
    assert first_verdict.text == "library does not start: because"
    assert (second_verdict := bench.carry_out(second)).result == "skipped"
    assert second_verdict.text == "library did not start"


def test_every_check_says_what_its_law_is_and_where_it_is_written(library_bench: MakeBench) -> None:
    for case in library_bench().cases("library"):
        assert case.check.law.endswith(".")
        assert "https://" in case.check.source
