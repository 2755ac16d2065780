from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core import pycode
from scaffold.core.pycode import Imports
from tests.support import tool

_PIECES = [
    '"""', '"', "'''", "'", "\\", "\\\\", '\\"', "\\N{BULLET}", "\\x41", "\\u0041", "\\\n", "\n", "\r", "\r\n", "\t",
    "\x00", "\x0b", "\x0c", "\x1b[31m", "\x7f", "\x85", "\u061c", "\u200e", "\u200f", "\u2028", "\u2029", "\u202e",
    "\u2066", "\u2069", "\ufeff", "{{ x }}", "{% raw %}", "{#", "${x}", "%s", "#", "import os", "\n\n    ", "Ünïcödé",
    "中文", "🛒", " ", "word", "a-rather-long-word " * 9, "x" * 150,
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(_PIECES) | st.text(max_size=6), max_size=12).map("".join)
UNSAFE = "\x00\x0b\x0c\x1b\x7f\x85\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\r"


@given(HOSTILE)
def test_a_literal_is_the_text_and_nothing_else(text: str) -> None:
    written = pycode.literal(text)
    assert ast.literal_eval(written) == text
    assert "\n" not in written
    assert not set(written) & set(UNSAFE)
    tree = ast.parse(written)
    assert len(tree.body) == 1


def test_a_literal_of_a_lone_surrogate() -> None:
    assert ast.literal_eval(pycode.literal("\ud800")) == "\ud800"


@given(HOSTILE, st.sampled_from([0, 4, 8]))
def test_a_docstring_is_the_text_and_nothing_else(text: str, indent: int) -> None:
    pad = " " * indent
    source = f"{pad}{pycode.docstring(text, indent)}\n{pad}marker = 1\n"
    source = f"class A:\n{source}" if indent == 4 else f"class A:\n    class B:\n{source}" if indent else source
    node: ast.Module | ast.ClassDef = ast.parse(source)
    for _ in range(indent // 4):
        inner = node.body[0]
        assert isinstance(inner, ast.ClassDef)
        node = inner
    assert len(node.body) == 2, "a part of the text became code"
    written = ast.get_docstring(node, clean=False)
    assert written is not None
    # Line breaks may move, and tabs become spaces; every word is there, unchanged and in order.
    assert written.split() == text.split()
    assert not set(source) & set(UNSAFE)


@given(st.lists(st.sampled_from(["word", "a", "longer-word", "x" * 30, "ends."]), min_size=1, max_size=60))
def test_docstrings_keep_to_the_width(words: list[str]) -> None:
    text = " ".join(words)
    for indent in (0, 4, 8):
        written = pycode.docstring(text, indent)
        first, *rest = written.split("\n")
        assert all(len(line) <= pycode.WIDTH for line in [" " * indent + first, *rest])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""""""'),
        ("One line.", '"""One line."""'),
        ("  padded  ", '"""padded"""'),
        ("a\n\n    b\n  c", '"""a\n\n      b\n    c\n    """'),
        ('says "no"', '"""says \\"no\\""""'),
        ('a "word" in it', '"""a "word" in it"""'),
        ('"quoted" first', '""" "quoted" first"""'),
        ('"""', '"""\\"\\"\\""""'),
        ("ends in \\", '"""ends in \\\\"""'),
    ],
)
def test_docstring_by_example(text: str, expected: str) -> None:
    assert pycode.docstring(text, 4) == expected


def test_a_paragraph_that_is_too_wide_is_filled_anew_and_the_others_stay() -> None:
    wide = "word " * 30
    text = f"{wide}\nand its end.\n\nA short\nparagraph.\n\n- {wide}\n- one more\n  {wide}\n1. {wide}"
    lines = pycode.docstring(text).split("\n")
    assert lines[:2] == ['"""' + " ".join(["word"] * 23), " ".join(["word"] * 7) + " and its end."]
    assert lines[2:5] == ["", "A short", "paragraph."]
    assert [line[:6] for line in lines[6:]] == [
        "- word",
        "word w",
        "- one ",
        "  word",
        "  word",
        "1. wor",
        "word w",
        '"""',
    ]


@given(HOSTILE)
def test_a_comment_stays_one(text: str) -> None:
    if text.strip():
        source = f"{pycode.comment(text)}\nmarker = 1\n"
        assert len(ast.parse(source).body) == 1
        assert all(line.startswith("#") for line in source.split("\n")[:-2])


@given(st.lists(HOSTILE, max_size=5))
def test_strings_are_a_tuple(values: list[str]) -> None:
    tree = ast.parse(pycode.strings("X = ", values))
    assert len(tree.body) == 1
    statement = tree.body[0]
    assert isinstance(statement, ast.Assign)
    assert ast.literal_eval(statement.value) == tuple(values)


_WORDS = ["Cart", "cart", "URL", "Url", "V2", "V10", "_cart", "a", "B", "float", "str", "Callable", "get_v2", "get_v10"]
_MODULES = [
    "collections.abc",
    "dataclasses",
    "google.protobuf.empty_pb2",
    "shop.app",
    "..runtime",
    ".api",
    "",
    ".m2",
    ".m10",
]
ADDED = st.lists(st.tuples(st.sampled_from(_MODULES), st.sampled_from(_WORDS)), max_size=25)


@given(ADDED, st.frozensets(st.sampled_from(_WORDS)))
def test_imports_never_clash(added: list[tuple[str, str]], reserved: frozenset[str]) -> None:
    # A whole module cannot be renamed, so it is only imported under names that nothing else wants.
    added = [(module, name if module else "asyncio") for module, name in added]
    imports = Imports(reserved)
    locals_ = {pair: imports.add(*pair) for pair in added}
    assert {pair: imports.add(*pair) for pair in added} == locals_, "the same import gave another name"
    assert len(set(locals_.values())) == len(locals_)
    assert not set(locals_.values()) & (reserved | {"float", "str"})
    bound: dict[tuple[str, str], str] = {}
    for statement in ast.parse(imports.lines()).body:
        assert isinstance(statement, ast.Import | ast.ImportFrom)
        module = "." * statement.level + (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""
        bound |= {(module, alias.name): alias.asname or alias.name for alias in statement.names}
    assert bound == locals_


def test_imports_group_and_sort() -> None:
    imports = Imports(frozenset({"Cart"}))
    for module, name in [
        (".api", "Cart"), ("..runtime", "Rpc"), ("shop.app", "Context"), ("google.protobuf.empty_pb2", "Empty"),
        ("collections.abc", "Callable"), ("", "asyncio"), (".api", "AddItem"), (".api", "MAX"), (".api", "item"),
    ]:  # fmt: skip
        imports.add(module, name)
    assert imports.lines(first_party=frozenset({"shop"})).splitlines() == [
        "import asyncio",
        "from collections.abc import Callable",
        "",
        "from google.protobuf.empty_pb2 import Empty",
        "",
        "from shop.app import Context",
        "",
        "from ..runtime import Rpc",
        "from .api import MAX, AddItem, item",
        "from .api import Cart as Cart_",
    ]


@pytest.mark.parametrize("names", [["one"], ["x" * 60, "y" * 60], [f"name_{i}" for i in range(30)]])
def test_fit_keeps_to_the_width(names: list[str]) -> None:
    for indent in (0, 4, 8):
        written = pycode.fit("call(", tuple(names), ")", indent)
        assert all(len(line) <= pycode.WIDTH for line in (" " * indent + written).split("\n"))
        assert len(ast.parse(written).body) == 1


def test_the_layout_is_that_of_ruff(tmp_path: Path) -> None:
    """Texts, calls, signatures, tuples and imports of many lengths: nothing for a formatter or an import sorter to do."""
    draw = random.Random(20240229)
    blocks, imports = [], Imports()
    for number in range(150):
        words = [
            draw.choice(["cart", "a", "item_of_an_order", "x" * draw.randint(1, 40)])
            for _ in range(draw.randint(1, 14))
        ]
        # Docstrings: the pieces a formatter has a view on are quotes, backslashes and empty lines.
        text = " ".join(draw.choice([*words, '"quoted"', "\\", "'", "\n", "\n\n"]) for _ in range(draw.randint(1, 40)))
        unique = [f"{word}_{i}" for i, word in enumerate(words)]
        blocks += [
            f"class A{number}:\n    {pycode.docstring(text, 4)}\n\n    "
            + pycode.fit(f"def method_{number}(", ("self", *unique), ") -> None:", 4)
            + f"\n        {pycode.docstring(text, 8)}\n        "
            + pycode.fit("return call(", tuple(unique), ")", 8),
            pycode.strings(f"STRINGS_{number}: tuple[str, ...] = ", words)
            + "\n"
            + pycode.exploded(f"value_{number} = call(", tuple(f"{u}={u}" for u in unique), ")"),
        ]
        module = draw.choice(
            ["shop.app", "shop.v2", "shop.v10", "..runtime", ".api", ".messages.v1", "google.type", "collections.abc"]
        )
        imports.add(
            module,
            draw.choice(["Cart", "cart", "CART", "_cart", "V2", "V10", "Url", "URL"]) + draw.choice(["", "1", "10"]),
        )
    header = f'"""Module."""\n\n{imports.lines(first_party=frozenset({"shop"}))}\n'
    file = tmp_path / "laid_out.py"
    file.write_text(f"{header}\n\n" + "\n\n\n".join(blocks) + "\n", encoding="utf-8")
    formatted = tool("ruff", "format", "--isolated", "--line-length", "120", "--diff", str(file), cwd=tmp_path)
    assert formatted.returncode == 0, formatted.stdout[:4000]
    sorting = ("check", "--isolated", "--line-length", "120", "--select", "I", "--diff")
    first_party = ("--config", 'lint.isort.known-first-party = ["shop"]')
    ordered = tool("ruff", *sorting, *first_party, str(file), cwd=tmp_path)
    assert ordered.returncode == 0, ordered.stdout[:4000]
