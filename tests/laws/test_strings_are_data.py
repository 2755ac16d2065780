"""Law 6: every string from a proto is data. Whatever it holds, the code around it is the same code."""

from __future__ import annotations

import ast
import functools
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core.files import component_files
from scaffold.core.render import Renderer
from scaffold.core.settings import load
from scaffold.shell import data, templates
from scaffold.verbs.generate import compile_api, with_services
from tests.support import write

_PIECES = [
    '"""', "'''", '"', "'", "\\", '\\"', "\\N{BULLET}", "\\x00", "{{ 7 * 7 }}", "{% endraw %}", "{#", "import os", "\t",
    "\x0b", "\x0c", "\x1b", "\x7f", "\u0085", "\u2028", "\u202e", "\ufeff", "\n", "  ",
    "# scaffold:stub from x sha256=" + "0" * 64, "ünïcödé", "🛒", "-->", "]]>", "${HOME}", "%(x)s", "word ", "x" * 130,
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=7).map("".join)
PROTO = """\
syntax = "proto3";

// {comment}
package p;

import "google/api/resource.proto";

// {comment}
service Things {{
  // {comment}
  rpc GetThing(GetThingRequest) returns (Thing);
  // {comment}
  rpc Do(GetThingRequest) returns (stream Thing);
}}

// {comment}
message Thing {{
  option (google.api.resource) = {{type: "{option}" pattern: "things/{{thing}}{option}"}};
  // {comment}
  string name = 1;  // {comment}
  // {comment}
  repeated Thing things = 2;
  // {comment}
  enum Kind {{
    // {comment}
    ZERO = 0;
  }}
}}

message GetThingRequest {{
  string name = 1;
}}
"""
TOML = """\
[stores.things]
proto = '''{proto}'''

[processes.doing]
proto = '''{proto}'''
uses = ["things"]
vendors = ["pay"]

[vendors.pay]
peer_service = "{peer}"
"""


def generated(root: Path, comment: str, option: str) -> dict[str, str]:
    """What is generated, by path, from an API whose strings are these; without the runtime, which is the same always."""
    lines = comment.replace("\r", "").replace("\x00", "").split("\n")
    quoted = "".join(f"\\{b:03o}" for b in option.encode())
    (root / "things.proto").write_text(PROTO.format(comment="\n// ".join(lines), option=quoted), encoding="utf-8")
    return render_all(root, "things.proto", "".join(f"\\U{ord(c):08x}" for c in option))


def render_all(root: Path, proto: str, peer: str = "x") -> dict[str, str]:
    """What is generated for a store and a process from one proto."""
    api, serialized = compile_api(((".", root),), [proto])
    configuration = load(TOML.format(proto=proto, peer=peer), "0")
    renderer = Renderer(templates.loader(data.folder("templates")))
    made = {}
    for unit in configuration.components():
        component = component_files(with_services(unit, api), api, configuration, serialized, {})
        for file in component.files:
            made[file.path] = renderer.artifact(file).content.decode()
        view = component.skeleton
        made[f"{unit.path}/first_app.py"] = f"{view.app_imports}\n\n\ndef build():\n    {view.app_build}\n"
    return made


class _Strings(ast.NodeTransformer):
    """Takes every string out of a tree, docstrings altogether: what is left is what the code does."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        # A function of a stub has a docstring for its body, or an ellipsis.
        if isinstance(node.value, ast.Constant) and (isinstance(node.value.value, str) or node.value.value is ...):
            return None
        return ast.Expr(self.visit(node.value))

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(type(node.value).__name__ if isinstance(node.value, str | bytes) else node.value)


def code_of(path: str, text: str) -> str:
    """A file without its strings: equal for two files that do the same."""
    if path.endswith((".py", ".pyi")):
        return ast.dump(_Strings().visit(ast.parse(text)))
    return re.sub(r"# scaffold:generated.*", "", text)


@functools.cache
def plain() -> dict[str, str]:
    """The code that is generated from harmless strings."""
    with tempfile.TemporaryDirectory() as folder:
        made = generated(Path(folder), "Plain.", "x")
    return {path: code_of(path, text) for path, text in made.items()}


@settings(max_examples=25)
@given(comment=TEXTS, option=TEXTS)
def test_no_string_becomes_code(tmp_path: Path, comment: str, option: str) -> None:
    made = generated(tmp_path, comment, option)
    if not re.search(r"[{}*]", option):  # else it is no pattern, and there is no class of names
        assert made.keys() == plain().keys()
        assert [path for path, text in made.items() if code_of(path, text) != plain()[path]] == []
    for path, text in made.items():
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", text), path
        assert not re.search(r"\b49\b", text), "a template ran"


@pytest.mark.parametrize(
    "name",
    ['we"ird.proto', "it's.proto", "a b.proto", "x --> y.proto", "{{ 7 }}.proto", "ü.proto", "#.proto", "1.2.3.proto"],
)
def test_no_file_name_becomes_code(name: str, tmp_path: Path) -> None:
    text = 'syntax = "proto3"; package p; service S { rpc A(M) returns (M); } message M {}'
    write(tmp_path, {name: text, "plain.proto": text})
    made, other = render_all(tmp_path, name), render_all(tmp_path, "plain.proto")
    assert made.keys() == other.keys()
    code = [path for path in made if path.endswith((".py", ".pyi"))]
    assert [path for path in code if code_of(path, made[path]) != code_of(path, other[path])] == []
    for text in made.values():
        assert len(text.splitlines()[0]) < 200
