"""Writes the parts of the reference that the code itself knows: ``python -m tests.docs.reference``.

They stand between ``<!-- generated: NAME -->`` and ``<!-- end -->`` in the pages of docs/reference; the rest of a page is
written by hand, and kept.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import click
from google.rpc import error_details_pb2

from scaffold.cli.main import COMMANDS, scaffold
from scaffold.contract import schema
from scaffold.contract.checks import checks_of_component, checks_of_rpc
from scaffold.core import analyse, settings
from scaffold.core.shapes import Kind
from scaffold.shell import data, protoc
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
    names = {str: "string", int: "number", float: "number", bool: "true or false"}
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
import "google/api/resource.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
service BookService {
%s
}
message Book {
  option (google.api.resource) = {type: "sample.example.com/Book" pattern: "books/{book}"};
  string name = 1;
}
message GetBookRequest { string name = 1; }
message ListBooksRequest { int32 page_size = 1; string page_token = 2; }
message ListBooksResponse { repeated Book books = 1; string next_page_token = 2; }
message CreateBookRequest { Book book = 1; string book_id = 2; }
message UpdateBookRequest { Book book = 1; google.protobuf.FieldMask update_mask = 2; }
message DeleteBookRequest { string name = 1; }
message BatchGetBooksRequest { repeated string names = 1; }
message BatchGetBooksResponse { repeated Book books = 1; }
message LendBookRequest { string name = 1; }
"""

_RPCS = {
    Kind.GET: "rpc GetBook(GetBookRequest) returns (Book);",
    Kind.LIST: "rpc ListBooks(ListBooksRequest) returns (ListBooksResponse);",
    Kind.CREATE: "rpc CreateBook(CreateBookRequest) returns (Book);",
    Kind.UPDATE: "rpc UpdateBook(UpdateBookRequest) returns (Book);",
    Kind.DELETE: "rpc DeleteBook(DeleteBookRequest) returns (google.protobuf.Empty);",
    Kind.BATCH_GET: "rpc BatchGetBooks(BatchGetBooksRequest) returns (BatchGetBooksResponse);",
    Kind.CUSTOM: "rpc LendBook(LendBookRequest) returns (Book);",
}


def _checks_by_kind(without: Kind | None = None) -> dict[Kind, tuple[Check, ...]]:
    """The checks that an RPC of each kind gets, in a component that has them all but one."""
    with tempfile.TemporaryDirectory() as folder:
        rpcs = "\n".join(line for kind, line in _RPCS.items() if kind is not without)
        Path(folder, "sample.proto").write_text(_API % rpcs, encoding="utf-8")
        compiled = protoc.compile_protos([("protos", Path(folder))], ["sample.proto"])
    files = dict(analyse.serialized_files(compiled, [file.name for file in analyse.analyse(compiled).files]))
    sample = schema.make(files, ("sample.BookService",))
    return {rpc.shape.kind: checks_of_rpc(sample, rpc) for rpc in sample.rpcs}


def _checks() -> str:
    everything = _checks_by_kind()
    lacking = {kind: _checks_by_kind(kind) for kind in Kind}
    rows = ["| check | of | what must hold | from |", "|---|---|---|---|"]
    for check in checks_of_component():
        rows.append(_row(check, "the component"))
    for check in dict.fromkeys(check for checks in everything.values() for check in checks):
        kinds = [kind for kind, checks in everything.items() if check in checks]
        needed = [kind for kind in Kind if kind not in kinds and check not in lacking[kind][kinds[0]]]
        who = "every RPC" if len(kinds) == len(everything) else ", ".join(kind.value for kind in kinds)
        beside = f", where there is {' and '.join(kind.value for kind in needed)}" if needed else ""
        rows.append(_row(check, who + beside))
    return "\n".join(rows)


def _row(check: Check, who: str) -> str:
    return f"| `{check.name}` | {who} | {_cell(check.law)} | {_source(check.source)} |"


def _source(source: str) -> str:
    """``AIP-158 (https://google.aip.dev/158)`` and ``gRPC: https://…`` as links."""
    match = re.search(r"https://[^\s)]+", source)
    assert match is not None, f"a law without a source: {source}"
    return f"[{source[: match.start()].rstrip(' :(')}]({match.group()})"


PARTS: dict[str, Callable[[], str]] = {
    "commands": _commands,
    "scaffold-toml": _scaffold_toml,
    "service-settings": _service_settings,
    "statuses": _statuses,
    "checks": _checks,
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
