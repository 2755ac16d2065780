"""The .pyi files: a type checker accepts what works at run time, and nothing else."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.support import python, scaffold, tool, write

WORKSPACE = {
    "scaffold.toml": '[stores.shop]\nproto = "shop/v1/shop.proto"\n',
    "protos/shop/v1/shop.proto": """
        syntax = "proto3";
        package shop.v1;
        import "other/common.proto";
        import "google/protobuf/timestamp.proto";
        import "google/type/money.proto";
        import "old.proto";

        service Shop { rpc GetCart(Ref) returns (Cart); }

        message Ref { string name = 1; }
        // A cart. Says \"\"\"quotes\"\"\".
        message Cart {
          string name = 1;
          // How many.
          int32 count = 2;
          optional bool gift = 3;
          repeated Item items = 4;
          repeated string tags = 5;
          map<string, Item> by_name = 6;
          map<string, int64> totals = 7;
          oneof payment { string card = 8; Item voucher = 9; }
          State state = 10;
          google.protobuf.Timestamp create_time = 11;
          google.type.Money total = 12;
          other.Note note = 13;
          repeated Colour colours = 14;
          enum Colour { RED = 0; BLUE = 1; }
          old.Old old = 15;
          bytes picture = 16;
          double weight = 17;
          other.Note.Kind kind = 18;
          map<string, State> states = 19;
        }
        message Item { string name = 1; }
        enum State { STATE_UNSPECIFIED = 0; OPEN = 1; lambda = 2; }

        // Names that hide others.
        message str { string str = 1; int32 int = 2; }
        message List { repeated List List = 1; map<string, List> dict = 2; }
        message property { property property = 1; bytes bytes = 2; }
        message Outer {
          message Item { shop.v1.Item outer = 1; Item own = 2; }
          message None { string x = 1; }
          enum E { ZERO = 0; Ref = 1; True = 2; }
          Item item = 1;
          None none = 2;
          shop.v1.Ref ref = 3;
          E e = 4;
        }
        message Keywords { string from = 1; int32 import = 2; string self = 3; string Clear = 4; string fine = 5; }
        message _Message { _Message _Message = 1; string _str = 2; int32 _int = 3; }
        message Two { oneof a { int32 x = 1; } oneof b { int32 y = 2; } }
        message Empty {}
    """,
    "protos/other/common.proto": """
        syntax = "proto3";
        package other;
        message Note { enum Kind { KIND_UNSPECIFIED = 0; GOOD = 1; } string text = 1; }
    """,
    "protos/old.proto": """
        syntax = "proto2";
        package old;
        message Old {
          required int32 must = 1;
          optional string may = 2;
          repeated int32 many = 3;
          optional group Inner = 4 { optional int32 x = 1; }
          extensions 100 to 200;
        }
    """,
}

# Lines that end in `# error: CODE` have to be refused with that code; no other line may be.
USES = """
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.message import Message
from shop.gen.api import Cart, Item, Keywords, List, Outer, OPEN, State, Two, lambda_, property as property_, str as str_
from shop.gen.messages.other import Note
from shop.gen.messages.old import Old
from shop.gen.messages.shop_v1 import Empty, _Message


cart = Cart(name="a", count=1, gift=True, items=[Item(name="b")], tags=["x"], by_name={"k": Item()}, totals={"k": 1})
cart = Cart(create_time=Timestamp(), note=Note(text="x"), state=OPEN, colours=[Cart.RED], old=Old(must=1), picture=b"")
cart = Cart(state="OPEN", kind=Note.GOOD, weight=1, name=None)
Cart("positional")  # error: call-arg
Cart(nmae="a")  # error: call-arg
Cart(name=1)  # error: arg-type
Cart(count="1")  # error: arg-type
Cart(items=[Note()])  # error: list-item
Cart(items=Item())  # error: arg-type
Cart(state=Cart.RED)  # error: arg-type
Cart(by_name={1: Item()})  # error: dict-item
Cart(picture="text")  # error: arg-type

text: str = cart.name
number: int = cart.count
flag: bool = cart.gift
weight: float = cart.weight
items: Sequence[Item] = cart.items
first: Item = cart.items[0]
item: Item = cart.by_name["k"]
total: int = cart.totals["k"]
state: State = cart.state
also: int = cart.state
when: Timestamp = cart.create_time
states: State = cart.states["x"]
old: int = cart.old.must
many: Sequence[int] = cart.old.many
inner: int = cart.old.inner.x
nothing = cart.nothing  # error: attr-defined
wrong: int = cart.name  # error: assignment

cart.name = "b"
cart.count += 1
cart.name = 3  # error: assignment
cart.items = cart.items  # error: misc
cart.create_time = Timestamp()  # error: misc
cart.items.append(Item())
cart.items.append("x")  # error: arg-type
cart.items.add(name="x").name = "y"
cart.totals["x"] = 2
cart.totals["x"] = "2"  # error: assignment
cart.by_name["x"].name = "y"
cart.create_time.GetCurrentTime()
cart.state = State.OPEN
cart.state = OPEN
cart.state = Cart.Colour.BLUE  # error: assignment

cart.HasField("gift")
cart.HasField("payment")
cart.HasField("create_time")
cart.HasField("name")  # error: arg-type
cart.HasField("items")  # error: arg-type
cart.ClearField("items")
cart.ClearField("nothing")  # error: arg-type
which: str | None = cart.WhichOneof("payment")
if cart.WhichOneof("payment") == "card":
    pass
if cart.WhichOneof("payment") == "cart":  # error: comparison-overlap
    pass
cart.WhichOneof("else")  # error: arg-type
Two().WhichOneof("a")
Two().WhichOneof("b")
Two().WhichOneof("c")  # error: call-overload

State.Name(1).upper()
value: State = State.Value("OPEN")
State.Name("OPEN")  # error: arg-type
number = lambda_

# Names that hide others.
hidden: str = str_(str="a", int=1).str
inside: int = str_().int
self_made: List = List(List=[List()]).List[0]
mapped: List = List().dict["x"]
prop: property_ = property_(property=property_()).property
raw: bytes = property_().bytes
outer_item: Item = Outer.Item(outer=Item(), own=Outer.Item()).outer
own: Outer.Item = Outer(item=Outer.Item()).item.own
Outer(item=Item())  # error: arg-type
none: str = Outer().none.x
nested: Outer.None_ = Outer.None_(x="y")
reference: str = Outer().ref.name
kind: Outer.E = Outer.True_
kind = Outer.Ref
words = Keywords(fine="x", self="me", **{"from": "a", "import": 1})
words.fine.upper()
words.self.upper()
words.imports  # error: attr-defined
private: _Message = _Message(_str="x", _int=1)._Message
letters: str = private._str
digits: int = private._int
message: Message = Empty()
Empty(x=1)  # error: call-arg
copied = Cart.FromString(cart.SerializeToString())
copied.CopyFrom(cart)
copied.CopyFrom(Item())  # error: arg-type
"""

TRUTH = '''
"""Whatever the .pyi declares is there at run time."""
import ast, importlib, pathlib, sys

checked = 0
for file in pathlib.Path(sys.argv[1]).rglob("messages/*.pyi"):
    parts = file.relative_to(sys.argv[1]).with_suffix("").parts
    module = importlib.import_module(".".join(parts))

    def look(owner, body, path):
        global checked
        for node in body:
            if isinstance(node, ast.ClassDef):
                found = getattr(owner, node.name)  # AttributeError: the .pyi lies
                look(found, node.body, f"{path}.{node.name}")
            elif isinstance(node, ast.AnnAssign | ast.FunctionDef):
                name = node.name if isinstance(node, ast.FunctionDef) else node.target.id
                # A field is an attribute of messages, not of their class; an enum is no class at run time.
                getattr(owner() if isinstance(owner, type) and not hasattr(owner, name) else owner, name)
            else:
                continue
            if isinstance(node, ast.FunctionDef):
                if node.name == "__init__":
                    owner(**{a.arg: None for a in node.args.kwonlyargs})
                if node.name in ("HasField", "ClearField", "WhichOneof"):
                    names = ast.literal_eval(node.args.args[1].annotation.slice)
                    for name in names if isinstance(names, tuple) else (names,):
                        getattr(owner(), node.name)(name)
            checked += 1

    look(module, ast.parse(file.read_text(encoding="utf-8")).body, module.__name__)
print(checked)
'''


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write(tmp_path_factory.mktemp("stubs"), WORKSPACE)
    said = scaffold(root, "regen")
    assert said.code == 0, said.text
    return root


def test_a_type_checker_accepts_what_is_right_and_refuses_what_is_wrong(shop: Path, tmp_path: Path) -> None:
    uses = tmp_path / "uses.py"
    uses.write_text(USES, encoding="utf-8")
    source = tmp_path / "src"
    shutil.copytree(shop / "services/shop/src", source)
    # The messages need one module of the runtime; without the rest of it this takes a tenth of the time.
    (source / "shop/gen/runtime/__init__.py").write_text("", encoding="utf-8")
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {source}\ncache_dir = {tmp_path / 'cache'}\nshow_error_codes = true\n"
        "[mypy-google.type.*]\nfollow_imports = skip\nignore_missing_imports = true\n",
        encoding="utf-8",
    )
    checked = tool("mypy", "--config-file", str(config), str(uses), cwd=tmp_path)
    found = set()
    for line in checked.stdout.splitlines():
        if match := re.match(r"(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$", line):
            assert Path(match["file"]).name == "uses.py", line
            found.add((int(match["line"]), match["code"]))
    wanted = {
        (number, line.split("# error: ")[1])
        for number, line in enumerate(USES.splitlines(), start=1)
        if "# error: " in line
    }
    assert found == wanted, checked.stdout + checked.stderr
    assert len(wanted) > 25


def test_the_stubs_tell_the_truth(shop: Path) -> None:
    source = shop / "services/shop/src"
    ran = python(f"import sys; sys.argv[1:] = [{str(source)!r}]\n{TRUTH}", source)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 100


def test_comments_are_docstrings(shop: Path) -> None:
    text = (shop / "services/shop/src/shop/gen/messages/shop_v1.pyi").read_text(encoding="utf-8")
    assert 'class Cart(_Message_):\n    """A cart. Says \\"\\"\\"quotes\\"\\"\\"."""' in text
    assert '    count: _int_\n    """How many."""' in text


def test_the_stubs_import_nothing_under_a_name_of_the_api(shop: Path) -> None:
    text = (shop / "services/shop/src/shop/gen/messages/shop_v1.pyi").read_text(encoding="utf-8")
    names = {line.split(" as ")[-1] for line in text.splitlines() if line.startswith("from ")}
    assert names
    assert all(name.startswith("_") for name in names)
    assert not names & {"_Message", "_str", "_int"}
