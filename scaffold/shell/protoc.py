"""Runs the compiler (grpcio-tools, in process); its complaints become diagnostics."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from scaffold.core import markers
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

# Folders of google's protos that installed packages bring; a workspace's own copies are not read.
_COMMON = ("api", "rpc", "type")
_LONGRUNNING = "google/longrunning/operations.proto"

# What its logging library adds to the compiler's complaints.
_LOGGED = re.compile(r"WARNING: All log messages before|[IW][0-9]{4} ")
# What protovalidate's options are imported by.
_RULES = "buf/validate/validate.proto"

_COMPLAINT = re.compile(
    r"(?:Could not make proto path relative: )?"
    r"(?P<file>[^:\n]+?):(?:(?P<line>\d+):(?P<column>\d+):)? (?P<message>.*)"
)
_UNDEFINED = re.compile(r'"(?P<name>[^"]+)" is not defined')
_IMPORT = re.compile(r'Import "(?P<name>[^"]+)" was not found')
_MISSING_FILE = re.compile(r"File not found|File does not reside within any path|No such file or directory")
_PACKAGE = re.compile(r"^\s*package\s+(?P<name>[\w.]+)\s*;", re.MULTILINE)
_DECLARATION = re.compile(r"^\s*(?:message|enum)\s+(\w+)", re.MULTILINE)


def compile_protos(roots: Sequence[tuple[str, Path]], files: Sequence[str]) -> bytes:
    """Compile files, named by their import names, to a serialized FileDescriptorSet with imports and source info.

    ``roots`` are the import roots in order, each as it is written in settings and as a folder. Raises ScaffoldError with
    one diagnostic for each complaint of the compiler.
    """
    if not files:
        return b""
    try:
        return _compile(roots, files)
    except OSError as error:
        raise ScaffoldError(_no_room(error.strerror or str(error))) from error


def _compile(roots: Sequence[tuple[str, Path]], files: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
        output = Path(temporary, "out.binpb")
        arguments = [f"-I{virtual}={disk}" for virtual, disk in installed()]
        for number, (_, folder) in enumerate(roots):
            # By way of a link: for the compiler, a colon or an equals sign in a path has a meaning of its own.
            link = Path(temporary, f"root{number}")
            link.symlink_to(folder.absolute(), target_is_directory=True)
            arguments.append(f"-I{link}")
        arguments += ["--include_imports", "--include_source_info", f"--descriptor_set_out={output}"]
        text = _run([*arguments, *files])
        if text is not None and _RULES in text and (rules := _rules()):
            compiled = Path(temporary, "rules.binpb")
            compiled.write_bytes(rules)
            arguments.append(f"--descriptor_set_in={compiled}")
            text = _run([*arguments, *files])
        if text is None:
            return output.read_bytes()
        if text.startswith(f"{output}: "):
            raise ScaffoldError(_no_room(text.removeprefix(f"{output}: ").strip()))
        if len(files) > 1:
            # The compiler stops at the first file that is wrong; all of them are to be known.
            text = "".join(_run([*arguments, file]) or "" for file in files) or text
        text = re.sub(rf"{re.escape(temporary)}/root[0-9]+/", "", text)
    raise ScaffoldError(*_diagnostics(text, roots))


def _no_room(reason: str) -> Diagnostic:
    """What the compiler makes cannot be put where temporary files are."""
    return Diagnostic(
        "cannot-be-written",
        reason.lower(),
        Location(tempfile.gettempdir()),
        "the compiler's output is written there: make room, or name another folder in TMPDIR",
    )


def _run(arguments: Sequence[str]) -> str | None:
    """Run the compiler; what it complains of, or None where it succeeds."""
    from grpc_tools import _protoc_compiler  # 38 ms: only when something has to be compiled

    with _captured_stderr() as complaints:
        code = _protoc_compiler.run_main([b"protoc", *(os.fsencode(a) for a in arguments)])
    return complaints() if code else None


def _rules() -> bytes:
    """The rules of protovalidate as a FileDescriptorSet; empty where that is not installed.

    It ships no .proto, only its compiled form, which the compiler takes for what is under no root: a copy under a root
    goes first.
    """
    try:
        import protovalidate  # 0.4 s: only for an API that has constraints
    except ImportError:
        return b""
    file: bytes = protovalidate.ViolationPb.desc().file.proto.to_binary()
    # A FileDescriptorSet is its files, each as field 1 with its length before it.
    return b"\x0a" + _varint(len(file)) + file


def _varint(number: int) -> bytes:
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def installed() -> tuple[tuple[str, Path], ...]:
    """Import path → file or folder of the protos that come with googleapis-common-protos and grpcio-tools."""
    compiler = importlib.util.find_spec("grpc_tools")
    assert compiler is not None and compiler.origin is not None  # a dependency of ours
    places = [("google/protobuf", Path(compiler.origin).parent / "_proto/google/protobuf")]
    google = importlib.util.find_spec("google.api")
    assert google is not None and google.submodule_search_locations is not None  # a dependency of ours
    common = Path(next(iter(google.submodule_search_locations))).parent
    places += [(f"google/{name}", common / name) for name in _COMMON]
    # The package calls the file operations_proto.proto; everybody imports it by its real name.
    places.append((_LONGRUNNING, common / "longrunning/operations_proto.proto"))
    return tuple(places)


def locate(name: str, roots: Sequence[tuple[str, Path]]) -> Path | None:
    """The file that an import name stands for, or None."""
    for virtual, disk in installed():
        if name == virtual and disk.is_file():
            return disk
        if name.startswith(f"{virtual}/") and (disk / name.removeprefix(f"{virtual}/")).is_file():
            return disk / name.removeprefix(f"{virtual}/")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return None  # a path on disk, not the name of an import
    return next((folder / name for _, folder in roots if (folder / name).is_file()), None)


def known(roots: Sequence[tuple[str, Path]]) -> tuple[str, ...]:
    """The import names of every proto under the roots."""
    return tuple(sorted({f.relative_to(folder).as_posix() for _, folder in roots for f in folder.rglob("*.proto")}))


def declaring(service: str, roots: Sequence[tuple[str, Path]]) -> str:
    """The import name of the proto under the roots that declares a service, by its full name; empty where none does."""
    package, _, name = service.rpartition(".")
    declared = re.compile(rf"^\s*service\s+{re.escape(name)}\b", re.MULTILINE)
    for _, folder in roots:
        for file in sorted(folder.rglob("*.proto")):
            text = _read(file)
            found = _PACKAGE.search(text)
            if declared.search(text) and (found["name"] if found else "") == package:
                return file.relative_to(folder).as_posix()
    return ""


def shadowed(roots: Sequence[tuple[str, Path]]) -> tuple[Diagnostic, ...]:
    """A note for each copy of an installed proto under the roots: it is not read."""
    found = []
    for written, folder in roots:
        for virtual, disk in installed():
            copy = folder / virtual
            if copy.exists() and copy.resolve() != disk.resolve():
                found.append(
                    Diagnostic(
                        "installed-proto",
                        f"{virtual} comes from an installed package; this copy is not read",
                        Location(f"{written}/{virtual}"),
                        "delete the copy, or leave it for other tools",
                        Severity.NOTE,
                    )
                )
    return tuple(found)


@contextmanager
def _captured_stderr() -> Iterator[Callable[[], str]]:
    """Catch what the compiler, which is C++, writes to file descriptor 2; yields a function that returns it."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        text: list[str] = []
        try:
            yield lambda: "".join(text)
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            text.append(file.read().decode(errors="replace"))


def _diagnostics(text: str, roots: Sequence[tuple[str, Path]]) -> list[Diagnostic]:
    if merging := list(_conflicts(roots)):
        return merging  # what the compiler makes of the markers helps nobody
    lines = [line for line in text.splitlines() if line.strip() and not _LOGGED.match(line)]
    found = [d for line in lines if (d := _diagnostic(line, roots)) is not None]
    # What a broken import declares is undefined to those who import it: that is said where it is broken.
    declared = _declared(roots)
    broken = {written(m["file"], roots) for line in lines if "had errors" in line and (m := _COMPLAINT.match(line))}
    found = [d for d in found if not (d.slug == "unknown-type" and _repeats(d, broken, declared))]
    # "Import was not found or had errors" only repeats what was said about the imported file.
    missing = {d.message for d in found if d.slug == "missing-import"}
    rest = [
        d
        for d in found
        if d.slug != "proto-not-found" or not any(f'"{d.where and d.where.path}"' in m for m in missing)
    ]
    unique = list(dict.fromkeys(rest))
    return unique or [Diagnostic("proto-invalid", text.strip() or "the compiler failed", None, "mend the proto")]


def _conflicts(roots: Sequence[tuple[str, Path]]) -> Iterator[Diagnostic]:
    """The merge conflicts in the protos under the roots."""
    for written, folder in roots:
        for file in sorted(folder.rglob("*.proto")):
            path = file.relative_to(folder).as_posix()
            text = file.read_text(encoding="utf-8", errors="replace")
            if found := markers.conflict(path if written == "." else f"{written}/{path}", text):
                yield found


def markers_left(roots: Sequence[tuple[str, Path]], names: Iterable[str]) -> Iterator[Diagnostic]:
    """The conflicts of a merge that stand in comments of protos, which compile all the same; ``names`` as imported."""
    for name in names:
        place = next(((written, folder) for written, folder in roots if (folder / name).is_file()), None)
        if place is None:
            continue
        text = (place[1] / name).read_text(encoding="utf-8", errors="replace")
        if found := markers.left(name if place[0] == "." else f"{place[0]}/{name}", text):
            yield found


def _repeats(diagnostic: Diagnostic, broken: set[str], declared: Mapping[str, str]) -> bool:
    """Whether a type is only undefined because the import that declares it is broken."""
    name = diagnostic.message.split('"')[1].rpartition(".")[2]
    return diagnostic.where is not None and diagnostic.where.path in broken and name in declared


def _diagnostic(line: str, roots: Sequence[tuple[str, Path]]) -> Diagnostic | None:
    match = _COMPLAINT.match(line)
    if match is None:
        return Diagnostic("proto-invalid", line.strip(), None, "mend the proto")
    message = match["message"].strip()
    if message.startswith("warning:"):
        return None
    where = Location(written(match["file"], roots), int(match["line"] or 0), int(match["column"] or 0))
    if undefined := _UNDEFINED.search(message):
        name = undefined["name"]
        return Diagnostic("unknown-type", f'"{name}" is not defined', where, _similar_type(name, roots))
    if missing := _IMPORT.search(message):
        name = missing["name"]
        if locate(name, roots) is not None:
            return None  # it was found, and has errors of its own, which are reported where they are
        if name == _RULES:
            return Diagnostic(
                "missing-import",
                f'"{name}" comes with protovalidate, which is not installed here',
                where,
                "pip install 'apifirst-scaffold[rules]', or put a copy under a root",
            )
        return Diagnostic("missing-import", f'"{name}" is not under any root', where, _similar_file(name, roots))
    if _MISSING_FILE.search(message):
        return Diagnostic(
            "proto-not-found", "there is no such proto under any root", where, _similar_file(match["file"], roots)
        )
    return Diagnostic("proto-invalid", message.rstrip("."), where, "mend the proto: nothing was generated")


def written(name: str, roots: Sequence[tuple[str, Path]]) -> str:
    """An import name as the path that a user would open."""
    for written, folder in roots:
        if (folder / name).is_file():
            return f"{written}/{name}" if written != "." else name
    return name


def _similar_type(name: str, roots: Sequence[tuple[str, Path]]) -> str:
    declared = _declared(roots)
    last = name.rpartition(".")[2]
    if last in declared:
        return f'import "{declared[last]}", where it is declared, and write its package too if that is another one'
    close = get_close_matches(last, declared, n=1)
    return f'did you mean "{close[0]}"?' if close else "declare it, or import the file that does"


def _declared(roots: Sequence[tuple[str, Path]]) -> dict[str, str]:
    """The messages and enums under the roots, by name, and the file of each."""
    files = [(f, f.relative_to(folder).as_posix()) for _, folder in roots for f in sorted(folder.rglob("*.proto"))]
    return {name: file for path, file in files for name in _DECLARATION.findall(_read(path))}


def _similar_file(name: str, roots: Sequence[tuple[str, Path]]) -> str:
    names = [*known(roots), *(_installed_names() if name.startswith("google/") else ())]
    # Without the ending, which would make all of them alike.
    close = get_close_matches(name.removesuffix(".proto"), [n.removesuffix(".proto") for n in names], n=1)
    if close:
        return f'did you mean "{close[0]}.proto"?'
    return f"put it at {roots[0][0]}/{name}, or name its root in [protos] roots" if roots else "name a root in [protos]"


def _installed_names() -> Iterator[str]:
    """The import names of the protos that installed packages bring."""
    for virtual, disk in installed():
        if disk.is_file():
            yield virtual
        yield from (f"{virtual}/{file.relative_to(disk).as_posix()}" for file in sorted(disk.rglob("*.proto")))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")
