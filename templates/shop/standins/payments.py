"""A stand-in for the payment vendor, for development and tests. It charges nobody, and forgets everything when it ends.

    PORT=8080 python standins/payments.py

    POST /v1/charges       takes {"amount": "59.8", "currency": "EUR", "token": "card"}; answers 200 with the charge,
                           402 for the token "declined"; the same Idempotency-Key brings the same answer
    GET  /v1/charges/ID    answers 200 with the charge, or 404

It needs Python only. With PORT=0 the system chooses a port; the one line that is printed says which.
"""

import json
import os
import signal
import socketserver
import sys
import threading
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

#: Vendors take their time. Without that, traces would show a system that nobody will see in production.
LATENCY_SECONDS = 0.025

_PATH = "/v1/charges"

Document = dict[str, object]
Answer = tuple[HTTPStatus, Document]


class Charges:
    """The charges that were made. May be used from many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Document] = {}
        self._answers: dict[str, Answer] = {}

    def make(self, key: str, wanted: Document) -> Answer:
        """Charge what is wanted, unless there is an answer for that idempotency key already: then that one."""
        with self._lock:
            if key not in self._answers:
                self._answers[key] = self._decide(wanted)
            return self._answers[key]

    def get(self, charge_id: str) -> Answer:
        """A charge that was made."""
        with self._lock:
            charge = self._by_id.get(charge_id)
        return (HTTPStatus.OK, charge) if charge else _refusal(HTTPStatus.NOT_FOUND, "no_such_charge")

    def _decide(self, wanted: Document) -> Answer:
        if wanted["token"] == "declined":
            return _refusal(HTTPStatus.PAYMENT_REQUIRED, "card_declined")
        charge = {"id": f"ch_{uuid.uuid4().hex[:16]}", "status": "succeeded"}
        self._by_id[charge["id"]] = {**charge, "amount": wanted["amount"], "currency": wanted["currency"]}
        return HTTPStatus.OK, self._by_id[charge["id"]]


class Server(ThreadingHTTPServer):
    """The vendor's server; `charges` is all it knows."""

    # Threads that still answer somebody do not keep the process from ending.
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self.charges = Charges()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, which HTTPServer does here, and which may take seconds."""
        socketserver.TCPServer.server_bind(self)


class Handler(BaseHTTPRequestHandler):
    """Answers the vendor's API."""

    server: Server
    protocol_version = "HTTP/1.1"  # connections stay open, as with a real vendor
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer leaves in one piece

    def do_POST(self) -> None:
        """Make a charge."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self._make(body) if self.path == _PATH else _refusal(HTTPStatus.NOT_FOUND, "no_such_path"))

    def do_GET(self) -> None:
        """Look up a charge."""
        self._answer(self.server.charges.get(self.path.removeprefix(f"{_PATH}/")))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  http.server's name for it
        """Nothing: the services' traces tell what was asked here."""

    def _make(self, body: bytes) -> Answer:
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return _refusal(HTTPStatus.UNAUTHORIZED, "no_api_key")
        key = self.headers.get("Idempotency-Key")
        if not key:
            return _refusal(HTTPStatus.BAD_REQUEST, "no_idempotency_key")
        try:
            wanted = json.loads(body)
        except ValueError:
            return _refusal(HTTPStatus.BAD_REQUEST, "no_json")
        if not isinstance(wanted, dict) or not all(
            isinstance(wanted.get(name), str) for name in ("amount", "currency", "token")
        ):
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "amount_currency_and_token_are_needed")
        return self.server.charges.make(key, wanted)

    def _answer(self, answer: Answer) -> None:
        time.sleep(LATENCY_SECONDS)
        status, document = answer
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _refusal(status: HTTPStatus, code: str) -> Answer:
    return status, {"error": {"code": code}}


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    with Server(int(os.environ["PORT"])) as server:
        print(f"a stand-in for the payment vendor serves http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
