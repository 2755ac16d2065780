"""A generated store, ``books``, as a program of its own in production, and callers that note what they were told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2

from scaffold.shell.protoc import compile_protos, installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

SERVICE = "shop.books.v1.BookService"
START_SECONDS = 30.0
CALL_SECONDS = 10.0
PROTO = "shop/books/v1/books.proto"

# What is accepted gets its one answer, and what is not says so: nobody tries again behind the test's back.
_OPTIONS = (("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 100))


class Books:
    """The folder of the generated service, and its messages."""

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / "services/books"
        compiled = compile_protos((("protos", workspace / "protos"), *installed()), [PROTO])
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
            pool.Add(file)  # type: ignore[no-untyped-call]
        self._pool = pool

    def message(self, name: str, /, **fields: object) -> bytes:
        """A message of the API, as it is sent."""
        return self._class(name)(**fields).SerializeToString()

    def read(self, name: str, data: bytes) -> object:
        """A message of the API that was received."""
        return self._class(name).FromString(data)

    def migrate(self, url: str, **environ: str) -> None:
        """Run ``--migrate``."""
        code, out, err = self.ended("--migrate", DATABASE_URL=url, **environ)
        assert (code, out) == (0, "books: the database is up to date\n"), err

    def ended(self, *options: str, **environ: str) -> tuple[int, str, str]:
        """Run the program to its end: exit code, standard output, standard error."""
        ran = subprocess.run(
            [sys.executable, "-m", "books", *options],
            cwd=self.folder,
            env=self.environment(environ),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        return ran.returncode, ran.stdout, ran.stderr

    @contextmanager
    def serving(self, url: str, *, within: tuple[str, ...] = (), **environ: str) -> Iterator[Program]:
        """The program, serving; killed at the end if it still runs. ``within`` is a command that runs commands."""
        program = Program(self, url, within, environ)
        try:
            yield program
        finally:
            program.kill()

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The program's environment: nothing of the machine's decides about it."""
        clean = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        return {**clean, "PYTHONPATH": "src", "HOST": "127.0.0.1", "PORT": "0", **environ}

    def _class(self, name: str) -> type:
        found = self._pool.FindMessageTypeByName(f"shop.books.v1.{name}")  # type: ignore[no-untyped-call]
        cls: type = message_factory.GetMessageClass(found)
        return cls


class Program:
    """``python -m books`` while it serves."""

    def __init__(self, books: Books, url: str, within: tuple[str, ...], environ: Mapping[str, str]) -> None:
        self._books = books
        self._errors: list[str] = []
        self._process = subprocess.Popen(
            [*within, sys.executable, "-m", "books"],
            cwd=books.folder,
            env=books.environment({"DATABASE_URL": url, **environ}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        # A pipe that nobody reads fills up, and the program would stand still.
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert " serves " in line, f"{line}{self.kill()}"
        self.address = f"127.0.0.1:{line.rpartition(':')[2]}"

    @property
    def port(self) -> str:
        """The port that it listens on."""
        return self.address.rpartition(":")[2]

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def mark(self, line: str) -> None:
        """Put a line of one's own into what it has logged, once it has been quiet for a moment."""
        seen = -1
        while seen != len(self._errors):
            seen = len(self._errors)
            time.sleep(0.3)
        self._errors.append(f"{line}\n")

    def wait(self, seconds: float = START_SECONDS) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(seconds)

    def kill(self) -> str:
        """End it at once, whatever it does; what it has logged."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(START_SECONDS)
        self._reader.join(START_SECONDS)
        return "".join(self._errors)

    @contextmanager
    def channel(self) -> Iterator[grpc.Channel]:
        """A channel of its own connection that never tries a call again."""
        with grpc.insecure_channel(self.address, options=_OPTIONS) as channel:
            yield channel

    def call(self, method: str, request: bytes, *, timeout: float = CALL_SECONDS) -> bytes:
        """Make one call; the bytes of the answer."""
        with self.channel() as channel:
            answer: bytes = channel.unary_unary(f"/{SERVICE}/{method}")(request, timeout=timeout)
            return answer

    def create(self, name: str, title: str = "", *, timeout: float = CALL_SECONDS) -> None:
        """Create a book."""
        request = self._books.message("CreateBookRequest", book={"title": title}, book_id=name)
        self.call("CreateBook", request, timeout=timeout)

    def get(self, name: str) -> str:
        """The title of a book."""
        answer = self.call("GetBook", self._books.message("GetBookRequest", name=f"books/{name}"))
        return str(self._books.read("Book", answer).title)  # type: ignore[attr-defined]

    def all(self) -> dict[str, str]:
        """Every book that is there: id and title."""
        found: dict[str, str] = {}
        token = ""
        while True:
            request = self._books.message("ListBooksRequest", page_size=1000, page_token=token)
            page = self._books.read("ListBooksResponse", self.call("ListBooks", request))
            found.update((book.name.removeprefix("books/"), book.title) for book in page.books)  # type: ignore[attr-defined]
            token = page.next_page_token  # type: ignore[attr-defined]
            if not token:
                return found

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)


@dataclass
class Callers:
    """Threads that create books, one call after the other, and what each call was told. Nobody tries anything again."""

    books: Books
    address: str
    threads: int
    most: int
    prefix: str = "b"
    answered: dict[str, grpc.StatusCode] = field(default_factory=dict)
    _numbers: Iterator[int] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._numbers = iter(range(self.most))

    @property
    def acknowledged(self) -> set[str]:
        """The books that somebody was told are there."""
        return {name for name, code in self.answered.copy().items() if code is grpc.StatusCode.OK}

    @property
    def codes(self) -> Counter[grpc.StatusCode]:
        """How often each status was the answer."""
        return Counter(self.answered.copy().values())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Start all threads; at the end wait for them to have made all calls."""
        threads = [threading.Thread(target=self._work) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            until = time.monotonic() + 90
            for thread in threads:
                thread.join(max(0.0, until - time.monotonic()))
            assert not any(thread.is_alive() for thread in threads), "a call hangs"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until the callers have come that far."""
        until = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, self.codes
            time.sleep(0.002)

    def stop(self) -> None:
        """Let the threads end after the call that they are making."""
        self._numbers = iter(())

    def _work(self) -> None:
        with grpc.insecure_channel(self.address, options=_OPTIONS) as channel:
            create = channel.unary_unary(f"/{SERVICE}/CreateBook")
            while True:
                with self._lock:
                    number = next(self._numbers, None)
                if number is None:
                    return
                name = f"{self.prefix}{number}"
                request = self.books.message("CreateBookRequest", book={"title": title_of(name)}, book_id=name)
                try:
                    create(request, timeout=CALL_SECONDS)
                    code = grpc.StatusCode.OK
                except grpc.RpcError as error:
                    code = error.code()  # type: ignore[attr-defined]
                    time.sleep(0.1)  # nobody is there
                self.answered[name] = code


def through_sigterms(books: Books, url: str, most: int, stops: Sequence[int]) -> tuple[Callers, set[str]]:
    """Make ``most`` calls, with a SIGTERM and another start at those counts; what the callers were told, and what is there."""
    with ExitStack() as stack:
        program = stack.enter_context(books.serving(url, GRACE_SECONDS="20"))
        callers = Callers(books, program.address, threads=24, most=most)
        with callers.at_work():
            for made in stops:
                callers.wait_for(lambda made=made: len(callers.answered) >= made)  # type: ignore[misc]
                program.send(signal.SIGTERM)
                assert program.wait() == 0
                assert "left behind" not in program.kill()
                program = stack.enter_context(books.serving(url, PORT=program.port, GRACE_SECONDS="20"))
        return callers, set(program.all())


def title_of(name: str) -> str:
    """What the book of that id is called: long enough for half of it to be noticed."""
    return f"{name} " * 20


def refused(work: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Status and reason of a call that is refused; fails where something of the database or the code is told."""
    try:
        work()
    except grpc.RpcError as error:
        (packed,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]  # type: ignore[attr-defined]
        status = status_pb2.Status.FromString(packed)
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert info.domain == SERVICE
        told = f"{error.details()} {status.message} {info}".lower()  # type: ignore[attr-defined]
        for leak in (
            "sql",
            "postgres",
            "psycopg",
            "insert",
            "select",
            "begin",
            "traceback",
            "password",
            "/tmp",
            "host",
        ):
            assert leak not in told, told
        return error.code(), info.reason  # type: ignore[attr-defined]
    raise AssertionError("it was answered")
