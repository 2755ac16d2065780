"""Failures that are known: carried out all the same, and never longer than they said."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace

import pytest

from scaffold.contract import ledger
from scaffold.contract.ledger import Known, LedgerError
from scaffold.contract.suite import Bench, Verdict

MakeBench = Callable[..., Bench]

CHECK = "Library.GetBook-missing_is_not_found"
ENTRY = """
[[known]]
component = "library"
check = "Library.GetBook-missing_is_not_found"
reason = "until the index is there"
until = 2027-03-31
"""


def of(bench: Bench, *known: Known, today: str = "2027-03-31") -> Verdict:
    """What comes of the check with that ledger, on that day."""
    bench.plan = replace(bench.plan, known=known)
    bench.today = datetime.date.fromisoformat(today)
    return next(bench.carry_out(case) for case in bench.cases("library") if case.name == CHECK)


def test_an_entry_is_read() -> None:
    assert ledger.parse(ENTRY) == (Known("library", CHECK, "until the index is there", "2027-03-31"),)
    assert ledger.parse("") == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("known = [", "it is not TOML"),
        ("[known]\n", "with two brackets"),
        ("[other]\n", '"other" means nothing here'),
        (ENTRY.replace("until = 2027-03-31", ""), "entry 1: it has no until"),
        (ENTRY.replace("2027-03-31", '"soon"'), "entry 1: until is no date, such as 2027-03-31"),
        (ENTRY.replace("2027-03-31", "2027-03-31T00:00:00Z"), "until is no date"),
        (ENTRY.replace('"until the index is there"', '" "'), "entry 1: reason is empty"),
        (ENTRY.replace('"library"', "3"), "entry 1: component is no text"),
        (ENTRY.replace("reason", "because"), '"because" is no key of an entry'),
        (ENTRY + ENTRY, "has two entries"),
    ],
)
def test_a_mistake_is_said(text: str, problem: str) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger.parse(text)
    assert any(problem in said for said in caught.value.problems)


def test_every_mistake_is_said_at_once() -> None:
    with pytest.raises(LedgerError) as caught:
        ledger.parse("[[known]]\ncomponent = 1\nsince = 2\n")
    assert len(caught.value.problems) == 5


def test_a_known_failure_is_carried_out_and_reported_as_known(library_bench: MakeBench) -> None:
    (known,) = ledger.parse(ENTRY)
    verdict = of(library_bench("missing_is_internal"), known)
    assert verdict.result == "known"
    assert verdict.text.startswith(f"{CHECK}: until the index is there (until 2027-03-31)")
    assert "GetBook -> INTERNAL" in verdict.text


def test_a_known_failure_that_passes_is_a_failure(library_bench: MakeBench) -> None:
    (known,) = ledger.parse(ENTRY)
    verdict = of(library_bench(), known)
    assert verdict.result == "failed"
    assert "take the entry out" in verdict.summary
    assert ledger.FILE in verdict.text


def test_a_known_failure_is_known_until_its_last_day(library_bench: MakeBench) -> None:
    (known,) = ledger.parse(ENTRY)
    verdict = of(library_bench("missing_is_internal"), known, today="2027-04-01")
    assert verdict.result == "failed"
    assert "known until 2027-03-31, which is over: until the index is there" in verdict.text


def test_what_is_pending_stays_pending(library_bench: MakeBench) -> None:
    known = Known("library", "Library.CreateBook-created_can_be_got", "x", "2027-03-31")
    bench = library_bench("create_is_pending")
    bench.plan = replace(bench.plan, known=(known,))
    case = next(case for case in bench.cases("library") if case.name == known.check)
    assert bench.carry_out(case).result == "pending"


def test_an_entry_of_another_check_says_nothing_about_this_one(library_bench: MakeBench) -> None:
    other = Known("library", "Library.ListBooks-pages_are_complete", "x", "2027-03-31")
    elsewhere = Known("archive", CHECK, "x", "2027-03-31")
    assert of(library_bench("missing_is_internal"), other, elsewhere).result == "failed"


def test_a_check_that_does_not_exist_is_found(library_bench: MakeBench) -> None:
    bench = library_bench(shows_spans=False)
    real = Known("library", "Library.GetBook-continues_the_trace", "not in this run, but a check", "2027-03-31")
    bench.plan = replace(bench.plan, known=(real, Known("library", "Library.GetBook-typo", "x", "2027-03-31")))
    assert bench.unknown_checks("library") == ("Library.GetBook-typo",)
