"""Get, create and list of a generated store, on SQLite and PostgreSQL, against grpcio with sqlite3 and psycopg by hand.

Both answer the same calls with the same number of threads and connections, and commit as durably, one after the other in
turns. The load comes from this process: a closed loop on grpc.aio, in bytes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from tests.postgresql import postgresql

ROOT = Path(__file__).resolve().parents[2]
SERVICE = "shop.books.v1.BookService"
PROTO = "shop/books/v1/books.proto"
ROUNDS = 9
SECONDS = 0.4
CALLS_AT_ONCE = 16
BOOKS = 1000
PAGE = 50
GENERATED, BY_HAND = "generated", "by hand"


@dataclass(frozen=True)
class Server:
    """A server's process that is up."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """What it has used of the processors since it began; a database server beside it is not in it."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """Calls a second, and seconds of a processor for each call."""

    rate: float
    cost: float


def databases(folder: Path) -> None:
    """Measure all and print the ratios."""
    workspace = make_workspace(folder)
    requests = Requests(folder / "stock-books")
    print(
        f"A store's throughput / grpcio with raw sqlite3 or psycopg by hand: {CALLS_AT_ONCE} calls at once, {BOOKS} books "
        f"and more;\nmedians of {ROUNDS} alternating runs of {SECONDS} s, calls a second, the quartiles of the ratio; "
        "then the processor time\nof a call, microseconds\n"
    )
    with postgresql(durable=True) as server:
        for kind in ("sqlite", "postgresql"):
            urls = [server.create() if kind == "postgresql" else f"sqlite:///{folder}/{n}.db" for n in range(2)]
            with ExitStack() as stack:
                ours = stack.enter_context(generated(workspace, urls[0]))
                peer = stack.enter_context(by_hand(folder, urls[1]))
                measured = asyncio.run(measure({GENERATED: ours, BY_HAND: peer}, requests))
            for method in requests.of:
                report(f"{method} on {kind}", measured[GENERATED, method], measured[BY_HAND, method])
    print()


class Requests:
    """The requests that are made, as bytes, by method."""

    def __init__(self, stock: Path) -> None:
        sys.path.insert(0, str(stock))
        from shop.books.v1 import books_pb2

        self._books = books_pb2
        names = (f"books/book-{number % BOOKS}" for number in range(10**9))
        listed = books_pb2.ListBooksRequest(page_size=PAGE).SerializeToString()
        self.of: dict[str, Callable[[], bytes]] = {
            "GetBook": lambda: bytes(books_pb2.GetBookRequest(name=next(names)).SerializeToString()),
            "CreateBook": lambda: self.create(f"book-{uuid.uuid4().hex}"),
            "ListBooks": lambda: bytes(listed),
        }

    def create(self, name: str) -> bytes:
        """A request to create a book of that id."""
        book = self._books.Book(title="A book with a title of some length")
        return bytes(self._books.CreateBookRequest(book=book, book_id=name).SerializeToString())


def make_workspace(folder: Path) -> Path:
    """A store of books, generated, with the handlers that it comes with; and the compiler's own code of its API."""
    workspace, stock = folder / "databases", folder / "stock-books"
    stock.mkdir()
    scaffold = [sys.executable, "-m", "scaffold"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    for command, place in (
        ([*scaffold, "init", str(workspace)], folder),
        ([*scaffold, "new", "store", "books", "--proto", PROTO], workspace),
    ):
        if "new" in command:
            target = workspace / "protos" / PROTO
            target.parent.mkdir(parents=True)
            target.write_bytes((Path(__file__).parent / "peers/books.proto").read_bytes())
        subprocess.run(command, cwd=place, env=environ, check=True, capture_output=True)
    # googleapis-common-protos has its protos where its modules are.
    roots = [f"-I{root}" for root in (workspace / "protos", sysconfig.get_path("purelib"))]
    compiler = [sys.executable, "-m", "grpc_tools.protoc", *roots]
    output = [f"--python_out={stock}", f"--grpc_python_out={stock}", PROTO]
    subprocess.run([*compiler, *output], check=True, capture_output=True)
    return workspace


@contextmanager
def generated(workspace: Path, url: str) -> Iterator[Server]:
    """The generated store in production."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "PYTHON"))}
    source = str(workspace / "services/books/src")
    environ = {
        **clean,
        "PYTHONPATH": source,
        "DATABASE_URL": url,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "LOG_LEVEL": "ERROR",
    }
    program = [sys.executable, "-m", "books"]
    subprocess.run([*program, "--migrate"], env=environ, check=True, capture_output=True)
    with _served(program, environ) as server:
        yield server


@contextmanager
def by_hand(folder: Path, url: str) -> Iterator[Server]:
    """The server written by hand."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder / "stock-books")])}
    with _served([sys.executable, "-m", "tests.bench.peers.books", url, "0"], environ) as server:
        yield server


@contextmanager
def _served(command: list[str], environ: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"{' '.join(command)} did not start")
        yield Server(line.rpartition(" ")[2], process.pid)
    finally:
        process.terminate()
        process.wait(30)


async def measure(servers: dict[str, Server], requests: Requests) -> dict[tuple[str, str], list[Run]]:
    """All runs, by server and method. The first round warms up, and does not count."""
    found: dict[tuple[str, str], list[Run]] = {(label, method): [] for label in servers for method in requests.of}
    async with AsyncExitStack() as stack:
        channels = {
            label: await stack.enter_async_context(grpc.aio.insecure_channel(server.address))
            for label, server in servers.items()
        }
        for channel in channels.values():
            create: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/CreateBook")
            for number in range(BOOKS):
                await create(requests.create(f"book-{number}"))
        for number in range(ROUNDS + 1):
            for method, make in requests.of.items():
                for label in sorted(servers, reverse=bool(number % 2)):
                    run = await load(servers[label], channels[label], method, make)
                    if number:
                        found[label, method].append(run)
    return found


async def load(server: Server, channel: grpc.aio.Channel, method: str, make: Callable[[], bytes]) -> Run:
    """Call for SECONDS."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{method}")
    begun, cpu = time.perf_counter(), server.cpu_seconds()
    count = 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() - begun < SECONDS:
            await call(make())
            count += 1

    await asyncio.gather(*(caller() for _ in range(CALLS_AT_ONCE)))
    return Run(count / (time.perf_counter() - begun), (server.cpu_seconds() - cpu) / count)


def report(title: str, ours: list[Run], peer: list[Run]) -> None:
    """Print a line: the medians, the median of the pairs' ratios, and its quartiles; then the same for processor time."""
    rates = [a.rate / b.rate for a, b in zip(ours, peer, strict=True)]
    costs = [a.cost / b.cost for a, b in zip(ours, peer, strict=True)]
    low, middle, high = statistics.quantiles(rates, n=4)
    print(
        f"  {title:24} {_median(r.rate for r in ours):6.0f} / {_median(r.rate for r in peer):6.0f} = {middle:4.2f} "
        f"({low:4.2f} to {high:4.2f})   {_median(r.cost * 1e6 for r in ours):5.0f} / "
        f"{_median(r.cost * 1e6 for r in peer):5.0f} = {statistics.median(costs):4.2f}"
    )


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
