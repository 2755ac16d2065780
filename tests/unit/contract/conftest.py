"""A small library service, written by hand over plain grpcio: correct, and wrong in one way at a time.

It has no line in common with the generated runtime, so what the suite says about it is not what the runtime happens to
do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from scaffold.contract import plan, schema
from scaffold.contract.schema import Rpc, Schema
from scaffold.contract.suite import Bench
from scaffold.contract.targets import Span, TargetError
from scaffold.core import analyse
from scaffold.shell import protoc

HERE = Path(__file__).parent
SERVICE = "lib.v1.Library"


def compile_proto(folder: Path, name: str) -> dict[str, bytes]:
    """The file and its imports, serialized, by name."""
    compiled = protoc.compile_protos([("", folder)], [name])
    every = [f.name for f in analyse.analyse(compiled).files]
    return dict(analyse.serialized_files(compiled, every))


def schema_of(folder: Path, name: str, *services: str) -> Schema:
    return schema.make(compile_proto(folder, name), services)


@pytest.fixture(scope="session")
def compile_text(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Schema]:
    """The schema of a proto that a test writes down."""

    def compiled(text: str, *services: str) -> Schema:
        folder = tmp_path_factory.mktemp("proto")
        (folder / "t.proto").write_text(text, encoding="utf-8")
        return schema_of(folder, "t.proto", *services)

    return compiled


@pytest.fixture(scope="session")
def library_schema() -> Schema:
    return schema_of(HERE, "library.proto", SERVICE)


@pytest.fixture(scope="session")
def library_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that holds what the engine reads of a generated service: its descriptors."""
    workspace = tmp_path_factory.mktemp("workspace")
    gen = workspace / "src" / "library" / "gen"
    gen.mkdir(parents=True)
    files = tuple(compile_proto(HERE, "library.proto").items())
    (gen / "descriptors.py").write_text(
        f'FILES: object = {files!r}\nKEPT: object = ()\nINSTALLED: object = ()\nSERVICES: object = ("{SERVICE}",)\n'
    )
    return workspace


class Refusal(Exception):  # noqa: N818  It is no error of this program.
    """An error as AIP-193 wants it."""

    def __init__(
        self, code: grpc.StatusCode, reason: str = "", metadata: dict[str, str] | None = None, field: str = ""
    ) -> None:
        super().__init__(reason)
        self.code, self.reason, self.metadata, self.field = code, reason or code.name, metadata or {}, field


def malformed(field: str = "") -> NoReturn:
    raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, field=field)


@dataclass
class Library:
    """The service. ``fault`` is the one thing that is wrong with it, empty for a correct one."""

    schema: Schema
    fault: str = ""
    books: dict[str, Any] = field(default_factory=dict)
    shelves: dict[str, Any] = field(default_factory=dict)
    recorded: list[Span] = field(default_factory=list)
    counter: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    # The standard methods.

    def get_book(self, request: Any) -> Message:
        name = self.book_name(request.name)
        if name not in self.books:
            if self.fault == "missing_is_empty":
                return self.schema.new("lib.v1.Book")
            if self.fault == "missing_is_internal":
                raise Refusal(grpc.StatusCode.INTERNAL)
            if self.fault == "missing_is_invalid":
                malformed()
            raise Refusal(grpc.StatusCode.NOT_FOUND)
        book: Message = self.books[name]
        if self.fault == "stale_get":
            book = next(iter(self.books.values()))
        return book

    def create_book(self, request: Any) -> Message:
        if self.fault == "create_is_pending":
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "HANDLER_PENDING", {"file": "handlers/create_book.py"})
        if self.fault == "refuses_everything":
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION)
        if self.fault == "leaks" and not request.book.title:
            raise KeyError("title")
        if not self.fits(request.parent, "shelves"):
            malformed("parent")
        if not request.HasField("book"):
            malformed("book")
        if not request.book.title:
            malformed("book.title")
        if request.parent not in self.shelves:
            raise Refusal(grpc.StatusCode.NOT_FOUND)
        if self.fault == "crash_on_unknown_enum":
            request.book.DESCRIPTOR.fields_by_name["binding"].enum_type.values_by_number[request.book.binding]
        if self.fault == "crash_on_nul" and "\0" in request.book.title:
            raise ValueError("embedded null character in C:\\secret")
        name = f"{request.parent}/books/{request.book_id or self.new_id()}"
        if not self.fits(name, "shelves", "books"):
            malformed()
        if name in self.books and self.fault != "overwrites":
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS)
        book = self.schema.new("lib.v1.Book")
        book.CopyFrom(request.book)
        stored: Any = book
        stored.name, stored.create_time.seconds = name, 1_700_000_000
        for chapter in stored.chapters:
            chapter.checksum = "the server's own"
        if self.fault == "drops_field":
            stored.ClearField("appendix")
        if self.fault == "rounds":
            stored.price.nanos = 0
        if self.fault == "no_name":
            stored.ClearField("name")
        if self.fault != "lost_write":
            self.books[name] = book
        return book

    def delete_book(self, request: Any) -> Message:
        name = self.book_name(request.name)
        if name not in self.books and self.fault not in ("delete_keeps", "second_delete_is_fine"):
            raise Refusal(grpc.StatusCode.NOT_FOUND)
        if self.fault == "half_deleted":
            self.books[name].title = "deleted"
        elif self.fault != "delete_keeps":
            self.books.pop(name, None)
        return self.schema.new("google.protobuf.Empty")

    def list_books(self, request: Any) -> Message:
        size = request.page_size
        if size < 0 and self.fault != "negative_size":
            malformed("page_size")
        if not self.fits(request.parent, "shelves"):
            malformed("parent")
        size = min(size, 1000) if size > 0 else 50
        start = 0
        if request.page_token and self.fault != "any_token":
            prefix, _, number = request.page_token.rpartition(":")
            if prefix != f"from:{request.parent}" or not number.isdigit():
                malformed()
            start = int(number)
        mine = [book for book in self.books.values() if book.name.startswith(f"{request.parent}/books/")]
        end = start + size
        following = end
        if self.fault == "page_too_long":
            end = following = end + 1
        if self.fault == "page_skips_one":
            following = end + 1
        if self.fault == "page_repeats_one" and size > 1:
            following = end - 1
        response: Any = self.schema.new("lib.v1.ListBooksResponse")
        response.books.extend(mine[start:end])
        if self.fault == "forgets_last_page" and len(mine) - following == 1:
            following = len(mine)
        if following < len(mine) or self.fault == "endless_walk":
            response.next_page_token = f"from:{request.parent}:{following}"
        result: Message = response
        return result

    def create_shelf(self, request: Any) -> Message:
        name = f"shelves/{request.shelf_id or self.new_id()}"
        if not self.fits(name, "shelves"):
            malformed()
        if name in self.shelves:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS)
        shelf: Any = self.schema.new("lib.v1.Shelf")
        shelf.CopyFrom(request.shelf)
        shelf.name = name
        self.shelves[name] = shelf
        result: Message = shelf
        return result

    # The others.

    def lend_book(self, request: Any) -> Message:
        if self.fault == "hangs":
            threading.Event().wait(1.5)
        if self.fault == "pending":
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED, "HANDLER_PENDING", {"file": "handlers/lend_book.py"})
        if self.fault == "unexplained_unimplemented":
            raise Refusal(grpc.StatusCode.UNIMPLEMENTED)
        if self.book_name(request.book) not in self.books:
            raise Refusal(grpc.StatusCode.NOT_FOUND)
        return self.schema.new("lib.v1.LendBookResponse")

    def watch(self, request: Any) -> Iterator[Message]:
        yield self.schema.new("lib.v1.Note")
        if self.fault == "slow_watch":
            threading.Event().wait(0.4)
        if self.fault == "endless_watch":
            while not self.closing.wait(0.01):
                yield self.schema.new("lib.v1.Note")

    def collect(self, requests: Iterator[Any]) -> Message:
        received = list(requests)
        if self.fault == "crash_on_empty_stream":
            received[0]
        count: Any = self.schema.new("lib.v1.Count")
        count.notes = len(received)
        result: Message = count
        return result

    def talk(self, requests: Iterator[Any]) -> Iterator[Message]:
        for request in requests:
            if self.fault == "crash_mid_stream" and len(request.text) > 20:
                raise RuntimeError("too much")
            yield request

    def new_id(self) -> str:
        self.counter += 1
        return f"n{self.counter}"

    def book_name(self, name: str) -> str:
        if not self.fits(name, "shelves", "books"):
            if self.fault == "malformed_is_not_found":
                raise Refusal(grpc.StatusCode.NOT_FOUND)
            malformed("name")
        return name

    def fits(self, name: str, *collections: str) -> bool:
        parts = name.split("/")
        right = parts[::2] == list(collections) and len(parts) == 2 * len(collections)
        return right and all(part and part.replace("-", "").isalnum() and part.isascii() for part in parts)

    # How it is served.

    def handler(self, function: Callable[..., Any], rpc: Rpc) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler of an RPC: bytes in, bytes out, exceptions to statuses."""

        def unary(incoming: Any, context: grpc.ServicerContext) -> bytes:
            try:
                self.record(rpc, context)
                streaming = rpc.method.client_streaming
                request = self.decoded(rpc, incoming) if streaming else self.decode(rpc, incoming)
                with self.lock:
                    return self.encode(rpc, function(request))
            except Exception as error:
                self.refuse(error, context)

        def stream(incoming: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            try:
                self.record(rpc, context)
                streaming = rpc.method.client_streaming
                request = self.decoded(rpc, incoming) if streaming else self.decode(rpc, incoming)
                for response in function(request):
                    yield self.encode(rpc, response)
            except Exception as error:
                self.refuse(error, context)

        match rpc.method.client_streaming, rpc.method.server_streaming:
            case False, False:
                return grpc.unary_unary_rpc_method_handler(unary)
            case True, False:
                return grpc.stream_unary_rpc_method_handler(unary)
            case False, True:
                return grpc.unary_stream_rpc_method_handler(stream)
            case _:
                return grpc.stream_stream_rpc_method_handler(stream)

    def decoded(self, rpc: Rpc, incoming: Iterator[bytes]) -> Iterator[Message]:
        for data in incoming:
            yield self.decode(rpc, data)

    def decode(self, rpc: Rpc, data: bytes) -> Message:
        message = self.schema.message_class(rpc.method.input).FromString(data)
        if self.fault == "refuses_unknown":
            known = self.schema.message_class(rpc.method.input).FromString(data)
            known.DiscardUnknownFields()
            if known.ByteSize() != message.ByteSize():
                malformed()
        return message

    def encode(self, rpc: Rpc, message: Message) -> bytes:
        return b"\xff" if self.fault == "garbage" and rpc.method.name == "CreateShelf" else message.SerializeToString()

    def refuse(self, error: Exception, context: grpc.ServicerContext) -> NoReturn:
        refusal, message = Refusal(grpc.StatusCode.INTERNAL), "internal error"
        if isinstance(error, Refusal):
            refusal, message = error, "refused"
        elif self.fault == "leaks":
            message = f"{type(error).__name__}: {error}"
        status = status_pb2.Status(code=refusal.code.value[0], message=message)
        domain = "" if self.fault == "no_domain" else SERVICE
        reason = "lower case" if self.fault == "odd_reason" else refusal.reason
        info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=refusal.metadata)
        for _ in range({"no_error_info": 0, "two_error_infos": 2}.get(self.fault, 1)):
            status.details.add().Pack(info)
        if refusal.field:
            status.details.add().Pack(
                error_details_pb2.BadRequest(
                    field_violations=[{"field": refusal.field, "description": "it does not fit"}]
                )
            )
        if self.fault == "other_code_in_details":
            status.code = 2
        if self.fault != "no_details":
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(refusal.code, message)

    def record(self, rpc: Rpc, context: grpc.ServicerContext) -> None:
        headers = dict(context.invocation_metadata())
        parts = str(headers.get("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-00")).split("-")
        trace_id = "f" * 32 if self.fault == "new_trace" else parts[1]
        parent = {"no_parent": "", "wrong_parent": "a" * 16}.get(self.fault, parts[2])
        self.recorded.append(Span(trace_id, "b" * 16, parent, rpc.path[1:], "SERVER"))


_ATTRIBUTES = {
    "GetBook": "get_book",
    "ListBooks": "list_books",
    "CreateBook": "create_book",
    "DeleteBook": "delete_book",
    "CreateShelf": "create_shelf",
    "LendBook": "lend_book",
    "Watch": "watch",
    "Collect": "collect",
    "Talk": "talk",
}


@dataclass
class Served:
    """A library that is served: launcher and target in one."""

    library: Library
    label: str = "handmade"
    asked: str = "handmade"
    salt: str = ""
    shows_spans: bool = True
    address: str = ""

    def __post_init__(self) -> None:
        self.server = grpc.server(ThreadPoolExecutor(max_workers=8))
        library = self.library
        handlers = {}
        for rpc in library.schema.rpcs:
            if not (library.fault == "unregistered" and rpc.method.name == "LendBook"):
                handlers[rpc.method.name] = library.handler(getattr(library, _ATTRIBUTES[rpc.method.name]), rpc)
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        servicer = health.HealthServicer()
        serving = health_pb2.HealthCheckResponse.SERVING
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        servicer.set("", serving)
        if library.fault != "health_unknown":
            servicer.set(SERVICE, not_serving if library.fault == "not_serving" else serving)
        if library.fault != "no_health":
            health_pb2_grpc.add_HealthServicer_to_server(servicer, self.server)
        self.address = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def open(self, component: str) -> Served:
        if self.library.fault == "does_not_start":
            raise TargetError(f"{component} does not start: because")
        return self

    def spans(self, trace_id: str) -> tuple[Span, ...]:
        return tuple(span for span in list(self.library.recorded) if span.trace_id == trace_id)

    def close(self) -> None:
        self.library.closing.set()
        self.server.stop(None).wait()


@pytest.fixture
def library_bench(library_schema: Schema, library_workspace: Path) -> Iterator[Callable[..., Bench]]:
    """A bench over a library with a fault."""
    benches: list[Bench] = []

    def make(
        fault: str = "",
        *,
        places: dict[str, str] | None = None,
        shows_spans: bool = True,
        **settings: Any,
    ) -> Bench:
        served = Served(Library(library_schema, fault), shows_spans=shows_spans)
        component = plan.Component("store", "library", "src", places=places or {})
        benches.append(Bench(plan.Plan({"library": component}), served, library_workspace, **settings))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()
