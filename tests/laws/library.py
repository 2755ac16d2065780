"""A small API that can be changed in the ways in which APIs change, and what a person does beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support import write

SETTINGS = """\
[stores.library]
proto = "library.proto"
services = ["library.Library"]

[processes.desk]
proto = "desk.proto"
services = ["desk.Desk"]
uses = ["library"]
"""
DESK = """\
syntax = "proto3";

package desk;

import "library.proto";

service Desk {
  rpc Lend(LendRequest) returns (library.Book);
}

message LendRequest {
  string book = 1;
}
"""
RPCS = {
    "GetBook": "GetBookRequest",
    "ListBooks": "ListBooksRequest",
    "CreateBook": "CreateBookRequest",
    "DeleteBook": "GetBookRequest",
    # Renamed, they take their requests along, as linters want it.
    "LendBook": "LendBookRequest",
    "BurnBook": "BurnBookRequest",
    "FetchBook": "FetchBookRequest",
    "CountBook": "CountBookRequest",
    "MoveBook": "MoveBookRequest",
}
_DECLARED = ("GetBook", "ListBooks", "CreateBook")  # always, whoever takes them
ANSWERS = {"ListBooks": "ListBooksResponse"}


@dataclass(frozen=True)
class Library:
    """One state of library.proto."""

    rpcs: tuple[str, ...] = ("GetBook", "ListBooks", "LendBook")
    comment: str = "Keeps books."
    fields: tuple[str, ...] = ("string id = 1;",)
    requests: dict[str, str] = field(default_factory=dict)
    split: bool = False  # Book is declared in a file of its own

    def text(self) -> str:
        """The proto."""
        rpcs = "\n".join(
            f"  // {name}: {self.comment}\n"
            f"  rpc {name}({self.requests.get(name, RPCS[name])}) returns ({ANSWERS.get(name, 'Book')});"
            for name in self.rpcs
        )
        imported = 'import public "book.proto";\n\n' if self.split else ""
        own = "".join(
            f"message {RPCS[name]} {{\n  string id = 1;\n}}\n\n"
            for name in self.rpcs
            if RPCS[name] == f"{name}Request" and name not in _DECLARED
        )
        return (
            f'syntax = "proto3";\n\npackage library;\n\n{imported}// {self.comment}\nservice Library {{\n{rpcs}\n}}\n\n'
            f"{'' if self.split else self._book()}"
            f"{own}"
            "message GetBookRequest {\n  string id = 1;\n}\n\n"
            "message OtherRequest {\n  string id = 1;\n}\n\n"
            "message ListBooksRequest {\n  int32 page_size = 1;\n  string page_token = 2;\n}\n\n"
            "message ListBooksResponse {\n  repeated Book books = 1;\n  string next_page_token = 2;\n}\n\n"
            "message CreateBookRequest {\n  Book book = 1;\n}\n"
        )

    def _book(self) -> str:
        return "message Book {\n" + "".join(f"  {line}\n" for line in self.fields) + "}\n\n"

    def put(self, root: Path) -> None:
        """Write it into a workspace."""
        (root / "protos/library.proto").write_text(self.text(), encoding="utf-8")
        (root / "protos/book.proto").unlink(missing_ok=True)
        if self.split:
            text = f'syntax = "proto3";\n\npackage library;\n\n{self._book()}'
            (root / "protos/book.proto").write_text(text, encoding="utf-8")

    def added(self, rpc: str) -> Library:
        """With one RPC more."""
        return self if rpc in self.rpcs else replace(self, rpcs=(*self.rpcs, rpc))

    def removed(self, rpc: str) -> Library:
        """Without an RPC; a service keeps one at least."""
        rest = tuple(r for r in self.rpcs if r != rpc)
        return replace(self, rpcs=rest) if rest else self

    def renamed(self, old: str, new: str) -> Library:
        """With an RPC under another name."""
        if old not in self.rpcs or new in self.rpcs:
            return self
        return replace(self, rpcs=tuple(new if r == old else r for r in self.rpcs))

    def one(self, number: int) -> str:
        """One of its RPCs."""
        return self.rpcs[number % len(self.rpcs)]

    def other(self, number: int) -> str:
        """One that it could have, and has not; one of its own where it has them all."""
        others = [name for name in sorted(RPCS) if name not in self.rpcs]
        return others[number % len(others)] if others else self.one(number)

    def along(self, old: int, new: int) -> Library:
        """With an RPC under another name, and its request with it, as a linter wants it."""
        clean = [name for name, request in RPCS.items() if request == f"{name}Request" and name not in _DECLARED]
        mine, others = [r for r in self.rpcs if r in clean], [r for r in clean if r not in self.rpcs]
        return self.renamed(mine[old % len(mine)], others[new % len(others)]) if mine and others else self

    def turned(self) -> Library:
        """In another order."""
        return replace(self, rpcs=self.rpcs[::-1])

    def commented(self, comment: str) -> Library:
        """With other comments."""
        return replace(self, comment=comment)

    def asked(self, rpc: str) -> Library:
        """With another request of an RPC."""
        other = "OtherRequest" if self.requests.get(rpc) != "OtherRequest" else RPCS[rpc]
        return self if rpc == "ListBooks" else replace(self, requests={**self.requests, rpc: other})

    def grown(self, number: int) -> Library:
        """With one field more in the message."""
        taken = any(f" {number + 2};" in line for line in self.fields)
        return self if taken else replace(self, fields=(*self.fields, f"string field_{number} = {number + 2};"))

    def changed(self, number: int, how: str) -> Library:
        """With something done to a field that was grown: lost and reserved, of another type, under another name."""
        old = next((line for line in self.fields if f"= {number + 2};" in line), "")
        new = {
            "lost": f"reserved {number + 2};",
            "retyped": f"int32 field_{number} = {number + 2};",
            "renamed": f"string title_{number} = {number + 2};",
            "in a oneof": f"oneof of_{number} {{ string field_{number} = {number + 2}; }}",
        }[how]
        return replace(self, fields=tuple(new if line == old else line for line in self.fields)) if old else self

    def moved(self) -> Library:
        """With its message in another file."""
        return replace(self, split=not self.split)


def make(root: Path) -> None:
    """The workspace, not generated yet."""
    write(root, {"scaffold.toml": SETTINGS, "protos/desk.proto": DESK, "protos/library.proto": Library().text()})
