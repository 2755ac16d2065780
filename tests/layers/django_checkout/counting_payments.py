"""A payment vendor that writes down every charge that it makes: a line with the key, in the file CHARGES."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK, MADE = threading.Lock(), {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers["Idempotency-Key"]
        with LOCK:
            if key not in MADE:
                MADE[key] = f"ch_{len(MADE)}"
                with open(os.environ["CHARGES"], "a") as file:  # noqa: PTH123
                    file.write(f"{key}\n")
        body = json.dumps({"id": MADE[key], "status": "succeeded"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
