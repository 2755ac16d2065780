"""Writes the parts of the reference that the code itself knows: ``python -m tests.docs.reference``.

They stand between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in the pages of docs/reference; the rest of a page is
written by hand, and kept.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import tempfile
import types
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

import click
from google.rpc import error_details_pb2

from scaffold.acl import snapshot
from scaffold.cli.main import COMMANDS, scaffold
from scaffold.contract import schema
from scaffold.contract.checks import checks_of_component, checks_of_rpc
from scaffold.core import analyse, settings
from scaffold.core.diagnostics import Location
from scaffold.shell import data, protoc
from tests.docs import laws
from tests.docs.pages import DOCS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from runtime.common.errors import StatusError
    from runtime.service.settings import ServiceSettings

    from scaffold.contract.checks import Check

_PART = re.compile(r"(?P<open><!-- generated: (?P<name>[\w-]+) -->\n).*?(?P<close><!-- end -->)", re.DOTALL)


def written(text: str) -> str:
    """A page with its generated parts as they have to be."""
    return _PART.sub(lambda m: f"{m['open']}\n{PARTS[m['name']]().strip()}\n\n{m['close']}", text)


def generated_pages() -> tuple[Path, ...]:
    """The pages that have generated parts."""
    return tuple(page for page in sorted(DOCS.rglob("*.md")) if _PART.search(page.read_text(encoding="utf-8")))


def runtime(module: str) -> Any:
    """A module of templates/runtime, as it stands there."""
    templates = str(data.folder("templates"))
    if templates not in sys.path:
        sys.path.append(templates)
    return importlib.import_module(f"runtime.{module}")


# --- commands -----------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its whole name: ``new store``."""
    context = click.Context(scaffold, info_name="scaffold", help_option_names=["-h", "--help"])
    for group in COMMANDS.values():
        for name in group:
            command = scaffold.get_command(context, name)
            assert command is not None, f"{name} is listed and has no module"
            if isinstance(command, click.Group):
                yield from ((f"{name} {inner}", command.commands[inner]) for inner in command.commands)
            else:
                yield name, command


def _commands() -> str:
    return "\n\n".join(_command(name, command) for name, command in commands())


def _command(name: str, command: click.Command) -> str:
    context = click.Context(
        command,
        help_option_names=["-h", "--help"],
        info_name=f"scaffold {name}",
        terminal_width=200,
        max_content_width=200,
    )
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"### scaffold {name}", "", "```text", usage, "```", "", inspect.cleandoc(command.help or "")]
    options = [_option(parameter) for parameter in command.params if isinstance(parameter, click.Option)]
    return "\n".join(lines + ["", *options] * bool(options))


def _option(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        value = " " + "|".join(option.type.choices)
    else:
        value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    names = ", ".join(f"`{name}{value}`" for name in sorted(option.opts, key=len, reverse=True))
    default = f" Default: `{option.default}`." if option.show_default else ""
    return f"- {names}: {option.help}{default}"


# --- scaffold.toml ------------------------------------------------------------------------------------------------

_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("At the top", settings.Settings),
    ("[protos]", settings.Protos),
    ("[python]", settings.Python),
    ("[stores.NAME]", settings.Store),
    ("[processes.NAME]", settings.Process),
    ("[vendors.NAME]", settings.Vendor),
    ("[metadata]", settings.Metadata),
    ("[smell]", settings.Smell),
    ("[[smell.waive]]", settings.Waiver),
)


def _scaffold_toml() -> str:
    return "\n\n".join(_table(title, model) for title, model in _TABLES)


def _table(title: str, model: type[BaseModel]) -> str:
    purpose = "" if model is settings.Settings else _sentence(inspect.getdoc(model) or "")
    rows = [
        f"| `{name}` | {_type(field.annotation)} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
        if not _is_table(field)
    ]
    heading = title if title == "At the top" else f"`{title}`"
    parts = [f"### {heading}", purpose, "\n".join(["| key | value | default | |", "|---|---|---|---|", *rows])]
    return "\n\n".join(part for part in parts if part)


def _sentence(doc: str) -> str:
    """``[protos]``: where the definitions are. → Where the definitions are."""
    text = doc.partition(": ")[2] or doc
    return f"{text[:1].upper()}{text[1:]}"


def _is_table(field: FieldInfo) -> bool:
    members = (field.annotation, *get_args(field.annotation))
    return any(isinstance(member, type) and issubclass(member, settings._Table) for member in members)


def _type(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(member) for member in arguments if member is not type(None))
    if origin is list:
        return f"list of {_type(arguments[0])}s"
    names = {str: "string", int: "number", float: "number", bool: "true or false", date: "date"}
    assert isinstance(annotation, type)
    return names[annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return ""
    if isinstance(field.default, list):
        return f"`[{', '.join(map(_toml, field.default))}]`"
    return f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"'


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


# --- a service's settings -----------------------------------------------------------------------------------------


def service_settings() -> dict[str, type[ServiceSettings]]:
    """The settings of each kind of component."""
    return {kind: runtime(f"{kind}.settings").Settings for kind in ("store", "process")}


def _service_settings() -> str:
    kinds = service_settings()
    names = dict.fromkeys(name for model in kinds.values() for name in _operators(model))
    rows = ["| variable | default | set it to | |", "|---|---|---|---|"]
    for name in names:
        having = {kind: model.model_fields[name] for kind, model in kinds.items() if name in _operators(model)}
        for fields, who in _by_meaning(having):
            field = next(iter(fields.values()))
            rows.append(f"| `{name.upper()}` | {_value(field)} | {_cell(field.description or '')} | {who} |")
    return "\n".join(rows)


def _operators(model: type[ServiceSettings]) -> list[str]:
    return [name for name in model.model_fields if name not in model.not_for_operators]


def _by_meaning(having: dict[str, FieldInfo]) -> Iterator[tuple[dict[str, FieldInfo], str]]:
    """The kinds for which a setting is the same together, the others each for itself."""
    meanings = {(field.default, field.description) for field in having.values()}
    if len(meanings) == 1:
        yield having, "" if len(having) > 1 else f"{next(iter(having))} only"
    else:
        yield from (({kind: field}, f"{kind}") for kind, field in having.items())


def _value(field: FieldInfo) -> str:
    default = field.default
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return f"`{default}`" if default not in (None, "", ()) else ""


# --- statuses -----------------------------------------------------------------------------------------------------


def errors() -> list[type[StatusError]]:
    """The errors that handlers raise and clients receive, by the number of their status."""
    found: list[type[StatusError]] = []
    waiting: list[type[StatusError]] = [runtime("common.errors").StatusError]
    while waiting:
        below = waiting.pop().__subclasses__()
        waiting += below
        found += [cls for cls in below if not cls.__name__.startswith("_")]
    return sorted(found, key=lambda cls: (cls.code.value[0], cls.__name__))


def passes_on(error: type[StatusError]) -> bool:
    """Whether such an error of a component that was called becomes the caller's own answer."""
    module = runtime("common.errors")
    received = error.__new__(error)
    module.StatusError.__init__(received, "", component="books")
    info = error_details_pb2.ErrorInfo()
    module.to_status(received, "x.Y").details[0].Unpack(info)
    return bool(info.reason != "DOWNSTREAM_FAILED")


def _statuses() -> str:
    rows = ["| raise | status | when | from a component that you called |", "|---|---|---|---|"]
    for error in errors():
        first = (inspect.getdoc(error) or "").splitlines()[0]
        onward = "passed on" if passes_on(error) else "INTERNAL, `DOWNSTREAM_FAILED`"
        doc = _cell(re.sub(r"``", "`", first))
        rows.append(f"| `{error.__name__}` | {error.code.name} ({error.code.value[0]}) | {doc} | {onward} |")
    return "\n".join(rows)


# --- the contract suite -------------------------------------------------------------------------------------------


_API = """
syntax = "proto3";
package sample;
import "buf/validate/validate.proto";
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
service BookService {
%s
}
message Book {
  option (google.api.resource) = {type: "sample.example.com/Book" pattern: "shelves/{shelf}/books/{book}"};
  string name = 1 [(google.api.field_behavior) = IDENTIFIER];
  string title = 2 [(google.api.field_behavior) = REQUIRED];
  string isbn = 3 [(google.api.field_behavior) = IMMUTABLE];
  string etag = 4;
  google.protobuf.Timestamp create_time = 5 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp delete_time = 6 [(google.api.field_behavior) = OUTPUT_ONLY];
  google.protobuf.Timestamp update_time = 7 [(google.api.field_behavior) = OUTPUT_ONLY];
}
message Page {
  option (google.api.resource) = {
    type: "sample.example.com/Page" pattern: "shelves/{shelf}/books/{book}/pages/{page}"
  };
  string name = 1;
}
message GetBookRequest { string name = 1; }
message ListBooksRequest {
  string parent = 1; int32 page_size = 2; string page_token = 3; string order_by = 4; string filter = 5;
}
message ListBooksResponse { repeated Book books = 1; string next_page_token = 2; }
message CreateBookRequest {
  string parent = 1; Book book = 2 [(google.api.field_behavior) = REQUIRED]; string book_id = 3; string request_id = 4;
  bool validate_only = 5;
}
message UpdateBookRequest {
  Book book = 1; google.protobuf.FieldMask update_mask = 2; bool allow_missing = 3; string request_id = 4;
  bool validate_only = 5;
}
message DeleteBookRequest {
  string name = 1; string etag = 2; bool allow_missing = 3; bool force = 4; string request_id = 5; bool validate_only = 6;
}
message UndeleteBookRequest { string name = 1; }
message BatchGetBooksRequest { repeated string names = 1; string parent = 2; }
message BatchGetBooksResponse { repeated Book books = 1; }
message BatchCreateBooksRequest { repeated CreateBookRequest requests = 1; }
message BatchCreateBooksResponse { repeated Book books = 1; }
message BatchDeleteBooksRequest { repeated string names = 1; }
message CreatePageRequest { string parent = 1; Page page = 2; }
message WatchBookRequest { string name = 1 [(google.api.resource_reference).type = "sample.example.com/Book"]; }
message Note { string text = 1 [(buf.validate.field).string.min_len = 1]; }
"""

# What an RPC is called in the table, and its line.
_RPCS = {
    "Get": "rpc GetBook(GetBookRequest) returns (Book);",
    "List": "rpc ListBooks(ListBooksRequest) returns (ListBooksResponse);",
    "Create": "rpc CreateBook(CreateBookRequest) returns (Book);",
    "Update": "rpc UpdateBook(UpdateBookRequest) returns (Book);",
    "Delete": "rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty);",
    "Undelete": "rpc UndeleteBook(UndeleteBookRequest) returns (Book);",
    "BatchGet": "rpc BatchGetBooks(BatchGetBooksRequest) returns (BatchGetBooksResponse);",
    "BatchCreate": "rpc BatchCreateBooks(BatchCreateBooksRequest) returns (BatchCreateBooksResponse);",
    "BatchDelete": "rpc BatchDeleteBooks(BatchDeleteBooksRequest) returns (google.protobuf.Empty);",
    "other methods": "rpc LendBook(GetBookRequest) returns (google.protobuf.Empty);",
    "requests with constraints": "rpc TakeNote(Note) returns (google.protobuf.Empty);",
    "responses with constraints": "rpc GiveNote(GetBookRequest) returns (Note);",
    "children": "rpc CreatePage(CreatePageRequest) returns (Page);",
    "streams of responses": "rpc ReadBook(GetBookRequest) returns (stream google.protobuf.Empty);",
    "streams of requests": "rpc Collect(stream GetBookRequest) returns (google.protobuf.Empty);",
    "streams both ways": "rpc Talk(stream GetBookRequest) returns (stream google.protobuf.Empty);",
    "Watch": "rpc WatchBook(WatchBookRequest) returns (stream Book);",
}
# What is said of several together.
_TOGETHER = {
    ("streams of requests", "streams both ways"): "streams of requests",
    ("streams of responses", "streams of requests", "streams both ways", "Watch"): "every stream",
}
# Of fields: what a law needs of the request or the resource, beside the RPCs.
_FIELDS = {
    "required_is_demanded": "a REQUIRED field",
    "create_ignores_output_only": "an OUTPUT_ONLY field",
    "update_ignores_output_only": "an OUTPUT_ONLY field",
    "immutable_cannot_change": "an IMMUTABLE field",
    "update_with_a_stale_etag_is_aborted": "`etag`",
    "delete_with_a_stale_etag_is_aborted": "`etag`",
    "allow_missing_creates": "`allow_missing`",
    "allow_missing_lets_delete_pass": "`allow_missing`",
    "children_need_force": "`force`",
    "same_request_id_same_answer": "`request_id`",
    "validate_only_creates_nothing": "`validate_only`",
    "validate_only_updates_nothing": "`validate_only`",
    "validate_only_deletes_nothing": "`validate_only`",
    "repeated_update_is_done_once": "`request_id`",
    "repeated_delete_is_done_once": "`request_id`",
    "create_sets_the_times": "an OUTPUT_ONLY `create_time` or `update_time`",
    "update_moves_update_time": "an OUTPUT_ONLY `create_time` or `update_time`",
    "batch_get_keeps_to_its_parent": "`parent`",
    "streams_end_or_go_on": "a name that does not begin with Watch, Subscribe or another word for waiting",
    "order_by_is_honest": "`order_by`",
    "filter_is_honest": "`filter`",
    "other_arguments_must_not_change": "`parent`, `order_by` or `filter`",
    "parents_are_kept_apart": "`parent`",
    "malformed_parent_is_invalid": "`parent`",
    "repeated_calls_are_answered_alike": "`idempotency_level`, or one that reads",
}


def _checks_of(*without: str) -> dict[str, tuple[Check, ...]]:
    """The checks that each RPC gets, in a component that has them all but some: where Delete is for good, and where not."""
    found: dict[str, tuple[Check, ...]] = {}
    for soft in (False, True):
        if soft and "Undelete" in without:
            continue
        lines = {label: line for label, line in _RPCS.items() if label not in (*without, "Undelete" * (not soft))}
        if soft:
            lines = {label: line.replace(_FOR_GOOD, _SOFT) for label, line in lines.items()}
        sample = _sample("\n".join(lines.values()))
        for label, rpc in zip(lines, sample.rpcs, strict=True):
            found[label] = tuple(dict.fromkeys((*found.get(label, ()), *checks_of_rpc(sample, rpc))))
    return found


_FOR_GOOD, _SOFT = "(DeleteBookRequest) returns (google.protobuf.Empty)", "(DeleteBookRequest) returns (Book)"


def _sample(rpcs: str) -> schema.Schema:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.proto").write_text(_API % rpcs, encoding="utf-8")
        compiled = protoc.compile_protos([("protos", Path(folder))], ["sample.proto"])
    files = dict(analyse.serialized_files(compiled, [file.name for file in analyse.analyse(compiled).files]))
    return schema.make(files, ("sample.BookService",))


@cache
def checks_by_label() -> dict[str, tuple[Check, ...]]:
    """The checks of each kind of RPC, in an API that has them all."""
    return _checks_of()


def _checks() -> str:
    everything = checks_by_label()
    lacking = {label: _checks_of(label) for label in _RPCS}
    rows = ["| check | of | what must hold | from |", "|---|---|---|---|"]
    for check in checks_of_component():
        rows.append(_row(check, "the component"))
    for check in dict.fromkeys(check for label in _RPCS for check in everything[label]):
        rows.append(_row(check, _who(check, everything, lacking)))
    return "\n".join(rows)


def _who(
    check: Check, everything: dict[str, tuple[Check, ...]], lacking: dict[str, dict[str, tuple[Check, ...]]]
) -> str:
    """The RPCs that get a check, and what it needs beside them."""
    labels = tuple(label for label in _RPCS if check in everything[label])
    others = [other for other in _RPCS if other not in labels]
    needed = [other for other in others if all(check not in lacking[other][label] for label in labels)]
    shown = tuple(label for label in labels if label != "children") or labels
    # A REQUIRED field may be in any request; in this sample it is not in all.
    every = labels == tuple(_RPCS) or check.name == "required_is_demanded"
    who = "every RPC" if every else _TOGETHER.get(shown, ", ".join(shown))
    fields = f" with {_FIELDS[check.name]}" if check.name in _FIELDS else ""
    return who + fields + (f", where there is {' and '.join(needed)}" if needed else "")


def _row(check: Check, who: str) -> str:
    return f"| `{check.name}` | {who} | {_cell(check.law)} | {_source(check.source)} |"


def _source(source: str) -> str:
    """``AIP-158 (https://google.aip.dev/158)`` and ``gRPC: https://…`` as links."""
    match = re.search(r"https://[^\s)]+", source)
    assert match is not None, f"a law without a source: {source}"
    return f"[{source[: match.start()].rstrip(' :(')}]({match.group()})"


# --- a monolith's snapshot ----------------------------------------------------------------------------------------


def _snapshot() -> str:
    """The whole first, then its parts, from the outside to the inside."""
    waiting: list[type] = [snapshot.Snapshot]
    seen: list[type] = []
    while waiting:
        kind = waiting.pop(0)
        if kind not in seen:
            seen.append(kind)
            waiting += _parts(kind)
    return "\n\n".join(map(_record, seen))


def _keys(kind: type) -> dict[str, tuple[Any, dataclasses.Field[Any]]]:
    """The keys that stand in the file, each with its type."""
    hints = get_type_hints(kind)
    return {f.name: (hints[f.name], f) for f in dataclasses.fields(kind) if f.name != "where"}


def _parts(kind: type) -> list[type]:
    members = [m for annotation, _ in _keys(kind).values() for m in (annotation, *get_args(annotation))]
    return [m for m in members if dataclasses.is_dataclass(m) and isinstance(m, type) and m is not Location]


def _record(kind: type) -> str:
    rows = [f"| `{name}` | {_said(annotation)} | {_absent(f)} |" for name, (annotation, f) in _keys(kind).items()]
    doc = inspect.cleandoc(kind.__doc__ or "").replace("``", "`")
    return "\n\n".join([f"### {kind.__name__}", doc, "\n".join(["| key | value | absent |", "|---|---|---|", *rows])])


def _said(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    names = {
        str: "text",
        int: "number",
        float: "number",
        bool: "true or false",
        Location: "`PATH:LINE`",
        type(None): "null",
    }
    if annotation in names:
        return names[annotation]
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments if value)
    if origin is tuple:
        return f"list: {_said(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_said(member) for member in arguments if member is not type(None)))
    return (
        f"[{annotation.__name__}](#{annotation.__name__.lower()})"
        if dataclasses.is_dataclass(annotation)
        else "object of texts"
    )


def _absent(f: dataclasses.Field[Any]) -> str:
    if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
        return "never"
    return {True: "`true`", False: "`false`"}.get(f.default, "") if isinstance(f.default, bool) else ""


PARTS: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "scaffold-toml": _scaffold_toml,
    "service-settings": _service_settings,
    "statuses": _statuses,
    "checks": _checks,
    "snapshot": _snapshot,
    "laws": laws.table,
}


def main() -> None:
    """Write every generated part."""
    for page in generated_pages():
        before = page.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(DOCS.parent)} is written again")


if __name__ == "__main__":
    main()
