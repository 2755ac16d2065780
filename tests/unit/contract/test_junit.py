"""JUnit's XML: a test case for each RPC and check."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from scaffold.contract import junit
from scaffold.contract.report import Line, Report


def xml(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(junit.dumps(json.loads(report.dumps())))


def a_report() -> Report:
    report = Report("127.0.0.1:5000", 7)
    report.apis["catalog"] = "2f6c"
    where = {"rpc": "C.Get", "where": "protos/c.proto:12"}
    report.add("catalog", Line("catalog-health", "passed", 0.5, check="health"))
    report.add("catalog", Line("C.Get-a", "passed", 0.25, check="a", **where))
    report.add(
        "catalog", Line("C.Get-b", "failed", 0.1, 'title: "\x00 <&\ud800"', "it is \x1b wrong", check="b", **where)
    )
    report.add("catalog", Line("C.Get-c", "pending", 0.1, "write handlers/get.py\nand more", check="c", **where))
    report.add("catalog", Line("C.Get-d", "known", 0.1, "C.Get-d: because", check="d", **where))
    return report


def test_every_check_is_a_case_passes_included() -> None:
    (suite,) = xml(a_report())
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "errors", "skipped", "time")} == {
        "name": "catalog",
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "2",
        "time": "1.050",
    }
    cases = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert cases[:2] == [("catalog", "health"), ("catalog.C.Get", "a")]
    assert [len(list(case.iter("failure"))) for case in suite.iter("testcase")] == [0, 0, 1, 0, 0]
    skipped = [element.get("message") for element in suite.iter("skipped")]
    assert skipped == ["pending: write handlers/get.py", "known: C.Get-d: because"]


def test_a_case_says_seed_target_digest_and_place() -> None:
    (suite,) = xml(a_report())
    case = list(suite.iter("testcase"))[1]
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties == {"seed": "7", "target": "127.0.0.1:5000", "api": "2f6c", "result": "passed"}
    assert (case.get("file"), case.get("line")) == ("protos/c.proto", "12")


def test_what_xml_cannot_hold_is_written_so_that_one_can_read_it() -> None:
    (suite,) = xml(a_report())
    (failure,) = suite.iter("failure")
    assert failure.text == 'title: "\\x00 <&\\xd800"'
    assert failure.get("message") == "it is \\x1b wrong"
