from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core.diagnostics import Diagnostic, Location, Severity
from scaffold.core.plan import Action, Change, Listed, Plan
from scaffold.core.view import Owner
from scaffold.shell import console

NOTE = Diagnostic("a-note", "worth a word", Location("a.proto", 3), "leave it", Severity.NOTE)
WARNING = Diagnostic("a-warning", "careful", Location("a.proto"), "", Severity.WARNING)
ERROR = Diagnostic(
    "unknown-type", '"Carrt" is not defined', Location("protos/cart.proto", 8, 36), 'did you mean "Cart"?'
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def change(path: str, action: Action, owner: Owner = "generated", before: str = "", after: str = "") -> Change:
    return Change(path, action, owner, before.encode() or None, after.encode() or None, "a.proto")


def test_a_line_and_its_end_are_written_at_once() -> None:
    """Services speak in threads: a line that is written in two parts has somebody else's in the middle."""
    written: list[str] = []

    class Recorder(io.StringIO):
        def write(self, text: str, /) -> int:
            written.append(text)
            return len(text)

    console.say("ready", Recorder())
    assert written == ["ready\n"]


def test_diagnostics() -> None:
    out = io.StringIO()
    console.show_diagnostics((ERROR, NOTE, WARNING, Diagnostic("bare", "no place")), out)
    assert out.getvalue().splitlines() == [
        'protos/cart.proto:8:36: unknown-type: "Carrt" is not defined',
        '  help: did you mean "Cart"?',
        "a.proto:3: note: a-note: worth a word",
        "  help: leave it",
        "a.proto: warning: a-warning: careful",
        "bare: no place",
    ]


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert console.style("x", "red", Terminal()) == "\x1b[31mx\x1b[0m"
    assert console.style("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.style("x", "red", Terminal()) == "x"
    monkeypatch.setenv("NO_COLOR", "")  # empty counts as absent (https://no-color.org)
    assert console.style("x", "red", Terminal()) != "x"
    monkeypatch.setenv("TERM", "dumb")
    assert console.style("x", "red", Terminal()) == "x"


@given(st.text())
def test_what_others_wrote_is_shown_and_never_obeyed(text: str) -> None:
    shown = console.printable(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert [c for c in text if c.isprintable()] == [c for c in text if c in shown and c.isprintable()]


def test_escapes_are_shown() -> None:
    assert console.printable("a\x1b[31m\x07\u202eb") == "a\\x1b[31m\\x07\\u202eb"


def test_changes(capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan(
        (
            change("services/cart/.importlinter", "create"),
            change("services/cart/src/cart/app.py", "create", "yours"),
            change("services/cart/src/cart/gen/a.py", "create"),
            change("services/cart/src/cart/gen/b.py", "update"),
            change("services/cart/src/cart/gen/c.py", "keep"),
            change("services/cart/src/cart/gen/d.py", "conflict"),
            change("services/cart/src/cart/handlers/e.py", "delete", "stub"),
            change("services/cart/src/cart/handlers/f.py", "orphan", "stub"),
            change("services/cart/tests/contract/g.py", "create"),
        )
    )
    console.show_changes(plan)
    assert capsys.readouterr().out.splitlines() == [
        "+ services/cart/src/cart/app.py   (yours)",
        "! services/cart/src/cart/gen/d.py",
        "- services/cart/src/cart/handlers/e.py   (yours once edited)",
        "? services/cart/src/cart/handlers/f.py   (yours)",
        "+ services/cart: 3 generated files",
        "~ services/cart: 1 generated file",
    ]
    assert console.counts(plan) == "4 created, 1 updated, 1 deleted, 1 in conflict, 1 orphaned, 1 unchanged"
    assert console.counts(Plan()) == "0 unchanged"


def test_a_diff_shows_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_changes(
        Plan((change("a.py", "update", before="one\ntwo\nthree\n", after="one\n2\nthree\n"),)), diff=True
    )
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "~ a.py"
    assert out[1].startswith("  @@ ")
    assert out[2:] == ["   one", "  -two", "  +2", "   three"]


def test_a_plan_for_programs() -> None:
    plan = Plan(
        (
            change("a.py", "create"),
            change("b.py", "keep"),
            change("c.py", "conflict"),
            change("d.py", "orphan", "stub"),
        ),
        (Listed("a.py", "generated"),),
        (NOTE,),
    )
    data = json.loads(console.plan_json(plan))
    assert data["changes"][0] == {
        "path": "a.py", "action": "create", "owner": "generated", "origin": "a.proto", "source": "", "attic": False
    }  # fmt: skip
    assert [c["path"] for c in data["changes"]] == ["a.py", "c.py", "d.py"]
    assert data["unchanged"] == 1
    assert [d["slug"] for d in data["decisions"]] == ["edited-generated-file", "orphan"]
    note = {"slug": "a-note", "severity": "note", "message": "worth a word", "path": "a.proto", "line": 3, "column": 0}
    assert data["notes"] == [{**note, "remedy": "leave it"}]


def test_annotations_for_github(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = Diagnostic("s", "100%\nsure", Location("a,b:c.proto"), "x\r", Severity.WARNING)
    console.show_github((ERROR, hostile, NOTE, Diagnostic("bare", "no place")))
    assert capsys.readouterr().out.splitlines() == [
        '::error file=protos/cart.proto,line=8,col=36,title=unknown-type::"Carrt" is not defined. did you mean "Cart"?',
        "::warning file=a%2Cb%3Ac.proto,line=1,col=1,title=s::100%25%0Asure. x%0D",
        "::notice file=a.proto,line=3,col=1,title=a-note::worth a word. leave it",
        "::error title=bare::no place",
    ]
