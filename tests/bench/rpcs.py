"""The four kinds of RPC, store and process, without an exporter and exporting, against servers written by hand.

What is generated and what is written by hand (tests/bench/peers) answer the same calls, with the same threads and limits,
one after the other in turns. The load comes from this process: a closed loop on grpc.aio, in bytes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
AIM = 0.9
ROUNDS = 21
SECONDS = 0.4
WARMING_SECONDS = 0.15
CALLS_AT_ONCE = 16
STREAMS_AT_ONCE = 8
MESSAGES = 100  # of each stream

KINDS = {"unary_unary": "Echo", "unary_stream": "Repeat", "stream_unary": "Last", "stream_stream": "Mirror"}
_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass(frozen=True)
class Server:
    """A server's process that is up."""

    label: str
    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """What it has used of the processors since it began."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@dataclass
class Measured:
    """Calls (unary) or messages (streams) a second, and microseconds of a processor for each, round by round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def rpcs(folder: Path) -> None:
    """Measure all and print the ratios."""
    workspace = make_workspace(folder)
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        for kind in ("store", "process"):
            servers = stack.enter_context(serving(kind, workspace, folder, collector))
            measured = asyncio.run(measure(servers))
            report(kind, servers, measured)


def make_workspace(folder: Path) -> Path:
    """A store and a process of one API, generated, with handlers that do nothing; and the compiler's own code of it."""
    workspace, proto = folder / "kinds", (HERE / "peers" / "bench.proto").read_bytes()
    scaffold = [sys.executable, "-m", "scaffold"]
    _run([*scaffold, "init", str(workspace)], folder)
    (workspace / "protos" / "bench.proto").write_bytes(proto)
    for kind, name in (("store", "sync_bench"), ("process", "aio_bench")):
        _run([*scaffold, "new", kind, name, "--proto", "bench.proto"], workspace)
        handlers = workspace / "services" / name / "src" / name / "handlers"
        shutil.copytree(HERE / "handlers" / kind, handlers, dirs_exist_ok=True)
    stock = folder / "stock"
    stock.mkdir()
    compiler = [sys.executable, "-m", "grpc_tools.protoc", f"-I{workspace / 'protos'}"]
    _run([*compiler, f"--python_out={stock}", f"--grpc_python_out={stock}", "bench.proto"], folder)
    return workspace


@contextmanager
def serving(kind: str, workspace: Path, folder: Path, collector: str) -> Iterator[list[Server]]:
    """The three servers of a kind: by hand, generated, and generated with every span exported."""
    name, peer = ("sync_bench", "threads") if kind == "store" else ("aio_bench", "events")
    source = workspace / "services" / name / "src"
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "PYTHON"))}
    ours = {**clean, "PYTHONPATH": str(source), "DATABASE_URL": "sqlite://", "HOST": "127.0.0.1"}
    by_hand = {**clean, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder / "stock")])}
    exporting = {**ours, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}", "OTEL_EXPORTER_OTLP_INSECURE": "true"}
    with ExitStack() as stack:
        yield [
            stack.enter_context(_process("by hand", ["-m", f"tests.bench.peers.{peer}"], by_hand, by_position=True)),
            stack.enter_context(_process("no exporter", ["-m", name], ours)),
            stack.enter_context(_process("exporting", ["-m", name], exporting)),
        ]


async def measure(servers: Sequence[Server]) -> dict[tuple[str, str], Measured]:
    """Rounds in turns, by the server's label and the kind of RPC. The first round does not count."""
    found = {(server.label, kind): Measured() for server in servers for kind in KINDS}
    for number in range(ROUNDS + 1):
        for kind in KINDS:
            # Whoever comes after whom changes from round to round: a place in the row is worth some percent.
            for server in (*servers[number % len(servers) :], *servers[: number % len(servers)]):
                # Whoever has just run is quicker by a fifth: so each runs for a while before it counts.
                await load(server.address, kind, WARMING_SECONDS)
                begun, cpu = time.perf_counter(), server.cpu_seconds()
                count = await load(server.address, kind, SECONDS)
                rate, cost = count / (time.perf_counter() - begun), (server.cpu_seconds() - cpu) / count * 1e6
                if number:
                    found[server.label, kind].rates.append(rate)
                    found[server.label, kind].costs.append(cost)
    return found


async def load(address: str, kind: str, seconds: float) -> int:
    """Call for that long; returns how many calls (unary) or messages (streams) went through."""
    item = _item()
    until = time.perf_counter() + seconds
    count = 0

    async def requests() -> AsyncIterator[bytes]:
        for _ in range(MESSAGES):
            yield item

    async with grpc.aio.insecure_channel(address) as channel:
        call: Callable[..., object] = getattr(channel, kind)(f"/bench.v1.KindsService/{KINDS[kind]}")

        async def caller() -> None:
            nonlocal count
            while time.perf_counter() < until:
                answer = call(requests() if kind.startswith("stream") else item)
                if kind.endswith("stream"):
                    async for _ in answer:  # type: ignore[attr-defined]
                        pass
                else:
                    await answer  # type: ignore[misc]
                count += 1 if kind == "unary_unary" else MESSAGES

        at_once = CALLS_AT_ONCE if kind == "unary_unary" else STREAMS_AT_ONCE
        await asyncio.gather(*(caller() for _ in range(at_once)))
    return count


def report(kind: str, servers: Sequence[Server], measured: dict[tuple[str, str], Measured]) -> None:
    """Print medians, and the medians of the rounds' ratios."""
    what = "threads" if kind == "store" else "asyncio"
    print(f"{kind}: calls or messages a second, of a server by hand ({what})")
    for rpc in KINDS:
        peer = measured[servers[0].label, rpc]
        print(f"  {rpc:13} {statistics.median(peer.rates):8.0f}/s by hand")
        for server in servers[1:]:
            own = measured[server.label, rpc]
            ratio = statistics.median(a / b for a, b in zip(own.rates, peer.rates, strict=True))
            cost = statistics.median(a / b for a, b in zip(own.costs, peer.costs, strict=True))
            verdict = "" if server.label == "exporting" else "   within" if ratio >= AIM else "   MISSES"
            aim = f"{verdict} the aim of {AIM}" if verdict else ""
            print(
                f"    {server.label:11} {statistics.median(own.rates):8.0f}/s = {ratio:4.2f}, processor {cost:4.2f}{aim}"
            )
    print()


@contextmanager
def collecting() -> Iterator[str]:
    """Somebody who takes spans and forgets them; yields the address."""
    empty: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")

    class Everything(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
            return empty if details.method == _EXPORT else None

    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers((Everything(),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(5)


@contextmanager
def _process(
    label: str, arguments: list[str], environ: dict[str, str], *, by_position: bool = False
) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    place = [port] if by_position else ["--port", port]
    process = subprocess.Popen(
        [sys.executable, *arguments, *place], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
        yield Server(label, f"127.0.0.1:{port}", process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _item() -> bytes:
    """An Item as bytes: an espresso cup, in lots of MESSAGES."""
    name, title = b"products/espresso-cup", b"Espresso cup"
    price = b"\n\x03EUR\x10\x09\x18\x80\xd2\x93\xad\x03"
    parts = (b"\n", bytes([len(name)]), name, b"\x12", bytes([len(title)]), title)
    return b"".join((*parts, b"\x18", bytes([MESSAGES]), b"\x22", bytes([len(price)]), price))


def _run(command: Sequence[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
