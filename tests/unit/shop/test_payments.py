"""The sample's stand-in for a payment vendor, as a process of its own: charges once a key, declines, starts and stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

PROGRAM = Path(__file__).parents[3] / "templates" / "shop" / "standins" / "payments.py"
SECONDS = 10.0

CARD = {"amount": "59.8", "currency": "EUR", "token": "card"}
DECLINED = {**CARD, "token": "declined"}


@dataclass
class Vendor:
    """The running program, and where it listens."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, object]]:
        connection = self.connect()
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def charge(self, key: str, wanted: object = CARD) -> tuple[int, dict[str, object]]:
        headers = {"Authorization": "Bearer any", "Idempotency-Key": key}
        return self.request("POST", "/v1/charges", json.dumps(wanted).encode(), **headers)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    # -I -S: without site-packages, since it must run wherever Python is.
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(PROGRAM)],
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        address = urlsplit(process.stdout.readline().split()[-1])
        assert address.hostname == "127.0.0.1"
        assert address.port
        yield Vendor(process, address.hostname, address.port)
    finally:
        process.kill()
        process.wait(SECONDS)
        process.stdout.close()


def test_a_charge_is_made_and_can_be_looked_up(vendor: Vendor) -> None:
    status, charge = vendor.charge("orders/1")
    assert status == 200
    assert (charge["status"], charge["amount"], charge["currency"]) == ("succeeded", "59.8", "EUR")
    assert vendor.request("GET", f"/v1/charges/{charge['id']}") == (200, charge)


def test_what_was_not_charged_is_not_found(vendor: Vendor) -> None:
    assert vendor.request("GET", "/v1/charges/ch_none")[0] == 404
    assert vendor.request("POST", "/v2/charges", b"{}")[0] == 404


def test_the_same_key_is_charged_once(vendor: Vendor) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(vendor.charge, ["orders/1"] * 8))
    assert answers == [answers[0]] * 8
    assert vendor.charge("orders/1") == answers[0]
    assert vendor.charge("orders/2")[1]["id"] != answers[0][1]["id"]


def test_a_declined_key_stays_declined(vendor: Vendor) -> None:
    assert vendor.charge("orders/1", DECLINED) == (402, {"error": {"code": "card_declined"}})
    assert vendor.charge("orders/1", CARD)[0] == 402
    assert vendor.charge("orders/2", CARD)[0] == 200


@pytest.mark.parametrize("wanted", [None, [], {}, {**CARD, "amount": 59.8}])
def test_what_is_no_charge_is_refused_and_its_key_stays_free(vendor: Vendor, wanted: object) -> None:
    assert vendor.charge("orders/1", wanted)[0] == 422
    assert vendor.charge("orders/1")[0] == 200


def test_a_request_needs_json_a_key_and_an_api_key(vendor: Vendor) -> None:
    body = json.dumps(CARD).encode()
    assert vendor.request("POST", "/v1/charges", b"{", Authorization="Bearer any", **{"Idempotency-Key": "k"})[0] == 400
    assert vendor.request("POST", "/v1/charges", body, Authorization="Bearer any")[0] == 400
    assert vendor.request("POST", "/v1/charges", body, **{"Idempotency-Key": "k"})[0] == 401


def test_it_is_as_slow_as_a_vendor_is(vendor: Vendor) -> None:
    begun = time.monotonic()
    vendor.charge("orders/1")
    assert time.monotonic() - begun >= 0.025


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_quietly(vendor: Vendor, number: signal.Signals) -> None:
    connection = vendor.connect()  # stays open, as those of real clients do
    connection.request("GET", "/v1/charges/ch_none")
    assert connection.getresponse().read()
    vendor.process.send_signal(number)
    assert vendor.process.wait(2.0) == 0
    connection.close()
    assert vendor.process.stdout is not None
    assert vendor.process.stdout.read() == ""
