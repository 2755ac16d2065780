"""What somebody writes by hand for a store of books: grpcio's threaded server, raw sqlite3 or psycopg, columns of its own.

``python -m tests.bench.peers.books URL PORT``, with ``books_pb2`` and ``books_pb2_grpc`` on the path. Sixteen threads with a
connection each, as a generated store has, and commits that are as durable.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import psycopg
from google.protobuf.timestamp_pb2 import Timestamp
from shop.books.v1 import books_pb2_grpc
from shop.books.v1.books_pb2 import Book, CreateBookRequest, GetBookRequest, ListBooksRequest, ListBooksResponse

WORKERS = 16
WAIT_SECONDS = 10.0

_TABLE = {
    "sqlite": "CREATE TABLE IF NOT EXISTS books (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "name TEXT NOT NULL UNIQUE, title TEXT NOT NULL, create_time INTEGER NOT NULL)",
    "postgresql": "CREATE TABLE IF NOT EXISTS books (position BIGSERIAL PRIMARY KEY, "
    "name TEXT NOT NULL UNIQUE, title TEXT NOT NULL, create_time BIGINT NOT NULL)",
}
_COLUMNS = "name, title, create_time"


class Tables:
    """The statements, on a connection for each thread."""

    def __init__(self, url: str) -> None:
        self._kind = "sqlite" if url.startswith("sqlite:///") else "postgresql"
        self._url = url.removeprefix("sqlite:///").replace("+psycopg", "")
        self._mark = "?" if self._kind == "sqlite" else "%s"
        self._of_thread = threading.local()
        self._execute(_TABLE[self._kind])

    def get(self, name: str) -> Book | None:
        """The book of that name."""
        rows = self._execute(f"SELECT {_COLUMNS} FROM books WHERE name = {self._mark}", name).fetchall()
        return _book(rows[0]) if rows else None

    def add(self, book: Book) -> bool:
        """Keep a new book; whether it was new."""
        values = (book.name, book.title, book.create_time.ToNanoseconds())
        marks = ", ".join(self._mark for _ in values)
        insert = f"INSERT INTO books ({_COLUMNS}) VALUES ({marks}) ON CONFLICT (name) DO NOTHING"
        return bool(self._execute(insert, *values).rowcount)

    def list(self, most: int) -> Iterable[Book]:
        """The first books."""
        rows = self._execute(f"SELECT {_COLUMNS} FROM books ORDER BY position LIMIT {self._mark}", most)
        return map(_book, rows.fetchall())

    def _execute(self, statement: str, *values: object) -> Any:
        connection = getattr(self._of_thread, "connection", None)
        if connection is None:
            connection = self._of_thread.connection = self._connect()
        return connection.execute(statement, values)

    def _connect(self) -> Any:
        if self._kind == "postgresql":
            return psycopg.connect(self._url, autocommit=True)
        connection = sqlite3.connect(self._url, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _book(row: Sequence[Any]) -> Book:
    name, title, create_time = row
    book = Book(name=name, title=title)
    book.create_time.FromNanoseconds(create_time)
    return book


class Books(books_pb2_grpc.BookServiceServicer):  # type: ignore[misc]  # the compiler writes no types
    """Get, list and create."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def GetBook(self, request: GetBookRequest, context: grpc.ServicerContext) -> Book:  # noqa: N802
        book = self._tables.get(request.name)
        if book is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f'"{request.name}" was not found')
        return book

    def ListBooks(self, request: ListBooksRequest, context: grpc.ServicerContext) -> ListBooksResponse:  # noqa: N802
        return ListBooksResponse(books=self._tables.list(request.page_size))

    def CreateBook(self, request: CreateBookRequest, context: grpc.ServicerContext) -> Book:  # noqa: N802
        now = Timestamp()
        now.FromNanoseconds(time.time_ns())
        name = f"books/{request.book_id or uuid.uuid4().hex}"
        book = Book(name=name, title=request.book.title, create_time=now)
        if not self._tables.add(book):
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f'"{name}" already exists')
        return book


def main(url: str, port: str) -> None:
    """Serve until SIGTERM."""
    server = grpc.server(ThreadPoolExecutor(WORKERS), options=[("grpc.so_reuseport", 0)])
    books_pb2_grpc.add_BookServiceServicer_to_server(Books(Tables(url)), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"serves on 127.0.0.1:{bound}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
