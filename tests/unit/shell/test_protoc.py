from __future__ import annotations

import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.shell import protoc
from tests.support import write

SYNTAX = 'syntax = "proto3";\n'


def complaints(root: Path, *files: str, roots: tuple[str, ...] = ("protos",)) -> tuple[Diagnostic, ...]:
    with pytest.raises(ScaffoldError) as caught:
        protoc.compile_protos(tuple((name, root / name) for name in roots), files)
    return caught.value.diagnostics


def compiled(root: Path, *files: str) -> descriptor_pb2.FileDescriptorSet:
    return descriptor_pb2.FileDescriptorSet.FromString(protoc.compile_protos((("protos", root / "protos"),), files))


def test_a_descriptor_set_with_imports_and_comments(tmp_path: Path) -> None:
    a = f'{SYNTAX}import "b.proto";\n// Says.\nmessage A {{ B b = 1; }}'
    write(tmp_path / "protos", {"a.proto": a, "b.proto": f"{SYNTAX}message B {{}}"})
    files = compiled(tmp_path, "a.proto").file
    assert [f.name for f in files] == ["b.proto", "a.proto"]
    assert any(place.leading_comments == " Says.\n" for place in files[1].source_code_info.location)


def test_nothing_to_compile() -> None:
    assert protoc.compile_protos((), []) == b""


def test_every_installed_proto_compiles() -> None:
    """google's common protos, by the names that they are imported by."""
    names = ["google/longrunning/operations.proto", "google/protobuf/descriptor.proto"]
    for virtual, disk in protoc.installed():
        if disk.is_dir() and virtual.removeprefix("google/") in ("rpc", "type", "protobuf"):
            names += [f"{virtual}/{f.name}" for f in sorted(disk.glob("*.proto"))]
    compiled = descriptor_pb2.FileDescriptorSet.FromString(protoc.compile_protos((), sorted(set(names))))
    assert set(names) <= {f.name for f in compiled.file}
    assert len(names) > 20


def test_installed_protos_come_before_copies(tmp_path: Path) -> None:
    a = f'{SYNTAX}import "google/type/money.proto";\nmessage A {{ google.type.Money m = 1; }}'
    write(tmp_path / "protos", {"google/type/money.proto": "this is no proto", "a.proto": a})
    roots = (("protos", tmp_path / "protos"),)
    assert protoc.compile_protos(roots, ["a.proto"])
    (note,) = protoc.shadowed(roots)
    assert (note.slug, note.severity, note.where) == ("installed-proto", Severity.NOTE, Location("protos/google/type"))
    assert "delete the copy" in note.remedy
    assert protoc.shadowed((("protos", tmp_path),)) == ()


def test_roots_are_searched_in_order(tmp_path: Path) -> None:
    first, second = f"{SYNTAX}message First {{}}", f"{SYNTAX}message Second {{}}"
    write(tmp_path, {"one/a.proto": first, "two/a.proto": second, "two/b.proto": SYNTAX})
    roots = (("one", tmp_path / "one"), ("two", tmp_path / "two"))
    found = descriptor_pb2.FileDescriptorSet.FromString(protoc.compile_protos(roots, ["a.proto"]))
    assert found.file[0].message_type[0].name == "First"
    assert protoc.locate("a.proto", roots) == tmp_path / "one/a.proto"
    assert protoc.locate("b.proto", roots) == tmp_path / "two/b.proto"
    assert protoc.locate("c.proto", roots) is None
    assert protoc.known(roots) == ("a.proto", "b.proto")


@pytest.mark.parametrize("name", ["../outside.proto", "one/../../outside.proto"])
def test_an_import_name_never_leaves_the_roots(name: str, tmp_path: Path) -> None:
    write(tmp_path, {"outside.proto": SYNTAX, "one/a.proto": SYNTAX})
    roots = (("one", tmp_path / "one"),)
    assert protoc.locate(name, roots) is None
    assert protoc.locate(str(tmp_path / "outside.proto"), roots) is None
    assert protoc.locate(str(tmp_path / "one/a.proto"), roots) is None


def test_places_are_those_that_a_user_would_open(tmp_path: Path) -> None:
    a = f"{SYNTAX}\nmessage A {{ Bee b = 1; }}\nmessage Be {{}}"
    write(tmp_path, {"protos/x/a.proto": a, "vendored/v.proto": f"{SYNTAX}message V {{ Nothing n = 1; }}"})
    roots = ("protos", "vendored")
    (found,) = complaints(tmp_path, "x/a.proto", roots=roots)
    place = Location("protos/x/a.proto", 3, 13)
    assert found == Diagnostic("unknown-type", '"Bee" is not defined', place, 'did you mean "Be"?')
    (found,) = complaints(tmp_path, "v.proto", roots=roots)
    assert found.where == Location("vendored/v.proto", 2, 13)
    assert found.remedy == "declare it, or import the file that does"
    both = complaints(tmp_path, "v.proto", "x/a.proto", roots=roots)
    assert [d.where and d.where.path for d in both] == ["vendored/v.proto", "protos/x/a.proto"]


def test_the_root_that_is_the_workspace(tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": f"{SYNTAX}message A {{ B b = 1; }}"})
    with pytest.raises(ScaffoldError) as caught:
        protoc.compile_protos(((".", tmp_path),), ["a.proto"])
    assert caught.value.diagnostics[0].where == Location("a.proto", 2, 13)


def test_a_type_that_is_declared_where_nobody_imported_it(tmp_path: Path) -> None:
    write(tmp_path / "protos", {"a.proto": f"{SYNTAX}message A {{ B b = 1; }}", "b.proto": f"{SYNTAX}\nmessage B {{}}"})
    (found,) = complaints(tmp_path, "a.proto")
    assert found.remedy.startswith('import "b.proto"')


def test_missing_imports_and_files(tmp_path: Path) -> None:
    a = f'{SYNTAX}import "bee.proto";\nimport "zzz/zzz.proto";'
    write(tmp_path / "protos", {"a.proto": a, "be.proto": SYNTAX})
    first, second = complaints(tmp_path, "a.proto")
    place, message = Location("protos/a.proto", 2, 1), '"bee.proto" is not under any root'
    assert first == Diagnostic("missing-import", message, place, 'did you mean "be.proto"?')
    assert second.remedy == "put it at protos/zzz/zzz.proto, or name its root in [protos] roots"
    (found,) = complaints(tmp_path, "bee.proto")
    message = "there is no such proto under any root"
    assert found == Diagnostic("proto-not-found", message, Location("bee.proto"), 'did you mean "be.proto"?')
    slugs = [d.slug for d in complaints(tmp_path, "b.proto", "a.proto")]
    assert slugs == ["proto-not-found", "missing-import", "missing-import"]


def test_other_complaints_keep_their_words(tmp_path: Path) -> None:
    write(tmp_path / "protos", {"a.proto": f"{SYNTAX}message A {{ int32 x = 1; int32 y = 1; }}"})
    (found,) = [d for d in complaints(tmp_path, "a.proto") if "already been used" in d.message]
    assert (found.slug, found.where and found.where.line) == ("proto-invalid", 2)
    assert found.remedy == "mend the proto: nothing was generated"


def test_warnings_and_logs_of_the_compiler_are_no_complaints(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    a = f'{SYNTAX}import "b.proto";\nmessage A {{}}'  # an import that nothing uses is a warning
    write(tmp_path / "protos", {"a.proto": a, "b.proto": SYNTAX, "c.proto": "message C {}\nmessage"})
    assert len(compiled(tmp_path, "a.proto").file) == 2
    found = complaints(tmp_path, "c.proto")  # no syntax: the compiler logs that, and goes on
    assert found
    assert all(d.where and d.where.line for d in found), found
    assert capfd.readouterr() == ("", "")


def test_standard_error_is_given_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "protos", {"a.proto": "no"})
    complaints(tmp_path, "a.proto")
    before = len(list(Path("/dev/fd").iterdir()))
    complaints(tmp_path, "a.proto")
    assert len(list(Path("/dev/fd").iterdir())) == before, "a file descriptor is left open"
    print("still here", file=sys.stderr)
    assert capfd.readouterr().err == "still here\n"


def test_the_same_protos_give_the_same_bytes(tmp_path: Path) -> None:
    files = {"a.proto": f'{SYNTAX}import "b.proto";\nmessage A {{ B b = 1; }}', "b.proto": f"{SYNTAX}message B {{}}"}
    made = []
    for place in ("here", "there/deep"):
        write(tmp_path / place, files)
        made.append(protoc.compile_protos(((place, tmp_path / place),), ["a.proto", "b.proto"]))
    assert made[0] == made[1]
