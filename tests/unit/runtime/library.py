"""A small API for tests, ``library.v1``, with an RPC of each kind; and a component that serves it."""

import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message
from runtime.common import messages
from runtime.common.tracing import Tracing
from runtime.service.component import Running
from runtime.service.rpc import Rpc, Service
from runtime.store import Component, Interceptor, Settings, start

PATIENCE = 5.0  # seconds that any test waits for anything
SERVICE = "library.v1.LibraryService"
_STRING = descriptor_pb2.FieldDescriptorProto.TYPE_STRING


def file_with(name: str, package: str, *fields: str, syntax: str = "proto3", required: bool = False) -> bytes:
    """A proto file with one message, ``Book``, of string fields."""
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax=syntax)
    book = file.message_type.add(name="Book")
    label = descriptor_pb2.FieldDescriptorProto.LABEL_REQUIRED if required else 1
    for number, field_name in enumerate(fields, start=1):
        book.field.add(name=field_name, number=number, type=_STRING, label=label)
    return file.SerializeToString()


messages.register(
    [
        ("library/v1/library.proto", file_with("library/v1/library.proto", "library.v1", "name", "title")),
        ("library/v2/library.proto", file_with("library/v2/library.proto", "library.v2", "name", "title", "author")),
        (
            "library/strict.proto",
            file_with("library/strict.proto", "library.strict", "name", syntax="proto2", required=True),
        ),
    ]
)
Book = messages.message("library.v1.Book")
NewerBook = messages.message("library.v2.Book")
StrictBook = messages.message("library.strict.Book")

RPCS = (
    Rpc("GetBook", "get_book", Book, Book),
    Rpc("ListBooks", "list_books", Book, Book, server_streaming=True),
    Rpc("SaveBooks", "save_books", Book, Book, client_streaming=True),
    Rpc("SwapBooks", "swap_books", Book, Book, client_streaming=True, server_streaming=True),
)
METHODS = tuple(rpc.name for rpc in RPCS)


def title(book: Message) -> str:
    return str(getattr(book, "title"))  # noqa: B009  a class built from a descriptor has no attributes for type checkers


def service(**handlers: Callable[..., object]) -> Service:
    return Service(SERVICE, RPCS, lambda: types.SimpleNamespace(**{**ECHO, **handlers}))


def get_book(request: Message, context: object) -> Message:
    return request


def list_books(request: Message, context: object) -> Iterator[Message]:
    for _ in range(3):
        yield request


def save_books(requests: Iterator[Message], context: object) -> Message:
    return Book(title=",".join(title(book) for book in requests))


def swap_books(requests: Iterator[Message], context: object) -> Iterator[Message]:
    yield from requests


ECHO: dict[str, Callable[..., object]] = {
    "get_book": get_book,
    "list_books": list_books,
    "save_books": save_books,
    "swap_books": swap_books,
}


def component(
    *services: Service,
    build: Callable[[Settings], object] = lambda settings: None,
    interceptors: Sequence[Interceptor] = (),
) -> Component:
    return Component(
        name="library",
        kind="store",
        package="library_service",
        digest="0" * 64,
        build=build,
        interceptors=lambda settings: interceptors,
        services=services or (service(),),
    )


@contextmanager
def serving(
    served: Component | None = None, tracing: Tracing | None = None, **settings: object
) -> Iterator[tuple[Running, grpc.Channel]]:
    given = {"component": "library", "dev": True, "port": 0, "grace_seconds": 0.2, **settings}
    running = start(served or component(), Settings.model_validate(given), tracing or Tracing())
    try:
        with grpc.insecure_channel(running.address) as channel:
            yield running, channel
    finally:
        running.stop(0)
