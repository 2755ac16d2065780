"""Reading model.snapshot.json: what fits becomes the value, what does not is told with its line."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.acl import snapshot
from scaffold.core.diagnostics import Location, ScaffoldError

TEXT = """\
{
 "snapshot": 1,
 "orm": "django",
 "versions": {"python": "3.9", "django": "4.2.30"},
 "models": [
  {"name": "cart.Line", "app": "cart", "module": "cart.models", "class_name": "Line", "table": "cart_line", "own": true,
   "at": "cart/models.py:7",
   "columns": [
    {"name": "id", "column": "id", "type": "int", "field_class": "BigAutoField", "key": true, "auto": "increment"},
    {"name": "price", "column": "price", "type": "decimal", "field_class": "DecimalField", "null": true}
   ]}
 ]
}
"""


def refused(text: str) -> list[str]:
    with pytest.raises(ScaffoldError) as caught:
        snapshot.parse(text, "here.json")
    return [f"{d.where}: {d.slug}: {d.message}" for d in caught.value.diagnostics]


def test_what_is_absent_has_its_default_and_everything_knows_its_line() -> None:
    found = snapshot.parse(TEXT, "here.json")
    (line,) = found.own
    assert line.at == Location("cart/models.py", 7)
    assert line.where == Location("here.json", 6, 3)
    price = line.column("price")
    assert price is not None
    assert (price.null, price.default, price.where.line) == (True, None, 10)


def test_places_are_no_part_of_the_meaning() -> None:
    assert snapshot.parse(TEXT) == snapshot.parse(TEXT.replace("models.py:7", "models.py:99").replace("\n", "\n\n"))
    assert snapshot.parse(TEXT) != snapshot.parse(TEXT.replace('"null": true', '"null": false'))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"null": true', '"null": 1', "10:5: snapshot-invalid: models[0].columns[1].null is 1, not true or false"),
        ('"decimal"', '"money"', "10:5: snapshot-invalid: models[0].columns[1].type is"),
        ('"null": true', '"nul": true', '10:5: snapshot-invalid: "models[0].columns[1].nul" is not a part of it'),
        ('"name": "price", ', "", "10:5: snapshot-invalid: models[0].columns[1] has no name"),
        ("models.py:7", "models.py", "6:3: snapshot-invalid: models[0].at is"),
        ('"own": true', '"own": true, "where": "a:1"', '6:3: snapshot-invalid: "models[0].where" is not a part of it'),
        ('"snapshot": 1', '"snapshot": 2', "snapshot-format: it has format 2"),
        ('"orm"', "<<<<<<< HEAD", "3:2: snapshot-invalid: it is not JSON"),
        ("django", "storm", "1:1: snapshot-invalid: orm is"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(before: str, after: str, said: str) -> None:
    (problem,) = refused(TEXT.replace(before, after, 1))
    assert said in problem


def test_every_mistake_is_told_at_once() -> None:
    assert len(refused(TEXT.replace('"decimal"', '"money"').replace('"null": true', '"null": "yes"'))) == 2


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "[" * 100_000, '{"snapshot": true}'])
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    assert "snapshot-invalid" in refused(text)[0]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError) as caught:
        snapshot.read(tmp_path / "nothing.json", "nothing.json")
    assert caught.value.diagnostics[0].slug == "snapshot-unreadable"


def _strategy(kind: Any) -> st.SearchStrategy[Any]:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind is not Location:
        hints = typing.get_type_hints(kind)
        names = [f.name for f in dataclasses.fields(kind) if f.name != "where"]
        return st.deferred(lambda: st.builds(kind, **{name: _strategy(hints[name]) for name in names}))
    if kind is Location:
        return st.builds(Location, st.text(min_size=1), st.integers(0, 10**6))
    if typing.get_origin(kind) is tuple:
        return st.lists(_strategy(typing.get_args(kind)[0]), max_size=2).map(tuple)
    if typing.get_origin(kind) is typing.get_origin(typing.get_type_hints(snapshot.Snapshot)["versions"]):
        return st.dictionaries(st.text(), st.text(), max_size=2)
    if kind is float:
        return st.floats(allow_nan=False)
    return st.from_type(kind)


def _plain(value: Any) -> Any:
    """As the file has it."""
    if isinstance(value, Location):
        return f"{value.path}:{value.line}"
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "where"}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value


@given(_strategy(snapshot.Snapshot))
def test_what_is_written_is_read(value: snapshot.Snapshot) -> None:
    value = dataclasses.replace(value, snapshot=snapshot.FORMAT)
    assert snapshot.parse(json.dumps(_plain(value))) == value
    assert _plain(snapshot.parse(json.dumps(_plain(value), indent=1))) == _plain(value)
