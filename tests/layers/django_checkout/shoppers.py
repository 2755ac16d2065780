"""What the checks of the checkout are made with: two sides that are watched, a share that moves, a vendor, a service to kill."""

import os
import shlex
import signal
import subprocess
import threading
from collections import defaultdict
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

PATIENCE = 60


class Watch:
    """Which side each call came to, written down before the side is called."""

    def __init__(self):
        self.came = defaultdict(list)
        self.wrong = []
        self._changed = threading.Condition()
        self._asked = threading.local()

    def asking(self, share):
        """The share under which this thread makes its next call."""
        self._asked.share = share

    def arrived(self, side, request, share, expected):
        """A first attempt under a share that did not move meanwhile has to be where the share sends it."""
        with self._changed:
            first = not self.came[request.request_id]
            self.came[request.request_id].append(side)
            if first and share.steady and share == self._asked.share and side != expected(share, request.cart):
                self.wrong.append((share, request, side))
            self._changed.notify_all()

    def wait_for(self, request_id, calls):
        """Wait until that many calls came with an id."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.came[request_id]) >= calls, PATIENCE), request_id


class Side:
    """One side of the port, watched. ``now`` tells the share, ``expected`` which side it means for a cart."""

    reachable = True

    def __init__(self, name, port, watch, now, expected):
        self.name, self.port, self.watch, self.now, self.expected = name, port, watch, now, expected

    def place_order(self, request):
        self.watch.arrived(self.name, request, self.now(), self.expected)
        return self.port.place_order(request)


class Vendor:
    """What the stand-in can be told and asked besides charging."""

    def __init__(self, url):
        self.address = urlsplit(url).netloc

    def reached(self, token):
        """Wait until it has charged for a token."""
        self._ask("GET", f"/reached/{token}")

    def heal(self, token):
        self._ask("POST", f"/heal/{token}")

    def _ask(self, verb, path):
        connection = HTTPConnection(self.address, timeout=2 * PATIENCE)
        try:
            connection.request(verb, path)
            assert connection.getresponse().status == 200, path
        finally:
            connection.close()


class Service:
    """The new process, which can be killed."""

    def __init__(self):
        self._process = None

    def start(self):
        command = shlex.split(os.environ["SERVICE"])
        log = Path(os.environ["SERVICE_LOG"])
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=file)

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE)
