from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.core.differences import Comparison, Side, compare
from scaffold.core.rows import Reads
from tests.support import compile_api

HEAD = 'syntax = "proto3";\npackage p;\n'


@functools.cache
def side(text: str, head: str = HEAD) -> Side:
    with tempfile.TemporaryDirectory() as folder:
        api = compile_api(Path(folder), {"p.proto": f"{head}{text}"})
    return Side(api, tuple(s.full_name for s in api.services), frozenset({"p.proto"}))


def compared(old: str, new: str) -> Comparison:
    return compare(side(old), side(new))


def said(old: str, new: str) -> list[tuple[str, str, str, str]]:
    return [(d.what, d.kind, d.before, d.after) for d in compared(old, new).differences]


# Which RPCs were perhaps renamed.

TYPES = "message Empty {}\nmessage User { string name = 1; }\nmessage Shared { string id = 1; }\n"


def service(rpcs: str, types: str = "") -> str:
    return f"service S {{\n{rpcs}\n}}\n{TYPES}{types}"


STOP = "rpc Stop(StopRequest) returns (StopResponse);"
HALT = "rpc Halt(HaltRequest) returns (HaltResponse);"
STOP_TYPES = "message StopRequest { string name = 1; }\nmessage StopResponse { User user = 1; }\n"
HALT_TYPES = STOP_TYPES.replace("Stop", "Halt")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            service(STOP, STOP_TYPES),
            service(HALT, HALT_TYPES),
            "same place, and StopRequest, StopResponse have the same fields under their new names",
        ),
        (
            service(STOP, STOP_TYPES),
            service(HALT, HALT_TYPES.replace("string name = 1;", "string name = 1; bool hard = 2;")),
            "same place, and StopRequest, StopResponse have the same fields under their new names (HaltRequest.hard came)",
        ),
        (
            service(f"{STOP} rpc Go(Shared) returns (User);", STOP_TYPES),
            service(f"rpc Go(Shared) returns (User); {HALT}", HALT_TYPES),
            "StopRequest, StopResponse have the same fields under their new names",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (User);", HALT_TYPES),
            "same place, and StopRequest has the same fields under its new name",
        ),
        (
            service("rpc Stop(Shared) returns (StopResponse);", STOP_TYPES),
            service("rpc Halt(Shared) returns (HaltResponse);", HALT_TYPES),
            "same place, and StopResponse has the same fields under its new name",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(StopRequest) returns (User);", STOP_TYPES),
            "same place, and it still has StopRequest, which nobody else has",
        ),
        (
            service("rpc FetchUser(FetchUserRequest) returns (User);", "message FetchUserRequest { string name = 1; }"),
            service("rpc GetUser(GetUserRequest) returns (User);", "message GetUserRequest { string name = 1; }"),
            "same place, and FetchUserRequest has the same fields under its new name",
        ),
        (  # what is in the types was renamed with them
            service(
                "rpc Stop(StopRequest) returns (User);",
                "message StopRequest { StopKind kind = 1; repeated StopPart parts = 2; }\n"
                "enum StopKind { STOP = 0; }\nmessage StopPart { StopPart inner = 1; }",
            ),
            service(
                "rpc Halt(HaltRequest) returns (User);",
                "message HaltRequest { HaltKind kind = 1; repeated HaltPart parts = 2; }\n"
                "enum HaltKind { STOP = 0; HALT = 1; }\nmessage HaltPart { HaltPart inner = 1; }",
            ),
            "same place, and StopRequest has the same fields under its new name",
        ),
    ],
)
def test_a_likely_rename_has_its_evidence(old: str, new: str, why: str) -> None:
    (found,) = compared(old, new).likely
    assert found.why == why


@pytest.mark.parametrize(
    ("old", "new", "why_not"),
    [
        (
            service("rpc ActivateUser(Shared) returns (Empty);"),
            service("rpc DeleteUser(Shared) returns (Empty);"),
            "that both have Shared and Empty says nothing: neither is named after the RPC",
        ),
        (
            service("rpc Stop(StopRequest) returns (User); rpc Go(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(StopRequest) returns (User); rpc Go(StopRequest) returns (User);", STOP_TYPES),
            "that both have StopRequest and User says nothing: neither is named after the RPC",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (User);", "message HaltRequest { string id = 1; }"),
            "the request of one is StopRequest, of the other HaltRequest, with other fields",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (User);", "message HaltRequest { bytes name = 1; }"),
            "the request of one is StopRequest, of the other HaltRequest, with other fields",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (Empty);", HALT_TYPES),
            "the response of one is User, of the other Empty, with other fields",
        ),
        (  # the old request is still there: the new one is not it
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (User);", STOP_TYPES + HALT_TYPES),
            "the request of one is StopRequest, of the other HaltRequest, with other fields",
        ),
        (
            service("rpc Stop(StopRequest) returns (User);", STOP_TYPES),
            service("rpc Halt(HaltRequest) returns (stream User);", HALT_TYPES),
            "one of them streams where the other does not",
        ),
        (
            service(
                "rpc DeleteUser(DeleteUserRequest) returns (User);", "message DeleteUserRequest { string name = 1; }"
            ),
            service("rpc GetUser(GetUserRequest) returns (User);", "message GetUserRequest { string name = 1; }"),
            "a Delete does not become a Get",
        ),
        (  # `Get` is not what GetterRequest is named after
            service("rpc Get(GetterRequest) returns (User);", "message GetterRequest { string name = 1; }"),
            service("rpc Read(GetterRequest) returns (User);", "message GetterRequest { string name = 1; }"),
            "that both have GetterRequest and User says nothing: neither is named after the RPC",
        ),
    ],
)
def test_what_is_no_rename_and_why(old: str, new: str, why_not: str) -> None:
    found = compared(old, new)
    assert found.likely == ()
    assert [u.why_not for u in found.unlikely] == [why_not]


def test_a_match_has_to_be_the_only_one() -> None:
    old = service(STOP, STOP_TYPES)
    new = service(
        f"{HALT} rpc Rest(RestRequest) returns (RestResponse);", HALT_TYPES + STOP_TYPES.replace("Stop", "Rest")
    )
    found = compared(old, new)
    assert found.likely == ()
    assert {(u.old, u.new) for u in found.unlikely} == {("p.S.Stop", "p.S.Halt"), ("p.S.Stop", "p.S.Rest")}
    assert compared(new, old).likely == ()


def test_two_renames_at_once() -> None:
    other = STOP_TYPES.replace("Stop", "Go").replace("string name", "int32 speed")
    old = service(f"{STOP} rpc Go(GoRequest) returns (GoResponse);", STOP_TYPES + other)
    new = service(f"{HALT} rpc Run(RunRequest) returns (RunResponse);", HALT_TYPES + other.replace("GoRe", "RunRe"))
    assert {(f.old, f.new) for f in compared(old, new).likely} == {("p.S.Stop", "p.S.Halt"), ("p.S.Go", "p.S.Run")}


def test_an_rpc_that_moved_to_another_service() -> None:
    old = f"service A {{ {STOP} rpc Go(Shared) returns (User); }}\nservice B {{}}\n{TYPES}{STOP_TYPES}"
    new = f"service A {{ rpc Go(Shared) returns (User); }}\nservice B {{ {STOP} }}\n{TYPES}{STOP_TYPES}"
    (found,) = compared(old, new).likely
    assert (found.old, found.new, found.why) == ("p.A.Stop", "p.B.Stop", "same name, same types, in another service")


def test_a_rename_that_somebody_decided() -> None:
    """Then it is the same RPC, whatever its types are."""
    old, new = service("rpc A(Shared) returns (Empty);"), service("rpc B(Shared) returns (User);")
    assert said(old, new) == [("remove", "rpc", "p.S.A", ""), ("add", "rpc", "", "p.S.B")]
    found = compare(side(old), side(new), {"p.S.A": "p.S.B"})
    assert [(d.what, d.kind, d.detail) for d in found.differences] == [
        ("rename", "rpc", "A -> B"),
        ("response", "rpc", "Empty -> User"),
    ]


# Services.


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        (
            "service A { rpc X(U) returns (U); } message U {}",
            "service A { rpc Y(U) returns (U); } message U {}",
            {"A": "A"},
        ),
        (
            "service A { rpc X(U) returns (U); } message U {}",
            "service B { rpc X(U) returns (U); } message U {}",
            {"A": "B"},
        ),
        ("service A { rpc X(U) returns (U); } message U {}", "service B { rpc Y(U) returns (U); } message U {}", {}),
        (  # most RPCs by name
            "service A { rpc X(U) returns (U); rpc Y(U) returns (U); } message U {}",
            "service B { rpc X(U) returns (U); rpc Y(U) returns (U); } service C { rpc Z(U) returns (U); } message U {}",
            {"A": "B"},
        ),
        (  # nobody can say which
            "service A { rpc X(U) returns (U); } message U {}",
            "service B { rpc X(U) returns (U); } service C { rpc X(U) returns (U); } message U {}",
            {},
        ),
    ],
)
def test_services_under_another_name(old: str, new: str, pairs: dict[str, str]) -> None:
    assert compared(old, new).services == {f"p.{a}": f"p.{b}" for a, b in pairs.items()}


def test_a_new_version_is_the_same_in_another_package() -> None:
    text = "service S { rpc Stop(StopRequest) returns (User); }\n" + TYPES + STOP_TYPES
    new = side(
        text.replace("string name = 1; }", "string name = 1; string hat = 2; }", 1), 'syntax = "proto3";\npackage q;\n'
    )
    found = compare(side(text), new)
    assert [(d.what, d.kind, d.before, d.after) for d in found.differences] == [
        ("rename", "service", "p.S", "q.S"),
        ("add", "field", "", "q.User.hat"),
    ]


def test_a_type_of_somebody_elses_in_a_new_version(tmp_path: Path) -> None:
    def made(version: str) -> Side:
        files = {
            "a.proto": f"{HEAD}import 'b.proto';\nservice S {{ rpc Get(R) returns (b.{version}.T); }}\n"
            f"message R {{ b.{version}.T t = 1; }}",
            "b.proto": f'syntax = "proto3";\npackage b.{version};\nmessage T {{ int32 x = 1; }}',
        }
        return Side(compile_api(tmp_path / version, files), ("p.S",), frozenset({"a.proto"}))

    found = compare(made("v1"), made("v2")).differences
    arrow = "b.v1.T -> b.v2.T"
    assert [(d.what, d.detail) for d in found] == [("response", arrow), ("retype", arrow)]


# What changed.

M = "message M {{ {} }}\nenum E {{ E_UNSPECIFIED = 0; E_ONE = 1; }}\nmessage N {{ int32 x = 1; }}\nmessage O {{ int32 x = 1; }}"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("string a = 1;", "string a = 1; int32 b = 2;", [("add", "", "b", "= 2 (int32)", False, None)]),
        ("string a = 1; int32 b = 2;", "string a = 1;", [("remove", "b", "", "= 2 (int32)", True, Reads.SAME)]),
        ("string a = 1;", "string b = 1;", [("rename", "a", "b", "a -> b = 1", True, Reads.SAME)]),
        ("int32 a = 1;", "int64 a = 1;", [("retype", "a", "a", "int32 -> int64", False, Reads.SAME)]),
        ("int32 a = 1;", "string a = 1;", [("retype", "a", "a", "int32 -> string", True, Reads.DEFAULT)]),
        ("int32 a = 1;", "int32 a = 2;", [("renumber", "a", "a", "1 -> 2", False, Reads.DEFAULT)]),
        ("int32 a = 1;", "repeated int32 a = 1;", [("retype", "a", "a", "int32 -> repeated int32", True, Reads.SAME)]),
        ("int32 a = 1;", "optional int32 a = 1;", [("retype", "a", "a", "int32 -> optional int32", False, Reads.SAME)]),
        ("E a = 1;", "int32 a = 1;", [("retype", "a", "a", "E -> int32", True, Reads.SAME)]),
        ("map<string, N> a = 1;", "map<int32, N> a = 1;",
         [("retype", "a", "a", "map<string, N> -> map<int32, N>", True, Reads.DEFAULT)]),
        ("map<string, N> a = 1;", "map<string, N> a = 1;", []),
        ("int32 a = 1; int32 b = 2;", "oneof x { int32 a = 1; int32 b = 2; }",
         [("oneof", "a", "a", "no oneof -> x", False, Reads.LAST), ("oneof", "b", "b", "no oneof -> x", False, Reads.LAST)]),
        ("oneof x { int32 a = 1; }", "int32 a = 1;", [("oneof", "a", "a", "x -> no oneof", False, Reads.SAME)]),
        ("int32 a = 1;", "int32 a = 1 [deprecated = true];", [("option", "a", "a", "deprecated", False, None)]),
        ("int32 a = 1;", 'int32 a = 1 [json_name = "z"];', [("option", "a", "a", "", False, None)]),
        # A number that changes hands: the two are no rename, and old rows have the one where the other is read.
        ("string a = 1;", "int32 b = 1;", [
            ("remove", "a", "", "= 1 (string)", True, Reads.SAME),
            ("add", "", "b", "= 1 (int32); the number was a's", False, Reads.OTHER),
        ]),
        ("int32 a = 1; int32 b = 2;", "int32 b = 1; int32 a = 2;", [
            ("renumber", "b", "b", "2 -> 1", False, Reads.DEFAULT),
            ("renumber", "a", "a", "1 -> 2", False, Reads.DEFAULT),
        ]),
    ],
)  # fmt: skip
def test_fields(old: str, new: str, expected: list[tuple[str, str, str, str, bool, Reads | None]]) -> None:
    found = compared(M.format(old), M.format(new)).differences
    short = [(d.before.removeprefix("p.M."), d.after.removeprefix("p.M."), d) for d in found]
    assert [(d.what, a, b, d.detail, d.breaks, d.reads) for a, b, d in short] == expected


def test_a_type_that_was_renamed_is_one_change() -> None:
    """What stands where it stood, with the same structure, is the same; the fields that have it did not change."""
    use = "message M { N n = 1; repeated N more = 2; map<string, N> by = 3; }\nmessage N { int32 x = 1; N next = 2; }"
    assert said(use, use.replace("N ", "P ").replace("N>", "P>")) == [("rename", "message", "p.N", "p.P")]
    other = use.replace("N ", "P ").replace("N>", "P>").replace("int32 x", "string x")
    assert ("remove", "message", "p.N", "") in said(use, other)


def test_what_is_in_a_message_that_came_or_went_is_a_part_of_it() -> None:
    whole = "message M { message In { enum E { A = 0; } } In in = 1; enum F { B = 0; } }"
    assert said("", whole) == [("add", "message", "", "p.M")]
    assert said(whole, "") == [("remove", "message", "p.M", "")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A = 0;", "A = 0; B = 1;", [("add", "", "B", None)]),
        ("A = 0; B = 1;", "A = 0;", [("remove", "B", "", Reads.SAME)]),
        ("A = 0; B = 1;", "A = 0; C = 1;", [("rename", "B", "C", Reads.SAME)]),
        ("A = 0; B = 1;", "A = 0; B = 2;", [("renumber", "B", "B", Reads.OTHER)]),
        ("A = 0; B = 1;", "A = 0; B = 1 [deprecated = true];", [("option", "B", "B", None)]),
    ],
)
def test_enums(old: str, new: str, expected: list[tuple[str, str, str, Reads | None]]) -> None:
    found = compared(f"enum E {{ {old} }}", f"enum E {{ {new} }}").differences
    short = [(d.what, d.before.rpartition(".")[2], d.after.rpartition(".")[2], d.reads) for d in found]
    assert [s for s in short if s[0] != "option" or s[1] != "E"] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("message M {}", "message M { reserved 1; }", ("option", "message", "p.M", "p.M")),
        ("service S {}", "service S { option deprecated = true; }", ("option", "service", "p.S", "p.S")),
        ("", 'option java_package = "a";', ("option", "file", "p.proto", "p.proto")),
        (
            "service S { rpc A(M) returns (M); } message M {}",
            "service S { rpc A(M) returns (M) { option idempotency_level = IDEMPOTENT; } } message M {}",
            ("option", "rpc", "p.S.A", "p.S.A"),
        ),
    ],
)
def test_options_only(old: str, new: str, expected: tuple[str, str, str, str]) -> None:
    assert said(old, new) == [expected]


def test_rpcs_in_another_order() -> None:
    a, b, c = (f"rpc {n}(M) returns (M);" for n in "ABC")
    text = "service S {{ {} }} message M {{}}"
    (found,) = compared(text.format(a + b + c), text.format(c + a + b)).differences
    assert (found.what, found.detail) == ("reorder", "C, A, B")
    assert [d.what for d in compared(text.format(a + b), text.format(a + c + b)).differences] == ["add"]


def test_streams() -> None:
    text = "service S {{ rpc A(M) returns ({}M); }} message M {{}}"
    (found,) = compared(text.format(""), text.format("stream ")).differences
    assert (found.what, found.detail, found.breaks) == ("stream", "unary -> a stream of responses", True)


def test_moves_between_files(tmp_path: Path) -> None:
    one = {"a.proto": f"{HEAD}message M {{ int32 x = 1; }}\nenum E {{ Z = 0; }}\nservice S {{}}", "b.proto": HEAD}
    other = {"a.proto": HEAD, "b.proto": one["a.proto"]}
    before, after = (compile_api(tmp_path / n, files) for n, files in (("one", one), ("other", other)))
    names = frozenset({"a.proto", "b.proto"})
    found = compare(Side(before, ("p.S",), names), Side(after, ("p.S",), names)).differences
    moved = "a.proto -> b.proto"
    assert [(d.what, d.kind, d.detail) for d in found] == [
        ("move", "service", moved), ("move", "message", moved), ("move", "enum", moved)
    ]  # fmt: skip


# Laws.

FIELD = st.builds(
    lambda kind, number: f"{kind} f{number} = {number};",
    st.sampled_from(["int32", "string", "repeated int64", "optional bool", "map<string, A>", "A", "repeated B", "E"]),
    st.integers(1, 4),
)
MESSAGE = st.lists(FIELD, unique_by=lambda f: f.split()[-1], max_size=4).map(" ".join)
RPCS = st.lists(
    st.tuples(st.sampled_from(["Get", "Stop", "Halt", "Go"]), st.sampled_from("AB"), st.sampled_from("AB")),
    unique_by=lambda r: r[0], max_size=4,
)  # fmt: skip
APIS = st.builds(
    lambda a, b, rpcs: (
        f"message A {{ {a} }}\nmessage B {{ {b} }}\nenum E {{ Z = 0; }}\nservice S {{\n"
        + "\n".join(f"rpc {n}({i}) returns ({o});" for n, i, o in rpcs)
        + "\n}\n"
    ),
    MESSAGE, MESSAGE, RPCS,
)  # fmt: skip


@settings(max_examples=40)
@given(APIS, APIS)
def test_every_change_is_said_once_and_nothing_else(old: str, new: str) -> None:
    assert said(old, old) == []
    found = said(old, new)
    assert len(found) == len(set(found))
    assert bool(found) == (side(old).api != side(new).api)
    back = said(new, old)
    turn = {"add": "remove", "remove": "add"}
    one_way = sorted((turn.get(what, what), kind, b, a) for what, kind, a, b in found if what in turn)
    assert one_way == sorted(f for f in back if f[0] in turn)
