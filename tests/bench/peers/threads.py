"""What somebody writes by hand with grpcio for a store: its threaded server, and the compiler's own code for messages.

``python -m tests.bench.peers.threads PORT``, with ``bench_pb2`` and ``bench_pb2_grpc`` on the path. As many threads as
a generated store has for its calls, and the same limits.
"""

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import bench_pb2_grpc
import grpc
from bench_pb2 import Item

from tests.bench.peers.limits import OPTIONS, STORE_CALLS, STORE_WORKERS


class Kinds(bench_pb2_grpc.KindsServiceServicer):  # type: ignore[misc]  # the compiler writes no types
    """The four kinds of RPC."""

    def Echo(self, request: Item, context: grpc.ServicerContext) -> Item:  # noqa: N802
        return request

    def Repeat(self, request: Item, context: grpc.ServicerContext) -> Iterator[Item]:  # noqa: N802
        for _ in range(request.quantity):
            yield request

    def Last(self, request_iterator: Iterator[Item], context: grpc.ServicerContext) -> Item:  # noqa: N802
        last = Item()
        for item in request_iterator:
            last = item
        return last

    def Mirror(self, request_iterator: Iterator[Item], context: grpc.ServicerContext) -> Iterator[Item]:  # noqa: N802
        yield from request_iterator


def main(port: str) -> None:
    """Serve until SIGTERM."""
    server = grpc.server(ThreadPoolExecutor(STORE_WORKERS), options=OPTIONS, maximum_concurrent_rpcs=STORE_CALLS)
    bench_pb2_grpc.add_KindsServiceServicer_to_server(Kinds(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    signal.signal(signal.SIGTERM, lambda *_: server.stop(0))
    server.wait_for_termination()


if __name__ == "__main__":
    main(sys.argv[1])
