"""What a generated server takes at most, by default: those written by hand take the same."""

MESSAGE_BYTES = 4 * 1024 * 1024  # MAX_MESSAGE_BYTES

#: A process: MAX_WORKERS.
PROCESS_CALLS = 1024

STORE_WORKERS = 16  # MAX_WORKERS
#: A store: MAX_WORKERS and MAX_WAITING, MAX_STREAMS, and those that are only turned away.
STORE_CALLS = STORE_WORKERS + 128 + 64 + 1000

OPTIONS = [
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
