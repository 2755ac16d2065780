from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core import stamp
from scaffold.core.stamp import Mark

# A file's text as an editor would save it; a lone \r would be a newline that no editor writes.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff"), max_size=40)
ORIGINS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["a.proto sha256=" + "0" * 64, "a\nimport os", "a --> b", "\u202e", 'a"""b', "x sha256=" + "f" * 64 + "\n"]
)
PATHS = st.sampled_from(["a/b.py", ".importlinter", "x.pyi", "README.md", "a.toml", "a.js", "index.html", "Dockerfile"])


@given(PATHS, ORIGINS, TEXTS)
def test_what_is_stamped_is_intact(path: str, origin: str, body: str) -> None:
    text = stamp.generated(path, origin, body)
    assert stamp.read(text) is Mark.INTACT
    first, _, rest = text.partition("\n")
    assert rest == body
    assert "scaffold:generated from " in first
    assert first.isascii()


@given(ORIGINS, TEXTS)
def test_what_is_stamped_as_a_stub_is_intact(origin: str, body: str) -> None:
    text = stamp.stub(origin, body)
    assert stamp.read(text) is Mark.INTACT
    assert text.splitlines()[-1].startswith("# scaffold:stub from ")


@given(PATHS, ORIGINS, TEXTS)
def test_newlines_and_byte_order_marks_do_not_count(path: str, origin: str, body: str) -> None:
    for text in (stamp.generated(path, origin, body), stamp.stub(origin, body)):
        assert stamp.read(text.replace("\n", "\r\n")) is Mark.INTACT
        assert stamp.read("\ufeff" + text) is Mark.INTACT


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufeff")


@given(PATHS, TEXTS, st.integers(0, 60), CHARACTERS)
def test_one_more_character_is_an_edit(path: str, body: str, place: int, character: str) -> None:
    header, _, body = stamp.generated(path, "a.proto", body).partition("\n")
    assert stamp.read(f"{header}\n{body[:place]}{character}{body[place:]}") is Mark.EDITED


@given(TEXTS, st.integers(0, 60), CHARACTERS)
def test_one_more_character_in_a_stub_is_an_edit(body: str, place: int, character: str) -> None:
    body, mark, line = stamp.stub("a.proto#S.R", body).rpartition("# scaffold:stub")
    edited = body[:place] + character + body[place:]
    # Before the stamp and on its line, it is not even a stamp any more.
    assert stamp.read(edited + mark + line) is (Mark.EDITED if edited.endswith("\n") else Mark.NONE)
    assert stamp.read(body + mark + line + character) is Mark.NONE


def test_what_an_edit_looks_like() -> None:
    generated = stamp.generated("a.py", "a.proto", "x = 1\n")
    assert stamp.read(generated.replace("x = 1", "x = 2")) is Mark.EDITED
    assert stamp.read("import os\n" + generated) is Mark.NONE
    stub = stamp.stub("a.proto#S.R", "x = 1\n")
    assert stamp.read(stub.replace("x = 1", "x = 2")) is Mark.EDITED
    assert stamp.read(stub + "\n# mine\n") is Mark.NONE
    assert stamp.read(stub.rsplit("# scaffold", 1)[0]) is Mark.NONE
    assert stamp.read("x = 1\n") is Mark.NONE
    assert stamp.read("") is Mark.NONE


@pytest.mark.parametrize(
    ("path", "start", "end"),
    [
        ("a.py", "# ", ""),
        ("a.md", "<!-- ", " -->"),
        ("a.html", "<!-- ", " -->"),
        ("a.js", "// ", ""),
        (".importlinter", "# ", ""),
    ],
)
def test_the_header_is_a_comment_of_the_file(path: str, start: str, end: str) -> None:
    line = stamp.generated(path, "a.proto", "body\n").splitlines()[0]
    assert line.startswith(f"{start}scaffold:generated from a.proto sha256=")
    assert line.endswith(end)


@given(ORIGINS)
def test_an_origin_is_never_code(origin: str) -> None:
    """Origins hold file names and RPCs from protos."""
    assert len(ast.parse(stamp.generated("a.py", origin, "x = 1\n")).body) == 1
    assert len(ast.parse(stamp.stub(origin, "x = 1\n")).body) == 1
    header = stamp.generated("a.md", origin, "body").splitlines()[0]
    assert header.count("-->") == 1


def test_formatters_find_nothing_to_do_around_a_stub() -> None:
    assert stamp.stub("o", "x = 1").startswith("x = 1\n\n\n# scaffold:stub from o sha256=")
    assert stamp.stub("o", "x = 1\n\n\n\n").startswith("x = 1\n\n\n# scaffold:stub from o sha256=")


def test_the_digest_is_that_of_the_text_below() -> None:
    import hashlib

    text = stamp.generated("a.py", "a.proto", "x = 'ü'\n")
    assert hashlib.sha256("x = 'ü'\n".encode()).hexdigest() in text.splitlines()[0]
    assert stamp.digest("a\r\nb") == stamp.digest("a\nb")
