"""Vendors: third parties that are called over HTTP, traced and bounded from the first call."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import httpx

from ..common import headers
from ..common.errors import DeadlineExceeded, Unavailable
from ..service.problems import SettingsError
from .budget import seconds_for_a_call
from .way import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..common.tracing import Value
    from .settings import Settings

_VERSION = re.compile(r"v\d+\w*")
_WORD = re.compile(r"[A-Za-z]+\d?")  # s3, oauth2
_LONGEST_WORD = 40


class Vendor:
    """An HTTP client of one third party. The generated subclasses name it; an instance belongs into the app.

    Each request makes a CLIENT span, is passed the request id and W3C's trace headers (and nothing else of ours), and
    takes no longer than ``timeout_seconds`` in all, or than our own caller still waits. A response of any status is
    returned as it is: what a vendor's 404 means, only its caller knows.

    Class attributes:
        name: what the vendor is called here, ``payments``.
        peer_service: what it is called in traces, ``acme-pay``.
        timeout_seconds: how long a request may take.
        url_variable: the variable that holds its base URL, ``PAYMENTS_URL``.
    """

    name: ClassVar[str]
    peer_service: ClassVar[str]
    timeout_seconds: ClassVar[float]
    url_variable: ClassVar[str]

    def __init__(self, settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """``transport`` stands in for the network in tests: ``httpx.MockTransport(answer)``.

        Raises :class:`SettingsError` when the base URL is not set, or is none.
        """
        # httpx would import this at the first request: 0.1 s during which no other call on the event loop advances.
        with suppress(ImportError):
            import_module("anyio._backends._asyncio")
        url = self._url(settings)
        self._tracing = settings.tracing
        self._attributes = _server(url)
        self._client = httpx.AsyncClient(
            base_url=url,
            transport=transport,
            timeout=None,  # httpx bounds each phase by itself; request() bounds their sum
            trust_env=not is_this_machine(urlsplit(url).hostname or ""),
        )
        settings.on_stop(self._client.aclose)

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None, route: str = "") -> httpx.Response:
        """``GET`` a path below the base URL; see :meth:`request`."""
        return await self.request("GET", path, headers=headers, route=route)

    async def post(
        self, path: str, *, json: object = None, headers: Mapping[str, str] | None = None, route: str = ""
    ) -> httpx.Response:
        """``POST`` JSON to a path below the base URL; see :meth:`request`."""
        return await self.request("POST", path, json=json, headers=headers, route=route)

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        route: str = "",
    ) -> httpx.Response:
        """Send a request to a path below the base URL, and return the whole response.

        ``route`` is the path as it stands in the span's name, ``/v1/charges/{charge}``; by default whatever looks like
        an id in the path is replaced, and the query is left out.

        Raises :class:`DeadlineExceeded` when it takes too long, and without sending anything when no time is left;
        :class:`Unavailable` when the vendor cannot be reached, or breaks off. Both name the vendor as ``component``.
        """
        seconds = seconds_for_a_call(None, self.timeout_seconds)
        route = route or _route(path)
        attributes = {**self._attributes, "http.request.method": method, "url.template": route}
        with self._tracing.span(f"{method} {route}", {"peer.service": self.peer_service, **attributes}) as span:
            try:
                async with asyncio.timeout(seconds):
                    response = await self._client.request(method, path, json=json, headers=self._headers(headers))
            except TimeoutError as error:
                span.fail("timeout", f"no answer in {seconds:.3g} s")
                raise DeadlineExceeded(f"{self.name} did not answer in time", component=self.name) from error
            except httpx.TransportError as error:
                span.fail(type(error).__name__)
                raise Unavailable(f"{self.name} cannot be reached", component=self.name) from error
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= httpx.codes.BAD_REQUEST:
                span.fail(str(response.status_code))
            return response

    def _headers(self, own: Mapping[str, str] | None) -> dict[str, str]:
        passed_on = self._tracing.http_headers()
        if headers.request_id():
            passed_on[headers.REQUEST_ID] = headers.request_id()
        return {**passed_on, **{name.lower(): value for name, value in (own or {}).items()}}

    def _url(self, settings: Settings) -> str:
        url = settings.value(self.url_variable)
        if url is None:
            raise SettingsError(
                f"{self.url_variable} is not set: set it to the base URL of {self.name}, https://HOST/…"
            )
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            # It may hold a password, so it is not shown.
            raise SettingsError(f"{self.url_variable} is no URL of HTTP: set it to the base URL of {self.name}")
        return url


def _server(url: str) -> dict[str, Value]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname or "", "server.port": port}


def _route(path: str) -> str:
    """The path with few possible values: as the name of a span, an id would make every request a kind of its own."""
    segments = re.split(r"[?#]", path, maxsplit=1)[0].split("/")
    return "/".join("{id}" if _is_id(segment) else segment for segment in segments)


def _is_id(segment: str) -> bool:
    if len(segment) > _LONGEST_WORD or "@" in segment or "%" in segment:
        return True
    return any(map(str.isdigit, segment)) and not (_VERSION.fullmatch(segment) or _WORD.fullmatch(segment))
