"""A payment vendor that charges and then fails, and that writes down every charge that it makes.

What it does is in the token, `FAULT:ORDER`: it charges, and until somebody heals that token it answers 503 (`503`), nothing at
all (`cut`), or keeps the caller waiting (`hold`). The same Idempotency-Key brings the same charge. Each charge is a line with
its token in the file CHARGES, so that whoever reads it can count by order, whatever the keys were.

    POST /v1/charges      as the sample's stand-in
    GET  /reached/TOKEN   answers when a charge for that token has been made
    POST /heal/TOKEN      from now on that token is answered well
"""

import json
import os
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_SECONDS = 60

LOCK, MADE = threading.Lock(), {}
REACHED, HEALED = defaultdict(threading.Event), defaultdict(threading.Event)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(200 if REACHED[self._token()].wait(LONGEST_SECONDS) else 504, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/heal/"):
            HEALED[self._token()].set()
            self._answer(200, {})
        else:
            self._charge(json.loads(body)["token"], self.headers["Idempotency-Key"])

    def _charge(self, token, key):
        with LOCK:
            if key not in MADE:
                MADE[key] = f"ch_{len(MADE)}"
                with open(os.environ["CHARGES"], "a") as file:  # noqa: PTH123
                    file.write(f"{token}\n")
        REACHED[token].set()
        fault = token.partition(":")[0]
        if fault == "hold":
            HEALED[token].wait(LONGEST_SECONDS)
        failing = not HEALED[token].is_set()
        if fault == "cut" and failing:
            self.close_connection = True
        elif fault == "503" and failing:
            self._answer(503, {})
        else:
            self._answer(200, {"id": MADE[key], "status": "succeeded"})

    def _token(self):
        return self.path.rpartition("/")[2]

    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
