"""What somebody writes by hand with grpcio for a process: its asyncio server, and the compiler's own code for messages.

``python -m tests.bench.peers.events PORT``, with ``bench_pb2`` and ``bench_pb2_grpc`` on the path. On uvloop where that
is installed, as a generated process is, and with the same limits.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator

import bench_pb2_grpc
import grpc.aio
from bench_pb2 import Item

from tests.bench.peers.limits import OPTIONS, PROCESS_CALLS


class Kinds(bench_pb2_grpc.KindsServiceServicer):  # type: ignore[misc]  # the compiler writes no types
    """The four kinds of RPC."""

    async def Echo(self, request: Item, context: object) -> Item:  # noqa: N802
        return request

    async def Repeat(self, request: Item, context: object) -> AsyncIterator[Item]:  # noqa: N802
        for _ in range(request.quantity):
            yield request

    async def Last(self, request_iterator: AsyncIterator[Item], context: object) -> Item:  # noqa: N802
        last = Item()
        async for item in request_iterator:
            last = item
        return last

    async def Mirror(self, request_iterator: AsyncIterator[Item], context: object) -> AsyncIterator[Item]:  # noqa: N802
        async for item in request_iterator:
            yield item


async def serve(port: str) -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=PROCESS_CALLS)
    bench_pb2_grpc.add_KindsServiceServicer_to_server(Kinds(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await server.stop(0)


def main(port: str) -> None:
    """Choose the loop, and serve."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(port))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(port))


if __name__ == "__main__":
    main(sys.argv[1])
