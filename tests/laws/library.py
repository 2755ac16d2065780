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

    def text(self) -> str:
        """The proto."""
        rpcs = "\n".join(
            f"  // {name}: {self.comment}\n"
            f"  rpc {name}({self.requests.get(name, RPCS[name])}) returns ({ANSWERS.get(name, 'Book')});"
            for name in self.rpcs
        )
        own = "".join(
            f"message {RPCS[name]} {{\n  string id = 1;\n}}\n\n"
            for name in self.rpcs
            if RPCS[name] == f"{name}Request" and name not in _DECLARED
        )
        fields = "\n".join(f"  {f}" for f in self.fields)
        return (
            f'syntax = "proto3";\n\npackage library;\n\n// {self.comment}\nservice Library {{\n{rpcs}\n}}\n\n'
            f"message Book {{\n{fields}\n}}\n\n"
            f"{own}"
            "message GetBookRequest {\n  string id = 1;\n}\n\n"
            "message OtherRequest {\n  string id = 1;\n}\n\n"
            "message ListBooksRequest {\n  int32 page_size = 1;\n  string page_token = 2;\n}\n\n"
            "message ListBooksResponse {\n  repeated Book books = 1;\n  string next_page_token = 2;\n}\n\n"
            "message CreateBookRequest {\n  Book book = 1;\n}\n"
        )

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
        line = f"string field_{number} = {number + 2};"
        return self if line in self.fields else replace(self, fields=(*self.fields, line))


def make(root: Path) -> None:
    """The workspace, not generated yet."""
    write(root, {"scaffold.toml": SETTINGS, "protos/desk.proto": DESK, "protos/library.proto": Library().text()})
